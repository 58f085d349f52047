package proctree

import (
	"os"
	"os/exec"
	"slices"
	"testing"
	"time"
)

func TestParseStat(t *testing.T) {
	t.Parallel()
	s, err := parseStat("42 (a) b (c) S 7 8 9 0 -1 4194560 1 2 3 4 100 50 10 5 20 0 1 0 99")
	if err != nil {
		t.Fatal(err)
	}
	want := stat{pid: 42, parent: 7, session: 9, cpu: 1650 * time.Millisecond}
	if s != want {
		t.Errorf("parseStat = %+v, want %+v", s, want)
	}
	for _, bad := range []string{"", "1 (a", "1 (a) S 2 3", "x (a) S 7 8 9 0 -1 4194560 1 2 3 4 100 50 10 5 20"} {
		if _, err := parseStat(bad); err == nil {
			t.Errorf("parseStat(%q) gave no error", bad)
		}
	}
}

func TestReadCountsGrandchildren(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat("/proc/self/smaps_rollup"); err != nil {
		t.Skip("no /proc/PID/smaps_rollup here")
	}
	cmd := exec.CommandContext(t.Context(), "sh", "-c", "sh -c 'echo up; read x; :'; :")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { in.Close(); _ = cmd.Wait() }()
	if _, err := out.Read(make([]byte, 3)); err != nil {
		t.Fatal(err)
	}
	pids, err := Members(cmd.Process.Pid)
	if err != nil || len(pids) != 2 || !slices.Contains(pids, cmd.Process.Pid) {
		t.Fatalf("Members = %v, %v; want the shell and its child", pids, err)
	}
	u, err := Read(cmd.Process.Pid)
	if err != nil || u.Processes != 2 || u.PSS <= 0 {
		t.Errorf("Read = %+v, %v; want two processes with memory", u, err)
	}
}

func TestCPUGrowsWithWork(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat("/proc/self/stat"); err != nil {
		t.Skip("no /proc here")
	}
	before, err := CPU(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	// CPU time, not wall time, ends the loop: it can't run out on a busy machine.
	for after := before; after-before < 3*clockTick; {
		if after, err = CPU(os.Getpid()); err != nil {
			t.Fatal(err)
		}
	}
}

func TestMissingProcess(t *testing.T) {
	t.Parallel()
	if _, err := Read(1 << 30); err == nil {
		t.Error("Read of a process that does not exist gave no error")
	}
}
