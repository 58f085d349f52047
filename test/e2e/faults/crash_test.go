package faults

import (
	"context"
	"fmt"
	"slices"
	"strings"
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

// TestInstancesDieAlone serves three: calls spread over them, one crashes, and
// the calls on the others do not notice.
func TestInstancesDieAlone(t *testing.T) {
	t.Parallel()
	agent := serve(t, "never", "--instances", "3")
	first := wantInstances(t, agent, 3)
	calls := callAll(agent, 3, 2)
	wantRunning(t, agent, 3)
	served.Kill(t, first[1])
	good, bad := 0, 0
	for range 3 {
		switch got := <-calls; {
		case got.HTTP == 200 && got.Get("pid") != float64(first[1]):
			good++
		case got.HTTP == 500 && got.Error.Code == "EXECUTION_ERROR" && strings.Contains(got.Error.Message, "signal 9"):
			bad++
		default:
			t.Errorf("got %d %.300s", got.HTTP, got.Body)
		}
	}
	if good != 2 || bad != 1 {
		t.Errorf("%d calls were answered and %d failed, want 2 and 1", good, bad)
	}
	after := wantInstances(t, agent, 3)
	if slices.Contains(after, first[1]) || !slices.Contains(after, first[0]) || !slices.Contains(after, first[2]) {
		t.Errorf("processes %v answer after %d of %v was killed", after, first[1], first)
	}
}

// wantInstances waits until so many calls at once are answered by as many
// processes, and returns those.
func wantInstances(t *testing.T, agent *served.Agent, n int) []int {
	t.Helper()
	var pids []int
	served.Eventually(t, soon, fmt.Sprintf("%d instances answer", n), func() bool {
		pids = nil
		calls := callAll(agent, n, 0.2)
		for range n {
			if pid, ok := (<-calls).Get("pid").(float64); ok && !slices.Contains(pids, int(pid)) {
				pids = append(pids, int(pid))
			}
		}
		return len(pids) == n
	})
	return pids
}

// callAll makes n slow calls at once; their answers come in any order.
func callAll(agent *served.Agent, n int, seconds float64) <-chan served.Answer {
	answers := make(chan served.Answer, n)
	for range n {
		go func() {
			got, err := agent.TryPost(context.Background(), "/v1/agents/"+agent.ID+"/invoke", served.Envelope("slow", served.Input{"seconds": seconds}))
			if err != nil {
				got.Body = err.Error()
			}
			answers <- got
		}()
	}
	return answers
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

// hungry is an agent one of whose functions takes all memory that it gets.
const hungry = `import os, time

def fine(message):
    return {"pid": os.getpid()}

def slow(seconds):
    time.sleep(seconds)
    return {"pid": os.getpid()}

def memory(limit=None):
    if limit:
        import resource
        resource.setrlimit(resource.RLIMIT_AS, (limit, resource.getrlimit(resource.RLIMIT_AS)[1]))
    return len([bytearray(1 << 20) for _ in range(1 << 20)])
`

func serveHungry(t *testing.T, wrap []string, args ...string) *served.Agent {
	t.Helper()
	return serveWith(t, served.Options{Args: args, Wrap: wrap, Dir: served.Copy(t, "", map[string]string{
		"runagent.config.json": `{"agent_name": "agent", "agent_id": "agent", "agent_architecture": {"entrypoints": [
			{"tag": "fine", "file": "main.py", "module": "fine"}, {"tag": "slow", "file": "main.py", "module": "slow"},
			{"tag": "memory", "file": "main.py", "module": "memory"}]}}`,
		"main.py": hungry,
	})})
}

// TestAMemoryErrorIsACallsOwn where the system refuses memory instead of
// killing: the call fails as by any other exception, the instance lives.
func TestAMemoryErrorIsACallsOwn(t *testing.T) {
	t.Parallel()
	agent := serveHungry(t, nil)
	before := wantFine(t, agent)
	wantFailure(t, agent.Invoke("memory", served.Input{"limit": 2 << 30}), 500, "EXECUTION_ERROR", "MemoryError", "main.py")
	if after := wantFine(t, agent); after != before {
		t.Errorf("process %d was replaced by %d", before, after)
	}
}

// TestAnInstanceOutOfMemoryIsReplaced has the kernel kill one of two instances
// for its memory: its call says how it died, the other's goes on.
func TestAnInstanceOutOfMemoryIsReplaced(t *testing.T) {
	t.Parallel()
	agent := serveHungry(t, nil, "--instances", "2")
	both := wantInstances(t, agent, 2)
	neighbour := callAll(agent, 1, 3)
	wantRunning(t, agent, 1)
	doomed := wantFine(t, agent) // the one without a call
	limitMemory(t, doomed, 128<<20)
	wantFailure(t, agent.Invoke("memory", nil), 500, "EXECUTION_ERROR", "it was killed")
	if got := <-neighbour; got.HTTP != 200 || got.Get("pid") == float64(doomed) {
		t.Errorf("the neighbour's call: got %d %s", got.HTTP, got.Body)
	}
	after := wantInstances(t, agent, 2)
	if slices.Contains(after, doomed) {
		t.Errorf("processes %v answer, of %v was %d killed", after, both, doomed)
	}
}

// TestALimitOfMemoryIsNamed runs the server in a control group, as a container
// is: what dies for want of memory says so, with the limit.
func TestALimitOfMemoryIsNamed(t *testing.T) {
	t.Parallel()
	agent := serveHungry(t, inLimitedGroup(t, 1<<30)) // the race detector takes a good part of it
	before := wantFine(t, agent)
	got := agent.Invoke("memory", nil)
	wantFailure(t, got, 500, "EXECUTION_ERROR", "it was killed because it ran out of memory", "may take 1 GiB")
	if got.Error.Details["memory_limit_bytes"] != float64(1<<30) {
		t.Errorf("details are %v, want the limit", got.Error.Details)
	}
	agent.WaitOutput(`ended: it was killed because it ran out of memory`)
	served.Kill(t, wantFine(t, agent)) // by hand, which is something else
	agent.WaitOutput(`ended: it was killed by signal 9`)
	if after := wantFine(t, agent); after == before {
		t.Errorf("process %d answers after its death", after)
	}
}
