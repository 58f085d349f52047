package proctree

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

func TestReadVitalsOfThisProcess(t *testing.T) {
	t.Parallel()
	needRollup(t)
	v, err := ReadVitals(os.Getpid())
	if err != nil || v.Files < 3 || v.Threads < 1 || v.PSS == 0 {
		t.Errorf("ReadVitals = %v, %v", v, err)
	}
	private, err := Private(os.Getpid())
	if err != nil || private <= 0 || private > 2*v.PSS { // it grows meanwhile
		t.Errorf("Private = %d of %d bytes, %v", private, v.PSS, err)
	}
	if n := Goroutines("goroutine 1 [running]:\nx\n\ngoroutine 7 [IO wait]:\ny\n"); n != 2 {
		t.Errorf("Goroutines = %d, want 2", n)
	}
}

// TestForkedFindsInstances has a shell be the zygote: what it forks has its command line.
func TestForkedFindsInstances(t *testing.T) {
	t.Parallel()
	needRollup(t)
	held, hold, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("sh", "-c", "(echo ready; read forever <&3) & wait", "zygote", "--fd")
	cmd.ExtraFiles = []*os.File{held}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	held.Close()
	if _, err := stdout.Read(make([]byte, 16)); err != nil {
		t.Fatal(err)
	}
	defer cmd.Process.Kill()
	defer func() { _ = cmd.Wait() }()
	defer hold.Close()
	forked, err := Forked(os.Getpid())
	if err != nil || len(forked) != 1 || slices.Contains(forked, cmd.Process.Pid) {
		line, _ := os.ReadFile("/proc/self/cmdline")
		t.Errorf("Forked = %v, %v; the zygote is %d of %q", forked, err, cmd.Process.Pid, strings.ReplaceAll(string(line), "\x00", " "))
	}
}

func needRollup(t *testing.T) {
	t.Helper()
	if _, err := os.Stat("/proc/self/smaps_rollup"); err != nil {
		t.Skipf("needs /proc: %v", err)
	}
}
