package deploy

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/runagent/runagent/internal/agent"
	"github.com/runagent/runagent/internal/fault"
)

// Builder makes ready environments.
type Builder interface {
	Build(ctx context.Context, rev *Revision) (Environment, error)
}

// Pools runs revisions.
type Pools interface {
	// Start makes instances of rev and returns, when the first is ready, what
	// its entrypoints are.
	Start(ctx context.Context, rev *Revision) ([]agent.Callable, error)
	// Drain lets the calls in flight on rev end, at most until ctx does, and
	// ends its instances.
	Drain(ctx context.Context, rev *Revision)
}

// Ledger keeps how far deploys have come, so that what was killed in the
// middle of one knows afterwards.
type Ledger interface {
	// Reached keeps rev.State and, of a revision that failed, why.
	Reached(ctx context.Context, rev *Revision, why error) error
	// Switch makes, in one transaction, the traffic of an agent what it is to
	// be, and its fresh revisions ready.
	Switch(ctx context.Context, to Split) error
}

// Options configures a Deployer. Builder, Pools and Traffic are needed.
type Options struct {
	Builder Builder
	Pools   Pools
	Traffic *Traffic
	// Ledger may be nil: then nothing is kept.
	Ledger Ledger
	// Probing is told of a revision that came up and is looked at. May be nil:
	// no state of a revision says so, for it takes no time.
	Probing func(*Revision)
	// DrainTimeout bounds how long a replaced revision's calls may go on.
	DrainTimeout time.Duration
	Log          *slog.Logger
}

// Deployer brings revisions into service: of one agent one after the other,
// of several agents side by side. It is safe for concurrent use.
type Deployer struct {
	o      Options
	ctx    context.Context // ends when draining must
	cancel context.CancelFunc
	drains sync.WaitGroup

	mu    sync.Mutex // guards lanes
	lanes map[string]*lane

	current atomic.Pointer[Revision] // the one switched to last

	draining sync.Map // *Revision → when its calls are ended
}

// lane is the deploys of one agent.
type lane struct {
	mu     sync.Mutex // held for a whole deploy; guards shares
	shares []Share

	queue sync.Mutex // guards turns
	turns map[*turn]struct{}
}

// turn is a deploy that is under way or waits.
type turn struct {
	revs   []*Revision
	cancel context.CancelCauseFunc
}

// enter makes a deploy of revs one that interrupt ends; leave must be called.
func (l *lane) enter(ctx context.Context, revs ...*Revision) (_ context.Context, leave func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	t := &turn{revs, cancel}
	l.queue.Lock()
	defer l.queue.Unlock()
	l.turns[t] = struct{}{}
	return ctx, func() {
		l.queue.Lock()
		defer l.queue.Unlock()
		delete(l.turns, t)
		cancel(nil)
	}
}

// serving returns the revision with the given ID that gets calls, or nil. l.mu is
// held.
func (l *lane) serving(revision string) *Revision {
	for _, s := range l.shares {
		if s.ID == revision {
			return s.Revision
		}
	}
	return nil
}

// holds reports whether a deploy of a revision is under way or waits.
func (l *lane) holds(revision string) bool {
	l.queue.Lock()
	defer l.queue.Unlock()
	for t := range l.turns {
		if slices.ContainsFunc(t.revs, func(rev *Revision) bool { return rev.ID == revision }) {
			return true
		}
	}
	return false
}

// interrupt ends the deploys that are under way or wait.
func (l *lane) interrupt(why error) {
	l.queue.Lock()
	defer l.queue.Unlock()
	for t := range l.turns {
		t.cancel(why)
	}
}

// errWithdrawn is why deploys end whose agent is taken out of service.
var errWithdrawn = errors.New("the agent was stopped or deleted meanwhile")

// New returns a Deployer.
func New(o Options) *Deployer {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Ledger == nil {
		o.Ledger = forgetful{}
	}
	ctx, cancel := context.WithCancel(context.Background())
	return &Deployer{o: o, ctx: ctx, cancel: cancel, lanes: map[string]*lane{}}
}

// Deploy brings rev into service and retires the revisions it replaces, whose
// calls end on them in the background. On failure they keep serving and rev
// ends as failed.
func (x *Deployer) Deploy(ctx context.Context, rev *Revision) error {
	return x.DeployPart(ctx, rev, Part{Percent: 100})
}

// Part is what a deploy gives to the revision it brings into service.
type Part struct {
	// Percent of the agent's calls; of the first revision it is all of them. With
	// 0 it gets those that name it.
	Percent int
	// CanaryUntil is when it is decided whether it gets all; zero for never.
	CanaryUntil func() time.Time
}

// DeployPart brings rev into service for a part of its agent's calls. The other
// revisions keep the rest. Where rev has some already, only its part changes.
func (x *Deployer) DeployPart(ctx context.Context, rev *Revision, part Part) error {
	l := x.lane(rev.Agent.ID)
	ctx, leave := l.enter(ctx, rev)
	defer leave()
	l.mu.Lock()
	defer l.mu.Unlock()
	to := Split{AgentID: rev.Agent.ID}
	if up := l.serving(rev.ID); up != nil { // by a deploy that this one waited for
		rev = up
	} else {
		if err := x.raise(ctx, rev); err != nil {
			return err
		}
		to.Fresh = []*Revision{rev}
	}
	to.Shares = WithShare(l.shares, rev, part.Percent)
	if part.CanaryUntil != nil && len(to.Shares) > 1 {
		to.CanaryUntil = part.CanaryUntil()
	}
	if err := x.swap(ctx, l, to); err != nil {
		return x.undo(ctx, to.Fresh, fmt.Errorf("switch: %w", causeOf(ctx, err)))
	}
	return nil
}

// undo ends revisions that have come up for a change which failed.
func (x *Deployer) undo(ctx context.Context, fresh []*Revision, why error) error {
	for _, rev := range fresh {
		x.drain(rev)
		_ = x.fail(ctx, rev, why)
	}
	return why
}

// raise takes rev through the steps until it may get calls.
func (x *Deployer) raise(ctx context.Context, rev *Revision) error {
	if err := x.build(ctx, rev); err != nil {
		return x.fail(ctx, rev, fmt.Errorf("build: %w", causeOf(ctx, err)))
	}
	callables, err := x.start(ctx, rev)
	if err != nil {
		return x.fail(ctx, rev, fmt.Errorf("start: %w", causeOf(ctx, err)))
	}
	if x.o.Probing != nil {
		x.o.Probing(rev)
	}
	if err := probe(rev, callables); err != nil {
		x.drain(rev)
		return x.fail(ctx, rev, fmt.Errorf("probe: %w", err))
	}
	rev.Callables = callables
	return nil
}

func (x *Deployer) build(ctx context.Context, rev *Revision) error {
	if err := x.reach(ctx, rev, Building); err != nil {
		return err
	}
	defer since(time.Now(), &rev.Took.Build)
	env, err := x.o.Builder.Build(ctx, rev)
	if err != nil {
		return err
	}
	rev.Environment = env
	return nil
}

func (x *Deployer) start(ctx context.Context, rev *Revision) ([]agent.Callable, error) {
	if err := x.reach(ctx, rev, Starting); err != nil {
		return nil, err
	}
	defer since(time.Now(), &rev.Took.Start)
	return x.o.Pools.Start(ctx, rev)
}

// swap sends an agent's calls where they are to go: first in the ledger, which
// survives us, then for those who call now. What gets none any more drains.
func (x *Deployer) swap(ctx context.Context, l *lane, to Split) error {
	began := time.Now()
	for _, rev := range to.Fresh {
		rev.State = Ready
	}
	if err := x.o.Ledger.Switch(ctx, to); err != nil {
		return err
	}
	if len(to.Fresh) > 0 {
		x.current.Store(to.Fresh[0])
	}
	x.o.Traffic.Set(to.AgentID, to.Shares)
	for _, rev := range to.Fresh {
		rev.Took.Switch = time.Since(began)
	}
	old := l.shares
	l.shares = to.Shares
	for _, s := range old {
		if !slices.ContainsFunc(to.Shares, func(o Share) bool { return o.ID == s.ID }) {
			x.drain(s.Revision)
		}
	}
	return nil
}

// probe checks that every entrypoint of the manifest came up.
func probe(rev *Revision, callables []agent.Callable) error {
	defer since(time.Now(), &rev.Took.Probe)
	for _, e := range rev.Agent.Manifest.Entrypoints {
		found := false
		for _, c := range callables {
			found = found || c.Tag == e.Tag
		}
		if !found {
			return fault.New(fault.Internal, "the revision came up without entrypoint %q", e.Tag)
		}
	}
	return nil
}

func since(began time.Time, took *time.Duration) { *took = time.Since(began) }

func (x *Deployer) reach(ctx context.Context, rev *Revision, state State) error {
	rev.State = state
	return x.o.Ledger.Reached(ctx, rev, nil)
}

// causeOf prefers why ctx has ended to what that did to a step.
func causeOf(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// fail ends rev as failed. That is kept even if ctx has ended, or a restart
// would take it for a deploy under way.
func (x *Deployer) fail(ctx context.Context, rev *Revision, why error) error {
	rev.State = Failed
	if err := x.o.Ledger.Reached(context.WithoutCancel(ctx), rev, why); err != nil {
		x.o.Log.ErrorContext(ctx, "failure of a deploy not kept", "revision", rev.ID, "error", err)
	}
	return why
}

// Adopt takes rev, which was brought into service by an earlier process, for
// one that serves, beside those that were adopted before. It starts nothing:
// that is up to Pools.
func (x *Deployer) Adopt(rev *Revision, percent int) {
	l := x.lane(rev.Agent.ID)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.shares = append(slices.Clone(l.shares), Share{rev, percent})
	rev.State = Ready
	x.current.Store(rev)
	x.o.Traffic.Set(rev.Agent.ID, l.shares)
}

// Shares returns the revisions that get an agent's calls.
func (x *Deployer) Shares(agentID string) []Share { return x.o.Traffic.Shares(agentID) }

// HasTraffic reports whether a revision gets calls that do not name it, or a
// deploy is under way that may give it some.
func (x *Deployer) HasTraffic(rev *Revision) bool {
	if x.lane(rev.Agent.ID).holds(rev.ID) { // asked first: a deploy is over only after its switch
		return true
	}
	return slices.ContainsFunc(x.Shares(rev.Agent.ID), func(s Share) bool { return s.ID == rev.ID })
}

// Live returns the revision that gets most of an agent's calls, or nil.
func (x *Deployer) Live(agentID string) *Revision {
	return x.o.Traffic.live(agentID)
}

// Withdraw takes an agent out of service and ends the deploys of it that are
// under way: keep is called before its calls go nowhere, and when it fails
// they go on. The calls in flight end in the background.
func (x *Deployer) Withdraw(agentID string, keep func() error) error {
	l := x.lane(agentID)
	l.interrupt(errWithdrawn)
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := keep(); err != nil {
		return err
	}
	x.o.Traffic.Set(agentID, nil)
	x.drainAll(l)
	return nil
}

// drainAll drains what serves. l.mu is held.
func (x *Deployer) drainAll(l *lane) {
	for _, s := range l.shares {
		x.drain(s.Revision)
	}
	l.shares = nil
}

func (x *Deployer) lane(agentID string) *lane {
	x.mu.Lock()
	defer x.mu.Unlock()
	l := x.lanes[agentID]
	if l == nil {
		l = &lane{turns: map[*turn]struct{}{}}
		x.lanes[agentID] = l
	}
	return l
}

// drain ends rev in the background.
func (x *Deployer) drain(rev *Revision) {
	rev.State = Retired
	x.draining.Store(rev, time.Now().Add(x.o.DrainTimeout))
	x.drains.Go(func() {
		ctx, cancel := context.WithTimeout(x.ctx, x.o.DrainTimeout)
		defer cancel()
		x.o.Pools.Drain(ctx, rev)
		x.draining.Delete(rev)
	})
}

// Current returns the revision that was brought into service last, or nil.
func (x *Deployer) Current() *Revision { return x.current.Load() }

// Draining returns the revisions whose last calls are ending.
func (x *Deployer) Draining() []*Revision {
	var revs []*Revision
	x.draining.Range(func(k, _ any) bool {
		revs = append(revs, k.(*Revision))
		return true
	})
	return revs
}

// DrainsUntil returns when what is left of a revision's calls is ended, and
// whether it is draining at all.
func (x *Deployer) DrainsUntil(revision string) (at time.Time, draining bool) {
	x.draining.Range(func(k, v any) bool {
		if draining = k.(*Revision).ID == revision; draining {
			at = v.(time.Time)
		}
		return !draining
	})
	return at, draining
}

// Serving returns the revisions that have, or may start, instances, where
// there is one agent.
func (x *Deployer) Serving() []*Revision {
	revs := x.Draining()
	if rev := x.current.Load(); rev != nil {
		revs = append([]*Revision{rev}, revs...)
	}
	return revs
}

// Close drains all revisions, at most until ctx ends, and waits.
func (x *Deployer) Close(ctx context.Context) {
	stop := context.AfterFunc(ctx, x.cancel)
	defer stop()
	x.mu.Lock()
	lanes := x.lanes
	x.lanes = map[string]*lane{}
	x.mu.Unlock()
	for _, l := range lanes {
		l.mu.Lock()
		x.drainAll(l)
		l.mu.Unlock()
	}
	x.drains.Wait()
	x.cancel()
}

// forgetful is a ledger that keeps nothing.
type forgetful struct{}

// Reached implements Ledger.
func (forgetful) Reached(context.Context, *Revision, error) error { return nil }

// Switch implements Ledger.
func (forgetful) Switch(context.Context, Split) error { return nil }
