package faults

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/runagent/runagent/test/served"
)

// version is the code of an agent that says which save it is.
func version(n int) string {
	return fmt.Sprintf("import os\n\ndef fine(message=''):\n    return {'version': %d, 'pid': os.getpid()}\n", n)
}

// versioned makes the folder of an agent whose only file is version(1).
func versioned(t *testing.T) string {
	t.Helper()
	return served.Copy(t, "", map[string]string{
		"runagent.config.json": `{"agent_name": "agent", "agent_id": "agent", "agent_architecture": {"entrypoints": [
			{"tag": "fine", "file": "main.py", "module": "fine"}]}}`,
		"main.py": version(1),
	})
}

// serveVersion serves that agent.
func serveVersion(t *testing.T) *served.Agent {
	t.Helper()
	agent := serveWith(t, served.Options{Dir: versioned(t)})
	wantVersion(t, agent, 1)
	return agent
}

// wantVersion waits until the save with that number answers.
func wantVersion(t *testing.T, agent *served.Agent, n int) {
	t.Helper()
	served.Eventually(t, soon, fmt.Sprintf("version %d answers", n), func() bool {
		return wantAnswer(t, agent.Invoke("fine", nil)).Get("version") == float64(n)
	})
}

// TestABrokenSaveKeepsTheLastGoodCode also through a crash: what comes back is
// the last good save, not the folder as it is.
func TestABrokenSaveKeepsTheLastGoodCode(t *testing.T) {
	t.Parallel()
	agent := serveVersion(t)
	agent.Write("main.py", version(2))
	wantVersion(t, agent, 2)

	agent.Write("main.py", "def fine(:\n")
	wantHealth(t, agent, "degraded", "main.py", "1")
	before := wantFine(t, agent)
	served.Kill(t, before)
	agent.WaitOutput(`killed by signal 9`)
	got := wantAnswer(t, agent.Invoke("fine", nil))
	if got.Get("version") != 2.0 || got.Get("pid") == float64(before) {
		t.Errorf("after a crash: got %s from another process than %d, want version 2", got.Result, before)
	}

	agent.Write("main.py", version(3))
	wantVersion(t, agent, 3)
	wantHealth(t, agent, "healthy")
}

// TestABrokenSaveOfWhatCallsImportKeepsTheLastGoodCode: nothing imports the file
// before a call does, and a save of another file does not let it in.
func TestABrokenSaveOfWhatCallsImportKeepsTheLastGoodCode(t *testing.T) {
	t.Parallel()
	dir := versioned(t)
	lazy := func(n int) string {
		return fmt.Sprintf("def fine(message=''):\n    import version\n    return {'version': version.N + %d}\n", n)
	}
	agent := serveWith(t, served.Options{Dir: dir})
	agent.Write("version.py", "N = 1\n")
	agent.Write("main.py", lazy(1))
	wantVersion(t, agent, 2)

	agent.Write("version.py", "N = 1\nN = (\n")
	wantHealth(t, agent, "degraded", "version.py", "2")
	wantVersion(t, agent, 2)
	agent.Write("main.py", lazy(10))
	agent.WaitOutput(`not reloaded main.py`)
	wantVersion(t, agent, 2)

	agent.Write("version.py", "N = 20\n")
	wantVersion(t, agent, 30)
	wantHealth(t, agent, "healthy")
}

func TestTheSecondOfTwoQuickSavesWins(t *testing.T) {
	t.Parallel()
	agent := serveVersion(t)
	for n := 2; n <= 9; n += 2 {
		agent.Write("main.py", version(n))
		agent.Write("main.py", version(n+1))
		wantVersion(t, agent, n+1)
	}
	// Editors save by renaming a new file over the old one.
	next := filepath.Join(agent.Dir, ".main.py.swp")
	agent.Write(".main.py.swp", version(10))
	if err := os.Rename(next, filepath.Join(agent.Dir, "main.py")); err != nil {
		t.Fatal(err)
	}
	wantVersion(t, agent, 10)
}

// TestCallsInFlightEndOnTheOldCode saves while a stream runs.
func TestCallsInFlightEndOnTheOldCode(t *testing.T) {
	t.Parallel()
	agent := serve(t, "never")
	before := wantFine(t, agent)
	stream := agent.Stream("slow_stream", served.Input{"count": 30, "seconds": 0.1})
	if _, ok := stream.Next(); !ok {
		t.Fatal("the stream did not begin")
	}
	code, err := os.ReadFile(filepath.Join(agent.Dir, "main.py"))
	if err != nil {
		t.Fatal(err)
	}
	agent.Write("main.py", string(code)+"\n# saved\n")
	served.Eventually(t, soon, "the new code answers", func() bool { return wantFine(t, agent) != before })
	events := stream.Rest()
	if len(events) != 31 || events[30].Name != "done" {
		t.Errorf("the stream that ran gave %d more events, want 31: %.300s", len(events), fmt.Sprint(events))
	}
}

// TestWritingIntoTheFolderIsNoReload writes at each call, then saves a file
// that matters: that save's reload must be the only one.
func TestWritingIntoTheFolderIsNoReload(t *testing.T) {
	t.Parallel()
	agent := serve(t, "rude")
	before := wantFine(t, agent)
	for range 10 {
		wantAnswer(t, agent.Invoke("write", nil))
	}
	if after := wantFine(t, agent); after != before {
		t.Errorf("a file written by the agent replaced process %d by %d", before, after)
	}
	code, err := os.ReadFile(filepath.Join(agent.Dir, "main.py"))
	if err != nil {
		t.Fatal(err)
	}
	agent.Write("main.py", string(code)+"\n# saved\n")
	agent.WaitOutput(`reloaded .*main\.py`)
	if got := strings.Count(agent.Output(), "reloaded"); got != 1 {
		t.Errorf("%d reloads for one save", got)
	}
}
