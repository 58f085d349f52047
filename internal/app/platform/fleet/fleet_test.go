package fleet

import (
	"sync"
	"testing"
	"time"

	"github.com/runagent/runagent/internal/agent"
	"github.com/runagent/runagent/internal/deploy"
	"github.com/runagent/runagent/internal/fault"
	"github.com/runagent/runagent/internal/invocation"
)

func TestWhatServesSleepsAndWakes(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.serves(revision("r1"))
	h.pass(idle - time.Second)
	h.look()
	h.isAwake("r1")
	h.pass(time.Second)
	h.look()
	h.isAwake()
	h.nobodyLeft()
	h.answers("r1", invocation.Cold)
	h.answers("r1", invocation.Hot)
}

func TestAVisitorThatSleepsIsDismissed(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.serves(revision("r1"))
	h.visits(revision("r2"))
	h.pass(idle)
	h.look()
	h.isAwake()
	h.leaves("r2")
	_, err := h.call("r2")
	if f := fault.As(err); f == nil || f.Code != fault.AgentUnavailable || f.RetryAfter <= 0 {
		t.Errorf("a call of a revision that was dismissed: %v", err)
	}
	h.visits(revision("r2")) // the next that names it
	h.answers("r1", invocation.Cold)
}

func TestWhoIsCalledDoesNotSleep(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.visits(revision("r1"))
	h.machine.answer = func() {
		h.pass(10 * idle)
		h.look()
		h.Sleep(t.Context(), []string{"r1"})
		h.isAwake("r1")
	}
	h.answers("r1", invocation.Hot)
	h.nobodyLeft()
}

func TestOnlyWhatServesKeepsInstances(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	one := func(m *agent.Manifest) { m.Scaling.MinInstances = 1 }
	r1, r2 := revision("r1", one), revision("r2", one)
	h.serves(r1)
	h.visits(r2)
	h.pass(10 * idle)
	h.look()
	h.isAwake("r1")
	h.leaves("r2")
	if !h.Keeps(r1) || h.Keeps(revision("r3")) {
		t.Error("it keeps what it need not, or does not keep what it must")
	}
}

// A revision that had been called by name gets all calls: whenever it happens to
// be sent to sleep then, it answers afterwards.
func TestADeployUnderWayKeepsItsRevision(t *testing.T) {
	t.Parallel()
	for _, step := range []deploy.State{deploy.Building, deploy.Starting, deploy.Ready} {
		for name, bring := range map[string]func(*house, *deploy.Revision) error{
			"deploy": func(h *house, rev *deploy.Revision) error { return h.deploys.Deploy(t.Context(), rev) },
			"traffic": func(h *house, rev *deploy.Revision) error {
				other := revision("r2")
				other.Agent = rev.Agent
				shares := []deploy.Share{{Revision: other, Percent: 50}, {Revision: rev, Percent: 50}}
				return h.deploys.Split(t.Context(), rev.Agent.ID, shares, nil)
			},
		} {
			t.Run(name+" at "+string(step), func(t *testing.T) {
				t.Parallel()
				h := newHouse(t)
				rev := revision("r1")
				h.visits(rev)
				h.book.at = func(at deploy.State) {
					if at == step {
						h.Sleep(t.Context(), []string{"r1"})
					}
				}
				if err := bring(h, rev); err != nil {
					t.Fatal(err)
				}
				h.nobodyLeft()
				if _, err := h.call("r1"); err != nil {
					t.Errorf("it has calls and can't be reached: %v", err)
				}
			})
		}
	}
}

func TestADeployThatBeginsWhileItsRevisionFallsAsleepKeepsIt(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	rev := revision("r1")
	h.visits(rev)
	begun, done := make(chan struct{}), make(chan error, 1)
	h.book.at = func(at deploy.State) {
		if at == deploy.Starting {
			close(begun)
		}
	}
	h.machine.ending = sync.OnceFunc(func() {
		go func() { done <- h.deploys.Deploy(t.Context(), rev) }()
		<-begun
	})
	h.Sleep(t.Context(), []string{"r1"})
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	h.nobodyLeft()
	h.answers("r1", invocation.Hot)
}

func TestADeployThatBeginsWhenItsRevisionIsDismissedBringsItBack(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	rev := revision("r1")
	h.visits(rev)
	begun, done := make(chan struct{}), make(chan error, 1)
	h.book.at = func(at deploy.State) {
		if at == deploy.Starting {
			close(begun)
		}
	}
	times := 0
	h.asked = func() {
		if times++; times == 2 { // the last look before it goes
			h.asked = nil
			go func() { done <- h.deploys.Deploy(t.Context(), rev) }()
			<-begun
		}
	}
	h.Sleep(t.Context(), []string{"r1"})
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	h.answers("r1", invocation.Hot)
}

func TestADeployThatFailsLeavesAVisitor(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	rev := revision("r1", func(m *agent.Manifest) { m.Entrypoints = []agent.Entrypoint{{Tag: "other"}} })
	h.pools.NoMoreCalls() // a drain waits for none
	if err := h.deploys.Deploy(t.Context(), rev); err == nil {
		t.Fatal("a revision without its entrypoints was deployed")
	}
	if got := <-h.gone; got != "r1" || h.deploys.HasTraffic(rev) {
		t.Errorf("gone is %s; it has traffic: %t", got, h.deploys.HasTraffic(rev))
	}
}
