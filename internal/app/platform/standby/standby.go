// Package standby stands between calls and the instances that answer them: it
// wakes revisions when they are called and lets them sleep when no one calls.
package standby

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/runagent/runagent/internal/agent"
	"github.com/runagent/runagent/internal/deploy"
	"github.com/runagent/runagent/internal/fault"
	"github.com/runagent/runagent/internal/invocation"
)

const (
	// Linger is how long a revision that was replaced still takes calls: those
	// that were sent its way just before.
	Linger = time.Second
	// maxSleeping is how many calls may wait for one revision to wake.
	maxSleeping = 1024
	// startLimit bounds a start, the build of a lost environment included.
	startLimit = 10 * time.Minute
	// firstPause and longestPause are between starts that fail.
	firstPause, longestPause = time.Second, time.Minute
)

// Machine runs revisions. engine.Engine is one.
type Machine interface {
	deploy.Builder
	deploy.Pools
	invocation.Invoker
	// Warm reports whether a start of rev would be a fork.
	Warm(rev *deploy.Revision) bool
}

// Options configures Pools. Machine and Log are needed.
type Options struct {
	Machine Machine
	// OnGone is told of each revision that will get no more calls.
	OnGone func(rev *deploy.Revision)
	// OnSleep is told when a revision's instances have ended for want of calls.
	OnSleep func()
	// Linger is how long a replaced revision still takes calls.
	Linger time.Duration
	Now    func() time.Time
	Log    *slog.Logger
}

// Pools wakes revisions when they are called and lets them sleep when no one
// calls: it is the Pools of deploys and the Invoker of calls, in front of the
// machine's. It is safe for concurrent use.
type Pools struct {
	o    Options
	ctx  context.Context // ends at close
	stop context.CancelFunc
	late context.Context // ends when no call can come any more
	last context.CancelFunc
	wg   sync.WaitGroup

	mu     sync.Mutex // guards places
	places map[string]*place
}

// New returns Pools in which every revision is yet to come.
func New(o Options) *Pools {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.OnGone == nil {
		o.OnGone = func(*deploy.Revision) {}
	}
	if o.OnSleep == nil {
		o.OnSleep = func() {}
	}
	ctx, stop := context.WithCancel(context.Background())
	late, last := context.WithCancel(context.Background())
	return &Pools{o: o, ctx: ctx, stop: stop, late: late, last: last, places: map[string]*place{}}
}

// NoMoreCalls says that there is no one left who could be late with a call.
func (s *Pools) NoMoreCalls() { s.last() }

// Close waits for what is under way, and ends what is awake: deploys and drains
// have ended before, so that is what was called by name. Calls may go on until
// ctx ends.
func (s *Pools) Close(ctx context.Context) {
	s.last()
	s.stop()
	s.wg.Wait()
	for _, p := range s.Places() {
		s.wg.Go(func() { s.o.Machine.Drain(ctx, p.Revision) })
	}
	s.wg.Wait()
}

// Has reports whether a revision has a place here, awake or asleep.
func (s *Pools) Has(revision string) bool { return s.place(revision) != nil }

func (s *Pools) place(revision string) *place {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.places[revision]
}

// put makes the place of rev, unless there is one that is not gone.
func (s *Pools) put(rev *deploy.Revision) *place {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.places[rev.ID]; p != nil && !p.is(gone) {
		return p
	}
	p := &place{id: rev.ID, rev: rev, lastUsed: s.o.Now(), idle: make(chan struct{}, 1), callables: rev.Callables}
	s.places[rev.ID] = p
	return p
}

// remove takes a place away, once nothing happens there any more.
func (s *Pools) remove(p *place) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.places[p.id] == p {
		delete(s.places, p.id)
	}
}

// Adopt makes rev one that wakes when it is called.
func (s *Pools) Adopt(rev *deploy.Revision) { s.put(rev).callBack() }

// Start implements deploy.Pools. A revision whose drain has not ended is
// called back.
func (s *Pools) Start(ctx context.Context, rev *deploy.Revision) ([]agent.Callable, error) {
	for {
		p := s.put(rev)
		if p.callBack() {
			return p.known(), nil
		}
		wait := p.begin(asleep)
		if wait == nil {
			callables, err := s.o.Machine.Start(ctx, rev)
			p.know(rev, callables)
			if err != nil {
				p.end(gone)
				s.remove(p)
				return nil, err
			}
			p.rise(s.o.Now())
			return callables, nil
		}
		select {
		case <-wait:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
		if p.is(awake) && !p.isDraining() {
			return p.known(), nil // someone else has started it
		}
	}
}

// Drain implements deploy.Pools: the calls in flight, and those that are on
// their way, end; then the instances do. It returns early when the revision is
// started again meanwhile.
func (s *Pools) Drain(ctx context.Context, rev *deploy.Revision) {
	p := s.place(rev.ID)
	if p == nil {
		return
	}
	p.mu.Lock()
	if p.draining || p.phase == gone {
		p.mu.Unlock()
		return
	}
	p.draining, p.revived = true, make(chan struct{})
	revived := p.revived
	p.mu.Unlock()
	if !s.awaitQuiet(ctx, p, revived) {
		return
	}
	s.o.Machine.Drain(ctx, p.revision())
	p.end(gone)
	s.remove(p)
	s.o.OnGone(rev)
}

// awaitQuiet waits until no call is left at p, at most until ctx ends, and
// begins its end; false when it was called back.
func (s *Pools) awaitQuiet(ctx context.Context, p *place, revived <-chan struct{}) bool {
	timer := time.NewTimer(s.o.Linger)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-s.late.Done():
	case <-revived:
		return false
	case <-ctx.Done():
	}
	for {
		wait, quiet := p.tryEnd(ctx.Err() != nil)
		if quiet {
			return true
		}
		select {
		case <-wait:
		case <-p.idle:
		case <-revived:
			return false
		case <-ctx.Done():
			if wait != nil { // a start under way ends soon: the machine's context has
				<-wait
			}
		}
	}
}

// Invoke implements invocation.Invoker. It wakes the revision if it must.
func (s *Pools) Invoke(ctx context.Context, call invocation.Call, emit func(invocation.Event) error) (invocation.Result, error) {
	p := s.place(call.Revision)
	if p == nil {
		return invocation.Result{}, notRunning()
	}
	began := s.o.Now()
	kind, err := s.enter(ctx, p)
	if err != nil {
		return invocation.Result{}, err
	}
	waited := s.o.Now().Sub(began)
	defer s.leave(p)
	res, err := s.o.Machine.Invoke(ctx, call, emit)
	if kind != invocation.Hot {
		res.Start = kind
		res.Timings.Start += waited
	}
	return res, err
}

func notRunning() error {
	return fault.New(fault.AgentUnavailable, "this revision of the agent is not running any more").WithRetryAfter(time.Second)
}

// enter takes part in p's being awake, until leave, and says what it found.
func (s *Pools) enter(ctx context.Context, p *place) (invocation.StartKind, error) {
	kind := invocation.Hot
	for {
		p.mu.Lock()
		switch p.phase {
		case awake:
			p.inFlight++
			p.mu.Unlock()
			return kind, nil
		case gone:
			p.mu.Unlock()
			return "", notRunning()
		case asleep:
			if err := p.refusal(s.o.Now()); err != nil {
				p.mu.Unlock()
				return "", err
			}
			p.phase, p.changed = changing, make(chan struct{})
			s.wg.Go(func() { s.wake(p) })
		case changing:
		}
		if kind = invocation.Cold; s.o.Machine.Warm(p.rev) {
			kind = invocation.Warm
		}
		wait := p.changed
		if p.sleepers == maxSleeping {
			p.mu.Unlock()
			return "", fault.New(fault.Overloaded, "%d calls are already waiting for this agent to start; try again later", maxSleeping).
				WithRetryAfter(time.Second)
		}
		p.sleepers++
		p.mu.Unlock()
		err := p.await(ctx, wait)
		if err != nil {
			return "", err
		}
	}
}

func (s *Pools) leave(p *place) {
	p.mu.Lock()
	p.inFlight--
	p.lastUsed = s.o.Now()
	p.called = p.lastUsed
	p.mu.Unlock()
	p.quiet()
}

// wake starts the instances of a place whose change has begun. One caller who
// goes away does not end it: others may wait.
func (s *Pools) wake(p *place) {
	ctx, cancel := context.WithTimeout(s.ctx, startLimit)
	defer cancel()
	old := p.revision()
	rev := &deploy.Revision{
		ID: old.ID, Agent: old.Agent, Vars: old.Vars, CreatedAt: old.CreatedAt,
		Environment: deploy.Environment{Lock: old.Environment.Lock}, // the same again, if it is gone
	}
	env, err := s.o.Machine.Build(ctx, rev)
	callables := p.known()
	if err == nil {
		rev.Environment = env
		callables, err = s.o.Machine.Start(ctx, rev)
	}
	if err == nil {
		p.know(rev, callables)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lastUsed, p.err = s.o.Now(), err
	defer close(p.changed)
	if err == nil {
		p.phase, p.pause = awake, 0
		return
	}
	p.phase = asleep
	p.pause = min(max(2*p.pause, firstPause), longestPause)
	if fault.CodeOf(err) == fault.Overloaded { // nothing is wrong with the agent
		p.pause = firstPause
	}
	p.retryAt = s.o.Now().Add(p.pause)
	if !errors.Is(err, context.Canceled) {
		s.o.Log.Warn("revision could not be started", "agent_id", rev.Agent.ID, "revision", rev.ID, "error", err)
	}
}

// Wake starts rev if it sleeps, and waits until it has.
func (s *Pools) Wake(ctx context.Context, revision string) error {
	p := s.place(revision)
	if p == nil {
		return notRunning()
	}
	if _, err := s.enter(ctx, p); err != nil {
		return err
	}
	s.leave(p)
	return nil
}

// Sleep ends the instances of those of the given revisions that have no call,
// and returns when they are gone.
func (s *Pools) Sleep(ctx context.Context, revisions []string) {
	slept := false
	for _, id := range revisions {
		p := s.place(id)
		if p == nil || !p.tire() {
			continue
		}
		s.o.Machine.Drain(ctx, p.revision())
		p.end(asleep)
		slept = true
	}
	if slept {
		s.o.OnSleep()
	}
}

// Dismiss forgets a revision that is asleep, unless it is wanted: a Start that
// was not wanted yet when that was asked makes it a new place.
func (s *Pools) Dismiss(revision string, wanted func() bool) {
	p := s.place(revision)
	if p == nil || p.begin(asleep) != nil {
		return
	}
	if wanted() {
		p.end(asleep)
		return
	}
	p.end(gone)
	s.remove(p)
	s.o.OnGone(p.revision())
}

// Place is a revision that is awake.
type Place struct {
	Revision *deploy.Revision
	InFlight int
	LastUsed time.Time
}

// Places returns the revisions that are awake and stay so.
func (s *Pools) Places() []Place {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []Place
	for _, p := range s.places {
		p.mu.Lock()
		if p.phase == awake && !p.draining {
			list = append(list, Place{p.rev, p.inFlight, p.lastUsed})
		}
		p.mu.Unlock()
	}
	return list
}

// Visit reports whether a revision has a place here that will not end of itself:
// one that drains goes on.
func (s *Pools) Visit(revision string) bool {
	p := s.place(revision)
	if p == nil {
		return false
	}
	p.callBack()
	return !p.is(gone) && !p.isDraining()
}

// Awake returns the revisions that have, or are getting, instances.
func (s *Pools) Awake() []*deploy.Revision {
	s.mu.Lock()
	defer s.mu.Unlock()
	var revs []*deploy.Revision
	for _, p := range s.places {
		if !p.is(asleep) {
			revs = append(revs, p.revision())
		}
	}
	return revs
}

// Load says how a revision is: whether it has instances, how many calls it
// has, and the error of its last start.
func (s *Pools) Load(revision string) (up bool, inFlight int, err error) {
	p := s.place(revision)
	if p == nil {
		return false, 0, nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.phase == awake, p.inFlight, p.err
}

var (
	_ deploy.Pools       = (*Pools)(nil)
	_ invocation.Invoker = (*Pools)(nil)
)
