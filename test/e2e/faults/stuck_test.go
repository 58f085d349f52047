package faults

import (
	"testing"
	"time"

	"github.com/runagent/runagent/test/served"
)

// TestCallsThatNeverReturnEndAtTheirDeadline runs each kind of endless call.
// The caller gets an answer at the deadline, other calls are answered on.
func TestCallsThatNeverReturnEndAtTheirDeadline(t *testing.T) {
	t.Parallel()
	for _, entrypoint := range []string{"loop", "sleep", "stubborn", "gil", "regex", "lock", "loop_async", "wait"} {
		t.Run(entrypoint, func(t *testing.T) {
			t.Parallel()
			agent := serve(t, "never")
			wantFine(t, agent)
			began := time.Now()
			wantFailure(t, agent.Invoke(entrypoint, served.Input{"timeout_seconds": 1}), 504, "TIMEOUT_ERROR")
			if took := time.Since(began); took < 900*time.Millisecond || took > 5*time.Second {
				t.Errorf("the answer came after %v, the deadline was 1 s", took)
			}
			wantFine(t, agent)
		})
	}
}

// TestAnInstanceThatHoldsAStuckCallIsReplaced waits for the grace to pass.
func TestAnInstanceThatHoldsAStuckCallIsReplaced(t *testing.T) {
	t.Parallel()
	for _, entrypoint := range []string{"stubborn", "gil", "sleep", "regex", "lock"} {
		t.Run(entrypoint, func(t *testing.T) {
			t.Parallel()
			agent := serve(t, "never")
			stuck, ok := served.Find(wantFine(t, agent))
			if !ok {
				t.Skip("needs /proc")
			}
			wantFailure(t, agent.Invoke(entrypoint, served.Input{"timeout_seconds": 0.5}), 504, "TIMEOUT_ERROR")
			served.Gone(t, 30*time.Second, stuck)
			if pid := wantFine(t, agent); pid == stuck.PID {
				t.Errorf("process %d answers after its end", pid)
			}
		})
	}
}

func TestAStuckStreamEndsAtItsDeadline(t *testing.T) {
	t.Parallel()
	agent := serve(t, "never")
	wantStream(t, agent.Stream("loop_stream", served.Input{"timeout_seconds": 1}).Rest(), 1, "TIMEOUT_ERROR")
	wantFine(t, agent)
}
