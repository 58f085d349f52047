package fleet

import (
	"context"
	"log/slog"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/runagent/runagent/internal/agent"
	"github.com/runagent/runagent/internal/app/platform/standby"
	"github.com/runagent/runagent/internal/autoscale"
	"github.com/runagent/runagent/internal/deploy"
	"github.com/runagent/runagent/internal/instance"
	"github.com/runagent/runagent/internal/invocation"
	"github.com/runagent/runagent/internal/store/state"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// machine runs revisions as it is told to, and is their memory too.
type machine struct {
	mu       sync.Mutex // guards all that follows
	usage    map[string]instance.Usage
	takes    map[string]int64 // what an instance takes, by revision
	measured int
	sized    map[string]int
	used     int64
	limit    int64
	ending   func() // called in each Drain
	answer   func() // called in each Invoke
}

func (m *machine) Build(context.Context, *deploy.Revision) (deploy.Environment, error) {
	return deploy.Environment{}, nil
}

func (m *machine) Start(_ context.Context, rev *deploy.Revision) ([]agent.Callable, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.usage[rev.ID] = instance.Usage{Instances: 1, Wanted: 1, SyncSlots: 10, AsyncSlots: 100}
	return []agent.Callable{{Tag: "main"}}, nil
}

func (m *machine) Drain(_ context.Context, rev *deploy.Revision) {
	m.mu.Lock()
	ending := m.ending
	delete(m.usage, rev.ID)
	m.mu.Unlock()
	if ending != nil {
		ending()
	}
}

func (m *machine) Warm(*deploy.Revision) bool { return false }

func (m *machine) Invoke(context.Context, invocation.Call, func(invocation.Event) error) (invocation.Result, error) {
	m.mu.Lock()
	answer := m.answer
	m.mu.Unlock()
	if answer != nil {
		answer()
	}
	return invocation.Result{Start: invocation.Hot}, nil
}

func (m *machine) Usage(revision string) (instance.Usage, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	u, ok := m.usage[revision]
	return u, ok
}

func (m *machine) Resize(revision string, size int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sized[revision] = size
}

func (m *machine) InstanceMemory(revision string) int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.measured++
	return m.takes[revision]
}

func (m *machine) Used() int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.used
}

func (m *machine) Limit() int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.limit
}

// book is a ledger that lets something happen at the steps of a deploy.
type book struct{ at func(deploy.State) }

// Reached implements deploy.Ledger.
func (b *book) Reached(_ context.Context, rev *deploy.Revision, _ error) error {
	b.at(rev.State)
	return nil
}

// Switch implements deploy.Ledger.
func (b *book) Switch(context.Context, deploy.Split) error {
	b.at(deploy.Ready)
	return nil
}

// house is a fleet with those it works with, on a machine that starts nothing
// and a clock that only moves when it is told to.
type house struct {
	*Fleet
	t       *testing.T
	machine *machine
	pools   *standby.Pools
	deploys *deploy.Deployer
	book    *book
	state   *state.DB
	gone    chan string
	asked   func() // called when it was told whether a revision has traffic

	mu  sync.Mutex // guards now
	now time.Time
}

// idle is how long a revision stays awake without calls.
const idle = time.Minute

func newHouse(t *testing.T) *house {
	t.Helper()
	h := &house{
		t: t, book: &book{func(deploy.State) {}}, gone: make(chan string, 8), now: time.Unix(1e9, 0),
		machine: &machine{usage: map[string]instance.Usage{}, takes: map[string]int64{}, sized: map[string]int{}},
	}
	var err error
	if h.state, err = state.Open(filepath.Join(t.TempDir(), "state.db"), h.clock); err != nil {
		t.Fatal(err)
	}
	h.pools = standby.New(standby.Options{
		Machine: h.machine, Now: h.clock, Log: slog.New(slog.DiscardHandler),
		OnGone: func(rev *deploy.Revision) { h.gone <- rev.ID },
	})
	h.deploys = deploy.New(deploy.Options{
		Builder: h.machine, Pools: h.pools, Traffic: &deploy.Traffic{}, Ledger: h.book, DrainTimeout: time.Minute,
	})
	h.Fleet = h.fleet()
	t.Cleanup(func() {
		h.pools.NoMoreCalls()
		h.deploys.Close(context.Background())
		h.pools.Close(context.Background())
		if err := h.state.Close(); err != nil {
			t.Error(err)
		}
	})
	return h
}

// fleet is what a platform makes that starts with h's data.
func (h *house) fleet() *Fleet {
	h.t.Helper()
	f, err := New(h.t.Context(), Options{
		Standby: h.pools, Engine: h.machine, State: h.state, Memory: h.machine, HasTraffic: h.hasTraffic, Idle: idle, Now: h.clock,
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return f
}

func (h *house) hasTraffic(rev *deploy.Revision) bool {
	has := h.deploys.HasTraffic(rev)
	if h.asked != nil {
		h.asked()
	}
	return has
}

func (h *house) clock() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.now
}

func (h *house) pass(d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.now = h.now.Add(d)
}

func revision(id string, more ...func(*agent.Manifest)) *deploy.Revision {
	m := &agent.Manifest{}
	for _, f := range more {
		f(m)
	}
	return &deploy.Revision{ID: id, Agent: &agent.Agent{ID: "a-" + id, Name: id, Slug: id, Manifest: m}}
}

// serves deploys revisions, each of an agent of its own.
func (h *house) serves(revs ...*deploy.Revision) {
	h.t.Helper()
	for _, rev := range revs {
		if err := h.deploys.Deploy(h.t.Context(), rev); err != nil {
			h.t.Fatal(err)
		}
	}
}

// visits has calls that name them wake revisions.
func (h *house) visits(revs ...*deploy.Revision) {
	h.t.Helper()
	for _, rev := range revs {
		h.pools.Adopt(rev)
		h.answers(rev.ID, invocation.Cold)
	}
}

func (h *house) call(id string) (invocation.Result, error) {
	return h.pools.Invoke(h.t.Context(), invocation.Call{Revision: id}, nil)
}

// answers checks that a revision answers after such a start.
func (h *house) answers(id string, want invocation.StartKind) {
	h.t.Helper()
	if res, err := h.call(id); err != nil || res.Start != want {
		h.t.Errorf("a call of %s: %+v, %v, want a %s start", id, res, err, want)
	}
}

// leaves checks that a revision has no place any more.
func (h *house) leaves(id string) {
	h.t.Helper()
	select {
	case got := <-h.gone:
		if got != id {
			h.t.Errorf("gone is %s, want %s", got, id)
		}
	default:
		h.t.Errorf("%s was not dismissed", id)
	}
	if h.pools.Has(id) {
		h.t.Errorf("%s still has a place", id)
	}
}

// nobodyLeft checks that no revision was dismissed.
func (h *house) nobodyLeft() {
	h.t.Helper()
	if len(h.gone) > 0 {
		h.t.Errorf("%s was dismissed", <-h.gone)
	}
}

// awake are the revisions that have instances.
func (h *house) awake() []string {
	ids := []string{}
	for _, p := range h.pools.Places() {
		ids = append(ids, p.Revision.ID)
	}
	slices.Sort(ids)
	return ids
}

func (h *house) isAwake(want ...string) {
	h.t.Helper()
	if got := h.awake(); !slices.Equal(got, want) {
		h.t.Errorf("awake are %q, want %q", got, want)
	}
}

// look has an autoscaler look once, and waits until that is done.
func (h *house) look() {
	h.t.Helper()
	ctx, cancel := context.WithCancel(h.t.Context())
	cancel()
	loop := autoscale.NewLoop(autoscale.Options{Fleet: h.Fleet, Now: h.clock, Log: slog.New(slog.DiscardHandler)})
	if err := loop.Run(ctx); err != nil {
		h.t.Fatal(err)
	}
}

var (
	_ Engine          = (*machine)(nil)
	_ Memory          = (*machine)(nil)
	_ standby.Machine = (*machine)(nil)
	_ deploy.Ledger   = (*book)(nil)
)
