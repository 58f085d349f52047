package faults

import (
	"testing"

	"github.com/runagent/runagent/test/served"
)

// TestAnInstanceThatDiesIsReplaced kills the instance in every way; the caller
// is told how, the next call is answered by another process.
func TestAnInstanceThatDiesIsReplaced(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		entrypoint string
		words      []string
	}{
		{"leave", []string{"3"}},
		{"null", []string{"signal 11"}},
		{"abort", []string{"signal 6"}},
		{"kill", []string{"signal 9"}},
	} {
		t.Run(c.entrypoint, func(t *testing.T) {
			t.Parallel()
			agent := serve(t, "segfault")
			before := wantFine(t, agent)
			wantFailure(t, agent.Invoke(c.entrypoint, nil), 500, "EXECUTION_ERROR", c.words...)
			if after := wantFine(t, agent); after == before {
				t.Errorf("process %d answers after its death", after)
			}
		})
	}
}

func TestAnInstanceKilledFromOutsideFailsItsCallsOnly(t *testing.T) {
	t.Parallel()
	agent := serve(t, "never")
	pid := wantFine(t, agent)
	stream := agent.Stream("slow_stream", served.Input{"count": 1000, "seconds": 0.05})
	for range 2 { // start and a chunk: it runs
		if _, ok := stream.Next(); !ok {
			t.Fatal("the stream did not begin")
		}
	}
	served.Kill(t, pid)
	events := stream.Rest()
	if len(events) == 0 || events[len(events)-1].Name != "error" {
		t.Errorf("the stream ended with %v, want an error", events)
	}
	if after := wantFine(t, agent); after == pid {
		t.Errorf("process %d answers after its death", after)
	}
}

func TestAStreamWhoseInstanceDiesEndsWithAnError(t *testing.T) {
	t.Parallel()
	agent := serve(t, "segfault")
	events := agent.Stream("leave_stream", served.Input{"after": 3}).Rest()
	if len(events) < 2 || events[len(events)-1].Name != "error" {
		t.Fatalf("got %v, want an error at the end", events)
	}
	wantFine(t, agent)
}

// TestLeavingPythonPolitelyKillsNobody raises SystemExit and its like on
// threads, on the loop and in streams.
func TestLeavingPythonPolitelyKillsNobody(t *testing.T) {
	t.Parallel()
	agent := serve(t, "segfault")
	before := wantFine(t, agent)
	for entrypoint, word := range map[string]string{
		"sys_exit": "SystemExit", "interrupt": "KeyboardInterrupt",
		"sys_exit_async": "SystemExit", "interrupt_async": "KeyboardInterrupt", "recurse": "RecursionError",
	} {
		wantFailure(t, agent.Invoke(entrypoint, nil), 500, "EXECUTION_ERROR", word)
	}
	wantStream(t, agent.Stream("sys_exit_stream", nil).Rest(), 1, "EXECUTION_ERROR", "SystemExit")
	if after := wantFine(t, agent); after != before {
		t.Errorf("process %d was replaced by %d", before, after)
	}
}

// TestMemoryBlowUpIsContained lets the instance run into a limit, which the
// agent sets itself: without a sandbox nobody else bounds it.
func TestMemoryBlowUpIsContained(t *testing.T) {
	t.Parallel()
	agent := serveWith(t, served.Options{Dir: served.Copy(t, "", map[string]string{
		"runagent.config.json": `{"agent_name": "agent", "agent_id": "agent", "agent_architecture": {"entrypoints": [
			{"tag": "fine", "file": "main.py", "module": "fine"}, {"tag": "memory", "file": "main.py", "module": "memory"}]}}`,
		"main.py": `import os, resource

def fine(message):
    return {"pid": os.getpid()}

def memory():
    resource.setrlimit(resource.RLIMIT_AS, (2 << 30, resource.getrlimit(resource.RLIMIT_AS)[1]))
    return len([bytearray(1 << 20) for _ in range(1 << 20)])
`,
	})})
	wantFailure(t, agent.Invoke("memory", nil), 500, "EXECUTION_ERROR", "MemoryError")
	wantFine(t, agent)
}
