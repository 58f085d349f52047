package faults

import (
	"encoding/json"
	"maps"
	"testing"
	"time"

	"github.com/runagent/runagent/test/served"
)

// TestRudeGuestsAreServed lets user code do what it should not, one kind after
// the other in one instance, as an author's process would.
func TestRudeGuestsAreServed(t *testing.T) {
	t.Parallel()
	agent := serve(t, "rude")
	for _, c := range []struct {
		entrypoint string
		input      served.Input
		want       string
	}{
		{"fork", nil, `{"said":"hello from the child","status":0}`},
		{"fork_and_return", nil, `{"in_parent":true}`},
		{"pool", served.Input{"method": "fork"}, `[0,1,4,9]`},
		{"pool", served.Input{"method": "spawn"}, `[0,1,4,9]`},
		{"process_executor", nil, `[0,1,4,9]`},
		{"shell", nil, `{"out":"hello\n","code":3}`},
		{"stdin", nil, `{"read":""}`},
		{"ask", nil, `{"read":null}`},
		{"chdir", served.Input{"to": "/"}, `{"cwd":"/"}`},
		{"environ", nil, `{"left":0}`},
		{"stdout", nil, `{"closed":true}`},
		{"close_standard", nil, `{"closed":true}`},
	} {
		input := served.Input{"timeout_seconds": 20}
		maps.Copy(input, c.input)
		got := agent.Invoke(c.entrypoint, input)
		if got.HTTP != 200 || string(got.Result) != c.want {
			t.Errorf("%s %v: got %d %.600s\nwant %s", c.entrypoint, c.input, got.HTTP, got.Body, c.want)
		}
		wantFine(t, agent)
	}
	for _, entrypoint := range []string{"signals", "setsid", "recursion"} { // what they get is theirs to say
		wantAnswer(t, agent.Invoke(entrypoint, nil))
		wantFine(t, agent)
	}
	for range 20 { // a loop of reloads would answer from new processes
		wantAnswer(t, agent.Invoke("write", nil))
	}
	agent.Signal(15)
	if code := agent.Wait(); code != 0 {
		t.Errorf("exit code %d after SIGTERM, want 0", code)
	}
}

func TestClosingEveryDescriptorCostsOnlyTheInstance(t *testing.T) {
	t.Parallel()
	agent := serve(t, "rude")
	before := wantFine(t, agent)
	wantFailure(t, agent.Invoke("close_all", nil), 500, "EXECUTION_ERROR")
	if after := wantFine(t, agent); after == before {
		t.Errorf("process %d answers without a socket", after)
	}
}

// TestChildrenEndWithTheirInstance leaves processes behind, in the instance's
// session and in one of their own, and ends the instance politely and not.
func TestChildrenEndWithTheirInstance(t *testing.T) {
	t.Parallel()
	t.Run("stopped", func(t *testing.T) {
		t.Parallel()
		agent := serve(t, "rude")
		left := leaveChildren(t, agent)
		left = append(left, agent.Tree()...)
		agent.Signal(15)
		if code := agent.Wait(); code != 0 {
			t.Errorf("exit code %d after SIGTERM, want 0", code)
		}
		served.Gone(t, 10*time.Second, left...)
	})
	t.Run("killed", func(t *testing.T) {
		t.Parallel()
		agent := serve(t, "rude")
		left := leaveChildren(t, agent)
		served.Kill(t, wantFine(t, agent))
		served.Gone(t, 10*time.Second, left...)
		wantFine(t, agent)
	})
	t.Run("crashed", func(t *testing.T) {
		t.Parallel()
		agent := serve(t, "rude")
		left := leaveChildren(t, agent)
		wantFailure(t, agent.Invoke("close_all", nil), 500, "EXECUTION_ERROR")
		served.Gone(t, 10*time.Second, left...)
		wantFine(t, agent)
	})
}

// leaveChildren has user code start processes that outlive their call.
func leaveChildren(t *testing.T, agent *served.Agent) []served.Process {
	t.Helper()
	var left []served.Process
	for _, ownSession := range []bool{false, true} {
		var child struct{ PID int }
		got := wantAnswer(t, agent.Invoke("child", served.Input{"own_session": ownSession}))
		if err := json.Unmarshal(got.Result, &child); err != nil {
			t.Fatal(err)
		}
		p, ok := served.Find(child.PID)
		if !ok {
			t.Fatalf("the child %d is not there", child.PID)
		}
		left = append(left, p)
	}
	return left
}
