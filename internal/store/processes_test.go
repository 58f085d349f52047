package store_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/runagent/runagent/internal/invocation"
	"github.com/runagent/runagent/internal/store"
	"github.com/runagent/runagent/internal/store/storetest"
)

const (
	childPath  = "RUNAGENT_TEST_HISTORY" // makes the test binary a process that writes there
	childAgent = "RUNAGENT_TEST_AGENT"
	perChild   = 1000
)

// writeAsChild is another process's part: it writes records, says that it
// has, leaves one running and waits to be told to end, or to be killed.
func writeAsChild() bool {
	path := os.Getenv(childPath)
	if path == "" {
		return false
	}
	if err := writeRecords(path, os.Getenv(childAgent)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	return true
}

func writeRecords(path, agentID string) error {
	h, err := store.OpenHistory(path, store.HistoryOptions{Clock: clock})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	ran := make(chan error, 1)
	go func() { ran <- h.Run(ctx) }()
	for i := range perChild {
		rec := storetest.Record(agentID, i)
		h.Started(rec)
		h.Finished(storetest.Finish(rec, invocation.Succeeded))
		if i%50 == 0 { // many transactions, so that the processes meet
			if err := h.Flush(ctx); err != nil {
				return err
			}
		}
	}
	runs := storetest.Record(agentID, perChild)
	h.Started(runs)
	if err := h.Flush(ctx); err != nil {
		return err
	}
	fmt.Fprintln(os.Stdout, "written")
	if _, err := io.Copy(io.Discard, os.Stdin); err != nil {
		return err
	}
	h.Finished(storetest.Finish(runs, invocation.Succeeded))
	cancel()
	if err := <-ran; err != nil {
		return err
	}
	return h.Close()
}

func TestProcessesShareAHistory(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "history.db")
	var children []*child
	for i := range 3 {
		children = append(children, startChild(t, path, fmt.Sprint("a", i)))
	}
	for _, c := range children {
		c.waitWritten()
	}
	h := open(t, path, store.HistoryOptions{Clock: clock})
	for i := range children {
		wantStats(t, h, fmt.Sprint("a", i), invocation.Stats{Total: perChild + 1, Succeeded: perChild, Running: 1})
	}
	if err := children[0].cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = children[0].cmd.Wait() // it was killed
	children[1].end()
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	h = open(t, path, store.HistoryOptions{Clock: clock})
	wantStats(t, h, "a0", invocation.Stats{Total: perChild + 1, Succeeded: perChild, Failed: 1})
	wantStats(t, h, "a1", invocation.Stats{Total: perChild + 1, Succeeded: perChild + 1})
	wantStats(t, h, "a2", invocation.Stats{Total: perChild + 1, Succeeded: perChild, Running: 1})
	children[2].end()
	wantStats(t, h, "a2", invocation.Stats{Total: perChild + 1, Succeeded: perChild + 1})
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(path + ".servers"); err != nil || len(left) != 0 {
		t.Errorf("marks of processes are left: %v, %v, want none", left, err)
	}
}

func wantStats(t *testing.T, h *store.History, agentID string, want invocation.Stats) {
	t.Helper()
	got, err := h.Stats(t.Context(), agentID)
	want.EverStored, want.AvgDuration = want.Total, got.AvgDuration
	if err != nil || got != want {
		t.Errorf("Stats(%s) = %+v, %v, want %+v", agentID, got, err, want)
	}
}

type child struct {
	t     *testing.T
	cmd   *exec.Cmd
	stdin io.Closer
	out   *bufio.Reader
}

func startChild(t *testing.T, path, agentID string) *child {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childPath+"="+path, childAgent+"="+agentID)
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() }) // has ended unless the test failed
	return &child{t, cmd, stdin, bufio.NewReader(stdout)}
}

func (c *child) waitWritten() {
	c.t.Helper()
	if line, err := c.out.ReadString('\n'); err != nil || line != "written\n" {
		c.t.Fatalf("a writing process says %q, %v", line, err)
	}
}

func (c *child) end() {
	c.t.Helper()
	if err := c.stdin.Close(); err != nil {
		c.t.Fatal(err)
	}
	if err := c.cmd.Wait(); err != nil {
		c.t.Fatalf("a writing process ends with %v", err)
	}
}
