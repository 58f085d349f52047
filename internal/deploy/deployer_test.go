package deploy

import (
	"context"
	"errors"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/runagent/runagent/internal/agent"
	"github.com/runagent/runagent/internal/fault"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// house is a Builder and Pools that do as told.
type house struct {
	buildErr, startErr error
	callables          []agent.Callable
	drained            chan string
	hold               chan struct{} // drains wait for it, or for their context
}

func (h *house) Build(context.Context, *Revision) (Environment, error) {
	return Environment{Key: "k"}, h.buildErr
}

func (h *house) Start(context.Context, *Revision) ([]agent.Callable, error) {
	return h.callables, h.startErr
}

func (h *house) Drain(ctx context.Context, rev *Revision) {
	select {
	case <-h.hold:
	case <-ctx.Done():
	}
	h.drained <- rev.ID
}

func newHouse(t *testing.T) (*house, *Deployer, *Traffic) {
	t.Helper()
	h := &house{callables: []agent.Callable{{Tag: "main"}}, drained: make(chan string, 8), hold: make(chan struct{})}
	traffic := &Traffic{}
	x := New(Options{Builder: h, Pools: h, Traffic: traffic, DrainTimeout: time.Minute})
	t.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		x.Close(ctx)
	})
	return h, x, traffic
}

func revision(id string) *Revision {
	m := &agent.Manifest{Entrypoints: []agent.Entrypoint{{Tag: "main"}}}
	return &Revision{ID: id, Agent: &agent.Agent{ID: "a-1", Name: "My Bot", Slug: "my-bot", Manifest: m}}
}

func serves(t *testing.T, traffic *Traffic, want string) {
	t.Helper()
	for _, ref := range []string{"a-1", "My Bot", "my-bot"} {
		target, err := traffic.Target(t.Context(), ref)
		if err != nil || target.Revision != want {
			t.Errorf("%s goes to %+v (%v), want %s", ref, target, err, want)
		}
	}
}

func TestDeploySwitchesAndDrains(t *testing.T) {
	t.Parallel()
	h, x, traffic := newHouse(t)
	one, two := revision("r1"), revision("r2")
	for _, rev := range []*Revision{one, two} {
		if err := x.Deploy(t.Context(), rev); err != nil {
			t.Fatal(err)
		}
		serves(t, traffic, rev.ID)
	}
	if len(x.Serving()) != 2 || x.Current() != two {
		t.Errorf("%d revisions are serving or draining, want 2", len(x.Serving()))
	}
	close(h.hold)
	if got := <-h.drained; got != "r1" {
		t.Errorf("drained %s, want r1", got)
	}
	x.Close(t.Context())
	if got := <-h.drained; got != "r2" {
		t.Errorf("drained %s at the end, want r2", got)
	}
}

func TestDeployThatFailsLeavesTheOldRevisionServing(t *testing.T) {
	t.Parallel()
	h, x, traffic := newHouse(t)
	if err := x.Deploy(t.Context(), revision("r1")); err != nil {
		t.Fatal(err)
	}
	broken := errors.New("broken")
	for name, set := range map[string]func(){
		"build": func() { h.buildErr = broken },
		"start": func() { h.buildErr, h.startErr = nil, broken },
	} {
		set()
		rev := revision(name)
		if err := x.Deploy(t.Context(), rev); !errors.Is(err, broken) || rev.State != Failed {
			t.Errorf("%s: %v, state %s", name, err, rev.State)
		}
		serves(t, traffic, "r1")
	}
	h.buildErr, h.startErr, h.callables = nil, nil, nil
	close(h.hold)
	if err := x.Deploy(t.Context(), revision("probe")); err == nil {
		t.Error("a revision without its entrypoints was deployed")
	}
	if got := <-h.drained; got != "probe" {
		t.Errorf("drained %s, want the one that failed its probe", got)
	}
	serves(t, traffic, "r1")
}

func TestCloseDoesNotWaitLongerThanItsContext(t *testing.T) {
	t.Parallel()
	h, x, _ := newHouse(t)
	if err := x.Deploy(t.Context(), revision("r1")); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	x.Close(ctx) // h.hold is never closed
	if got := <-h.drained; got != "r1" {
		t.Errorf("drained %s", got)
	}
}

func TestTrafficSaysWhatThereIs(t *testing.T) {
	t.Parallel()
	_, x, traffic := newHouse(t)
	if _, err := traffic.Target(t.Context(), "bot"); fault.CodeOf(err) != fault.AgentNotFound {
		t.Errorf("got %v", err)
	}
	if err := x.Deploy(t.Context(), revision("r1")); err != nil {
		t.Fatal(err)
	}
	_, err := traffic.Target(t.Context(), "bot")
	if err == nil || err.Error() != `agent "bot" not found; here is my-bot` {
		t.Errorf("got %v", err)
	}
}
