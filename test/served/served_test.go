package served

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
	"time"
)

func TestOutputWakesWhoWaits(t *testing.T) {
	t.Parallel()
	out := newOutput()
	found := make(chan string, 1)
	go func() {
		text, err := out.wait(t.Context(), regexp.MustCompile(`b+`))
		if err != nil {
			text = err.Error()
		}
		found <- text
	}()
	for _, piece := range []string{"a", "bb", "c"} {
		if _, err := out.Write([]byte(piece)); err != nil {
			t.Fatal(err)
		}
	}
	if got := <-found; got != "bb" {
		t.Errorf("got %q, want bb", got)
	}
	out.end()
	if _, err := out.wait(t.Context(), regexp.MustCompile(`z`)); !errors.Is(err, errEnded) {
		t.Errorf("after the end: got %v", err)
	}
}

func TestOutputGivesUpWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := newOutput().wait(ctx, regexp.MustCompile(`z`)); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestCopyAddsFiles(t *testing.T) {
	t.Parallel()
	dir := Copy(t, "echo", map[string]string{"sub/more.py": "x = 1"})
	if filepath.Base(dir) != "echo" {
		t.Errorf("the copy is %s", dir)
	}
	for _, name := range []string{"main.py", "runagent.config.json", "sub/more.py"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			t.Error(err)
		}
	}
}

func TestProcessesAreSeenToEnd(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat("/proc/self/stat"); err != nil {
		t.Skip("no /proc here")
	}
	cmd := exec.Command("sleep", "1000")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p, ok := Find(cmd.Process.Pid)
	if !ok || !p.Alive() {
		t.Fatalf("process %d is not seen", cmd.Process.Pid)
	}
	Kill(t, p.PID)
	Gone(t, 10*time.Second, p) // a zombie until Wait, which counts as gone
	if err := cmd.Wait(); err == nil {
		t.Error("sleep was not killed")
	}
}
