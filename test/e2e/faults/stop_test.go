package faults

import (
	"syscall"
	"testing"
	"time"

	"github.com/runagent/runagent/test/served"
)

// TestStopWaitsForCallsInFlight sends SIGTERM while a call and a stream run:
// both end well, then the server does, and nothing of it is left.
func TestStopWaitsForCallsInFlight(t *testing.T) {
	t.Parallel()
	agent := serve(t, "never")
	wantFine(t, agent)
	answer := make(chan served.Answer, 1)
	go func() {
		got, err := agent.TryPost(t.Context(), "/v1/agents/never/invoke", served.Envelope("slow", served.Input{"seconds": 2}))
		if err != nil {
			t.Errorf("the call in flight: %v", err)
		}
		answer <- got
	}()
	stream := agent.Stream("slow_stream", served.Input{"count": 20, "seconds": 0.1})
	if _, ok := stream.Next(); !ok {
		t.Fatal("the stream did not begin")
	}
	wantRunning(t, agent, 2)
	tree := agent.Tree()
	agent.Signal(syscall.SIGTERM)
	wantStreamEnd(t, stream, "done")
	if got := <-answer; got.HTTP != 200 {
		t.Errorf("the call in flight got %d %s", got.HTTP, got.Body)
	}
	if code := agent.Wait(); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
	served.Gone(t, 5*time.Second, tree...)
}

// TestAClosedTerminalIsAStop: who closes the window does not cut calls off, and
// clients are not sent to a server that is gone. With nohup it goes on.
func TestAClosedTerminalIsAStop(t *testing.T) {
	t.Parallel()
	agent := serve(t, "never")
	stream := agent.Stream("slow_stream", served.Input{"count": 20, "seconds": 0.1})
	if _, ok := stream.Next(); !ok {
		t.Fatal("the stream did not begin")
	}
	agent.Signal(syscall.SIGHUP)
	wantStreamEnd(t, stream, "done")
	if code := agent.Wait(); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}

	nohup := serveWith(t, served.Options{Sample: "never", Wrap: []string{"nohup"}})
	nohup.Signal(syscall.SIGHUP)
	wantFine(t, nohup)
	nohup.Signal(syscall.SIGHUP)
	wantFine(t, nohup)
}

func wantStreamEnd(t *testing.T, stream *served.Stream, name string) {
	t.Helper()
	events := stream.Rest()
	if len(events) == 0 || events[len(events)-1].Name != name {
		t.Errorf("the stream ended after %d events with %v, want %s", len(events), events[max(0, len(events)-1):], name)
	}
}

func TestStopEndsWhatTakesTooLong(t *testing.T) {
	t.Parallel()
	agent := serve(t, "never", "--shutdown-timeout", "1s")
	stream := agent.Stream("slow_stream", served.Input{"count": 100_000, "seconds": 0.1})
	if _, ok := stream.Next(); !ok {
		t.Fatal("the stream did not begin")
	}
	tree := agent.Tree()
	began := time.Now()
	agent.Signal(syscall.SIGTERM)
	wantStreamEnd(t, stream, "error")
	agent.Wait()
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("the end took %v with a shutdown timeout of 1 s", took)
	}
	served.Gone(t, 5*time.Second, tree...)
}

func TestASecondSignalEndsAtOnce(t *testing.T) {
	t.Parallel()
	agent := serve(t, "never", "--shutdown-timeout", "60s")
	stream := agent.Stream("slow_stream", served.Input{"count": 100_000, "seconds": 0.1})
	if _, ok := stream.Next(); !ok {
		t.Fatal("the stream did not begin")
	}
	tree := agent.Tree()
	agent.Signal(syscall.SIGTERM)
	refused := func() bool {
		_, err := agent.TryPost(t.Context(), "/v1/agents/never/invoke", served.Envelope("fine", nil))
		return err != nil
	}
	served.Eventually(t, soon, "no more calls are taken", refused)
	began := time.Now()
	agent.Signal(syscall.SIGTERM)
	agent.Wait()
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("the end took %v after the second signal", took)
	}
	served.Gone(t, 5*time.Second, tree...)
}

// TestKillingTheServerLeavesNobody is kill -9: no process may survive, not
// even one that is stuck with the GIL held.
func TestKillingTheServerLeavesNobody(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	agent := serveWith(t, served.Options{Sample: "never", Home: home})
	wantFine(t, agent)
	go func() {
		_, _ = agent.TryPost(t.Context(), "/v1/agents/never/invoke", served.Envelope("gil", nil)) // ends with the server
	}()
	wantRunning(t, agent, 1)
	tree := agent.Tree()
	if len(tree) == 0 {
		t.Fatal("the server has no processes")
	}
	agent.Signal(syscall.SIGKILL)
	agent.Wait()
	again := serveWith(t, served.Options{Dir: agent.Dir, Home: home})
	wantFine(t, again)
	served.Gone(t, 10*time.Second, tree...)
}

// TestStopAwaitsThreadsOfUserCode that are no daemons, as the end of any Python
// program does: what a call has begun in the background is not cut off.
func TestStopAwaitsThreadsOfUserCode(t *testing.T) {
	t.Parallel()
	const code = `import threading, time

def background(seconds):
    def work():
        time.sleep(seconds)
        open("done.txt", "w").write("done")
    threading.Thread(target=work, name="background-work").start()
`
	start := func(t *testing.T, seconds float64, args ...string) *served.Agent {
		t.Helper()
		agent := serveWith(t, served.Options{Args: args, Dir: served.Copy(t, "", map[string]string{
			"runagent.config.json": `{"agent_name": "agent", "agent_id": "agent", "agent_architecture": {"entrypoints": [
				{"tag": "background", "file": "main.py", "module": "background"}]}}`,
			"main.py": code,
		})})
		wantAnswer(t, agent.Invoke("background", served.Input{"seconds": seconds}))
		return agent
	}
	t.Run("to_their_end", func(t *testing.T) {
		t.Parallel()
		agent := start(t, 1.5)
		agent.Signal(syscall.SIGTERM)
		if code := agent.Wait(); code != 0 {
			t.Errorf("exit code %d, want 0", code)
		}
		wantFile(t, agent, "done.txt", "done", time.Second)
	})
	t.Run("to_the_shutdown_timeout", func(t *testing.T) {
		t.Parallel()
		agent := start(t, 1e6, "--shutdown-timeout", "2s")
		tree, began := agent.Tree(), time.Now()
		agent.Signal(syscall.SIGTERM)
		agent.WaitOutput("waiting for threads that are no daemons: background-work")
		agent.Wait()
		if took := time.Since(began); took > 8*time.Second {
			t.Errorf("the end took %v with a shutdown timeout of 2 s", took)
		}
		served.Gone(t, 5*time.Second, tree...)
	})
}
