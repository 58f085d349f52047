package deploy

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/runagent/runagent/internal/agent"
	"github.com/runagent/runagent/internal/fault"
	"github.com/runagent/runagent/internal/invocation"
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
		target, err := traffic.Target(t.Context(), invocation.Route{Agent: ref})
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
	if _, err := traffic.Target(t.Context(), invocation.Route{Agent: "bot"}); fault.CodeOf(err) != fault.AgentNotFound {
		t.Errorf("got %v", err)
	}
	if err := x.Deploy(t.Context(), revision("r1")); err != nil {
		t.Fatal(err)
	}
	_, err := traffic.Target(t.Context(), invocation.Route{Agent: "bot"})
	if err == nil || err.Error() != `agent "bot" not found; here is my-bot` {
		t.Errorf("got %v", err)
	}
}

// book is a Ledger that remembers, and fails where it is told to.
type book struct {
	mu     sync.Mutex // guards all that follows
	said   []string
	failAt State
}

func (b *book) note(rev *Revision, what string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.said = append(b.said, rev.ID+" "+what)
	if rev.State == b.failAt {
		return errors.New("disk full")
	}
	return nil
}

func (b *book) Reached(_ context.Context, rev *Revision, why error) error {
	what := string(rev.State)
	if why != nil {
		what += ": " + why.Error()
	}
	return b.note(rev, what)
}

func (b *book) Switch(_ context.Context, to Split) error {
	text := "switch"
	for _, s := range to.Shares {
		text += fmt.Sprintf(" %s=%d", s.ID, s.Percent)
	}
	return b.note(to.Shares[0].Revision, text)
}

func newKeptHouse(t *testing.T) (*house, *Deployer, *Traffic, *book) {
	t.Helper()
	h, x, traffic := newHouse(t)
	b := &book{}
	x.o.Ledger = b
	close(h.hold)
	return h, x, traffic, b
}

func TestLedgerKnowsEachStep(t *testing.T) {
	t.Parallel()
	h, x, traffic, b := newKeptHouse(t)
	if err := x.Deploy(t.Context(), revision("r1")); err != nil {
		t.Fatal(err)
	}
	h.startErr = errors.New("no such module")
	ctx, cancel := context.WithCancelCause(t.Context())
	if err := x.Deploy(ctx, revision("r2")); err == nil {
		t.Fatal("deployed")
	}
	cancel(errors.New("stopping")) // which is kept all the same
	if err := x.Deploy(ctx, revision("r3")); err == nil {
		t.Fatal("deployed")
	}
	want := []string{
		"r1 building", "r1 starting", "r1 switch r1=100", "r2 building", "r2 starting", "r2 failed: start: no such module",
		"r3 building", "r3 starting", "r3 failed: start: stopping",
	}
	if !slices.Equal(b.said, want) {
		t.Errorf("ledger %q, want %q", b.said, want)
	}
	serves(t, traffic, "r1")
}

func TestALedgerThatFailsKeepsTheOldRevision(t *testing.T) {
	t.Parallel()
	for _, at := range []State{Building, Starting, Ready} {
		t.Run(string(at), func(t *testing.T) {
			t.Parallel()
			h, x, traffic, b := newKeptHouse(t)
			if err := x.Deploy(t.Context(), revision("r1")); err != nil {
				t.Fatal(err)
			}
			b.mu.Lock()
			b.failAt = at
			b.mu.Unlock()
			rev := revision("r2")
			if err := x.Deploy(t.Context(), rev); err == nil || rev.State != Failed {
				t.Errorf("%v, state %s", err, rev.State)
			}
			serves(t, traffic, "r1")
			if at != Ready {
				return
			}
			if got := <-h.drained; got != "r2" {
				t.Errorf("drained %s, want the one that was not switched to", got)
			}
		})
	}
}

func TestAgentsDeploySideBySide(t *testing.T) {
	t.Parallel()
	_, x, _ := newHouse(t)
	slow := &slowBuilder{begun: make(chan string, 2), release: make(chan struct{})}
	x.o.Builder = slow
	done := make(chan error, 3)
	deploy := func(agentID, id string) {
		rev := revision(id)
		rev.Agent.ID, rev.Agent.Name, rev.Agent.Slug = agentID, agentID, agentID
		go func() { done <- x.Deploy(t.Context(), rev) }()
	}
	deploy("a", "a1")
	first := <-slow.begun
	deploy("a", "a2") // waits for a1
	deploy("b", "b1")
	if second := <-slow.begun; first != "a1" || second != "b1" {
		t.Errorf("building %s and %s, want a1 and b1", first, second)
	}
	close(slow.release)
	for range 3 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if rev := x.Live("a"); rev == nil || rev.ID != "a2" {
		t.Errorf("a is served by %+v", rev)
	}
}

type slowBuilder struct {
	begun   chan string
	release chan struct{}
}

func (b *slowBuilder) Build(_ context.Context, rev *Revision) (Environment, error) {
	select {
	case b.begun <- rev.ID:
	default:
	}
	<-b.release
	return Environment{}, nil
}

func TestAdoptAndWithdraw(t *testing.T) {
	t.Parallel()
	h, x, traffic, _ := newKeptHouse(t)
	rev := revision("r1")
	x.Adopt(rev, 100)
	serves(t, traffic, "r1")
	if err := x.Withdraw("a-1", func() error { return errors.New("disk full") }); err == nil {
		t.Error("withdrawn although that was not kept")
	}
	serves(t, traffic, "r1")
	if err := x.Withdraw("a-1", func() error { return nil }); err != nil {
		t.Fatal(err)
	}
	if _, err := traffic.Target(t.Context(), invocation.Route{Agent: "a-1"}); fault.CodeOf(err) != fault.AgentNotFound || x.Live("a-1") != nil {
		t.Errorf("still served: %v", err)
	}
	if got := <-h.drained; got != "r1" {
		t.Errorf("drained %s", got)
	}
}

func TestWithdrawEndsDeploysUnderWay(t *testing.T) {
	t.Parallel()
	_, x, _, b := newKeptHouse(t)
	if err := x.Deploy(t.Context(), revision("r1")); err != nil {
		t.Fatal(err)
	}
	stuck := &stuckBuilder{begun: make(chan struct{})}
	x.o.Builder = stuck
	done := make(chan error, 2)
	go func() { done <- x.Deploy(t.Context(), revision("r2")) }()
	<-stuck.begun
	if err := x.Withdraw("a-1", func() error { return nil }); err != nil {
		t.Fatal(err)
	}
	if err := <-done; !errors.Is(err, errWithdrawn) {
		t.Errorf("got %v", err)
	}
	if want := "r2 failed: build: the agent was stopped or deleted meanwhile"; !slices.Contains(b.said, want) {
		t.Errorf("ledger %q, want %q", b.said, want)
	}
}

// stuckBuilder builds until its context ends.
type stuckBuilder struct{ begun chan struct{} }

func (b *stuckBuilder) Build(ctx context.Context, _ *Revision) (Environment, error) {
	close(b.begun)
	<-ctx.Done()
	return Environment{}, errors.New("read: i/o timeout")
}

func TestARenamedAgentLeavesNoName(t *testing.T) {
	t.Parallel()
	_, x, traffic, _ := newKeptHouse(t)
	renamed := revision("r2")
	renamed.Agent.Name, renamed.Agent.Slug = "Your Bot", "your-bot"
	for _, rev := range []*Revision{revision("r1"), renamed} {
		if err := x.Deploy(t.Context(), rev); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := traffic.Target(t.Context(), invocation.Route{Agent: "my-bot"}); err == nil {
		t.Error("the old name still leads to the agent")
	}
	if target, err := traffic.Target(t.Context(), invocation.Route{Agent: "your-bot"}); err != nil || target.Revision != "r2" {
		t.Errorf("%+v %v", target, err)
	}
}
