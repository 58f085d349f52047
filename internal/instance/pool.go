package instance

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/runagent/runagent/internal/agent"
	"github.com/runagent/runagent/internal/backoff"
	"github.com/runagent/runagent/internal/fault"
	"github.com/runagent/runagent/internal/invocation"
)

// The default bounds of a pool.
const (
	DefaultSyncSlots  = 64
	DefaultAsyncSlots = 1000
	DefaultQueue      = 1024
	// steadyAfter is how long an instance must live for the backoff of its
	// replacement to start anew.
	steadyAfter = 10 * time.Second
	// farewell is how long a stopped instance may take once no call is left:
	// Python waits for the threads of user code that are no daemons.
	farewell = 10 * time.Second
)

// Spec is what a pool runs: one revision of an agent.
type Spec struct {
	Revision  string
	Launcher  Launcher
	Admission Admission
	// Size is how many instances run at first; at least 1. Resize changes it.
	Size int
	// SyncSlots and AsyncSlots bound the calls in flight on one instance, Queue
	// the calls waiting for a slot; 0 means the default.
	SyncSlots, AsyncSlots, Queue int
	// ReadyWithin bounds how long one start may take; 0 means two minutes.
	ReadyWithin time.Duration
	// Grace is how long a canceled call may take to end; 0 means 5 s.
	Grace time.Duration
	// Memory bounds each instance, in bytes; 0 does not.
	Memory int64
	// OnLog gets every line of user code and of the instances.
	OnLog func(invocation.LogLine)
	// OnReady is told what each new instance reported; may be nil.
	OnReady func(Readiness)
	// OnModules is told which modules from outside the folder the calls on an
	// instance have loaded since it was ready, each once; may be nil. It must
	// not block for long.
	OnModules func([]string)
	// OnStart is told how each start went and how long it took; may be nil.
	OnStart func(kind invocation.StartKind, took time.Duration, err error)
	// OnQueue is told of each call that has to wait for a slot; may be nil.
	OnQueue func()
	Log     *slog.Logger
}

// Pool keeps the instances of one revision alive and hands out their slots.
type Pool struct {
	s      Spec
	ctx    context.Context // ends when the pool is stopped
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu        sync.Mutex // guards all that follows
	seats     []*seat
	leaving   []*seat // dismissed by Resize, with calls that end on them
	tended    int     // instances there are to be: in seats, starting or replaced
	surplus   int     // of tended, those that must not start any more
	waiting   [slotKinds][]*waiter
	queued    int
	lastErr   error // of the last start, nil after a good one
	callables []agent.Callable
	stopping  bool

	admission *Admission // of the next instance; set before there is more than one
}

// seat is a live instance and its load.
type seat struct {
	in    *Instance
	kind  invocation.StartKind // how it was started, until its first call
	load  [slotKinds]int
	since time.Time

	dismissed chan struct{} // closed when it gets no more calls
	empty     chan struct{} // closed when it is dismissed and has no call left
}

func newSeat() *seat {
	return &seat{since: time.Now(), dismissed: make(chan struct{}), empty: make(chan struct{})}
}

// waiter is a call in the queue; it is given a seat, or an error.
type waiter struct {
	got chan *seat
	err error
}

// newPool starts the instances of s and returns when the first is ready.
func newPool(ctx context.Context, s Spec) (*Pool, error) {
	s = withDefaults(s)
	life, cancel := context.WithCancel(context.Background())
	p := &Pool{s: s, ctx: life, cancel: cancel, admission: &s.Admission, tended: s.Size}
	first, err := p.startOne(ctx)
	if err != nil {
		cancel()
		return nil, err
	}
	p.callables = first.in.Callables()
	later := s.Admission
	later.Described = true
	p.admission = &later
	p.wg.Go(func() { p.tend(first) })
	for range s.Size - 1 {
		p.wg.Go(func() { p.tend(nil) })
	}
	return p, nil
}

func withDefaults(s Spec) Spec {
	orDefault := func(v *int, d int) {
		if *v <= 0 {
			*v = d
		}
	}
	orDefault(&s.Size, 1)
	orDefault(&s.SyncSlots, DefaultSyncSlots)
	orDefault(&s.AsyncSlots, DefaultAsyncSlots)
	orDefault(&s.Queue, DefaultQueue)
	if s.ReadyWithin <= 0 {
		s.ReadyWithin = 2 * time.Minute
	}
	if s.Grace <= 0 {
		s.Grace = graceAfterCancel
	}
	if s.Log == nil {
		s.Log = slog.New(slog.DiscardHandler)
	}
	if s.OnStart == nil {
		s.OnStart = func(invocation.StartKind, time.Duration, error) {}
	}
	if s.OnLog == nil {
		s.OnLog = func(invocation.LogLine) {}
	}
	told, revision := s.OnLog, s.Revision
	s.OnLog = func(line invocation.LogLine) {
		line.Revision = revision
		told(line)
	}
	if s.OnQueue == nil {
		s.OnQueue = func() {}
	}
	if s.OnModules == nil {
		s.OnModules = func([]string) {}
	}
	s.Admission.Concurrency = AdmittedConcurrency{Sync: s.SyncSlots, Async: s.AsyncSlots}
	return s
}

// tend keeps one instance alive: it starts a new one whenever it has ended,
// until the pool has one too many.
func (p *Pool) tend(st *seat) {
	wait := backoff.Wait{}
	for {
		if st == nil {
			if p.overfull() {
				return
			}
			var err error
			if st, err = p.startOne(p.ctx); err != nil {
				if p.ctx.Err() != nil || errors.Is(err, errDoomed) {
					return
				}
				p.s.Log.Error("instance could not be started", "agent_id", p.s.Admission.AgentID, "error", err)
				if !wait.Sleep(p.ctx) {
					return
				}
				continue
			}
		}
		// It may take no more calls and still have some: replace it now.
		select {
		case <-st.in.closing:
		case <-st.dismissed:
			p.retire(st)
			return
		}
		if !p.leave(st) { // it was dismissed at this moment
			p.retire(st)
			return
		}
		if p.ctx.Err() != nil {
			return
		}
		gone := st
		p.wg.Go(func() { p.bury(gone) })
		// The first replacement is made at once, later ones with backoff.
		if time.Since(st.since) > steadyAfter {
			wait.Reset()
		}
		if wait.Fresh() {
			wait.Fail()
		} else if !wait.Sleep(p.ctx) {
			return
		}
		st = nil
	}
}

// bury waits for an instance's end and tells how it came.
func (p *Pool) bury(st *seat) {
	<-st.in.Ended()
	st.in.wg.Wait()
	if p.ctx.Err() == nil {
		p.warn(st.in, "instance "+st.in.ID+" ended: "+st.in.obituary()+"; it is replaced")
	}
}

// warn puts a line about an instance into the agent's log.
func (p *Pool) warn(in *Instance, text string) {
	p.s.OnLog(invocation.LogLine{
		Time: time.Now().UTC(), Stream: "system", Level: "warning", Text: text,
		Instance: in.ID, AgentID: p.s.Admission.AgentID,
	})
}

func (p *Pool) startOne(ctx context.Context) (*seat, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, p.s.ReadyWithin, lateError(p.s.ReadyWithin))
	defer cancel()
	st := newSeat()
	in, kind, err := start(ctx, startOptions{
		launcher: p.s.Launcher, admission: p.admission, logs: p.s.OnLog, grace: p.s.Grace, memory: p.s.Memory,
		onFree:    func(k slotKind) { p.release(st, k) },
		onAnswer:  func() { p.trust(st) },
		onModules: p.s.OnModules,
	})
	if err == nil || p.ctx.Err() == nil {
		p.s.OnStart(kind, time.Since(st.since), err)
	}
	if err == nil {
		p.s.Log.Debug("instance ready", "agent_id", p.s.Admission.AgentID, "instance", in.ID, "start", string(kind), "duration", time.Since(st.since))
		p.welcome(in)
	}
	p.mu.Lock()
	p.lastErr = err
	if err != nil {
		if len(p.seats) == 0 {
			p.failWaiters(p.unavailable())
		}
		p.mu.Unlock()
		return nil, err
	}
	st.in, st.kind = in, kind
	if p.stopping || p.shed() {
		p.mu.Unlock()
		in.kill(errDoomed)
		<-in.Ended()
		return nil, errDoomed
	}
	p.seats = append(p.seats, st)
	p.serveWaiters(st)
	p.mu.Unlock()
	return st, nil
}

// welcome passes on what a new instance reported.
func (p *Pool) welcome(in *Instance) {
	for _, text := range in.ready.Warnings {
		p.warn(in, text)
	}
	if p.s.OnReady != nil {
		p.s.OnReady(in.ready)
	}
}

// leave takes a seat out of service. It reports whether that is still the
// seat's to do: one that was dismissed is not replaced.
func (p *Pool) leave(st *seat) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.seats = without(p.seats, st)
	select {
	case <-st.dismissed:
		return false
	default:
		return true
	}
}

func without(seats []*seat, st *seat) []*seat {
	return slices.DeleteFunc(seats, func(s *seat) bool { return s == st })
}

// Invoke takes a slot, waiting in the bounded queue if it must, and carries
// the call there.
func (p *Pool) Invoke(ctx context.Context, call invocation.Call, emit func(invocation.Event) error) (invocation.Result, error) {
	for {
		began := time.Now()
		st, kind, err := p.take(ctx, p.slotOf(call.Entrypoint))
		if err != nil {
			return invocation.Result{}, err
		}
		got := time.Now()
		res, err := st.in.Invoke(ctx, call, emit)
		if errors.Is(err, errDoomed) {
			p.leave(st)
			continue // nothing of the call was sent
		}
		res.Start = kind
		if kind == invocation.Hot {
			res.Timings.Queue = got.Sub(began)
		} else {
			res.Timings.Start = got.Sub(began)
		}
		res.Timings.Call = time.Since(got)
		return res, err
	}
}

func (p *Pool) slotOf(tag string) slotKind {
	for i := range p.callables {
		if p.callables[i].Tag == tag {
			return kindOf(p.callables[i])
		}
	}
	return slotSync
}

// limit is how many calls of a kind one instance takes.
func (p *Pool) limit(k slotKind) int {
	if k == slotAsync {
		return p.s.AsyncSlots
	}
	return p.s.SyncSlots
}

// take returns a seat with a slot taken, and what the call found.
func (p *Pool) take(ctx context.Context, k slotKind) (*seat, invocation.StartKind, error) {
	p.mu.Lock()
	if st := p.freest(k); st != nil {
		st.load[k]++
		p.mu.Unlock()
		return st, invocation.Hot, nil
	}
	if p.stopping {
		p.mu.Unlock()
		return nil, "", errDoomed
	}
	if len(p.seats) == 0 && p.lastErr != nil {
		err := p.unavailable()
		p.mu.Unlock()
		return nil, "", err
	}
	if p.queued >= p.s.Queue {
		p.mu.Unlock()
		return nil, "", fault.New(fault.Overloaded, "%d calls are already waiting for this agent; try again later", p.s.Queue).WithRetryAfter(time.Second)
	}
	kind := invocation.Hot
	if len(p.seats) == 0 {
		kind = invocation.Warm
	}
	w := &waiter{got: make(chan *seat, 1)}
	p.waiting[k] = append(p.waiting[k], w)
	p.queued++
	p.mu.Unlock()
	p.s.OnQueue()
	select {
	case st := <-w.got:
		if st == nil {
			return nil, "", w.err
		}
		return st, kind, nil
	case <-ctx.Done():
		p.giveUp(w, k)
		return nil, "", context.Cause(ctx)
	}
}

// freest returns the seat with the fewest calls that has a free slot and is
// not in doubt, or nil.
func (p *Pool) freest(k slotKind) *seat {
	var best *seat
	for _, st := range p.seats {
		if st.load[k] < p.limit(k) && !st.in.inDoubt() && (best == nil || st.load[k] < best.load[k]) {
			best = st
		}
	}
	return best
}

// release gives a slot to the call that waits longest, or frees it.
func (p *Pool) release(st *seat, k slotKind) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.vacate(st, k)
}

// trust gives calls that waited for st to answer their slots.
func (p *Pool) trust(st *seat) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if st.in != nil && !st.gone() {
		p.serveWaiters(st)
	}
}

// serveWaiters gives st's free slots to waiting calls.
func (p *Pool) serveWaiters(st *seat) {
	for k := range slotKinds {
		for len(p.waiting[k]) > 0 && st.load[k] < p.limit(k) && !st.in.isDoomed() && !st.in.inDoubt() {
			w := p.waiting[k][0]
			p.waiting[k] = p.waiting[k][1:]
			p.queued--
			st.load[k]++
			w.got <- st
		}
	}
}

// giveUp takes a waiter out of the queue; a slot it was given meanwhile goes on.
func (p *Pool) giveUp(w *waiter, k slotKind) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, other := range p.waiting[k] {
		if other == w {
			p.waiting[k] = append(p.waiting[k][:i], p.waiting[k][i+1:]...)
			p.queued--
			return
		}
	}
	if st := <-w.got; st != nil {
		p.vacate(st, k)
	}
}

// failWaiters ends all waiting calls. p.mu is held.
func (p *Pool) failWaiters(err error) {
	for k := range slotKinds {
		for _, w := range p.waiting[k] {
			w.err = err
			w.got <- nil
		}
		p.waiting[k] = nil
	}
	p.queued = 0
}

// unavailable says why there is no instance. p.mu is held.
func (p *Pool) unavailable() error {
	return fault.New(fault.AgentUnavailable, "no instance of the agent can start: %w", p.lastErr).WithRetryAfter(time.Second)
}

// Stop takes no more calls, lets those in flight and in the queue end until ctx
// does, and returns when all instances are gone.
func (p *Pool) Stop(ctx context.Context) {
	p.awaitIdle(ctx)
	p.mu.Lock()
	p.stopping = true
	p.failWaiters(errDoomed)
	seats := slices.Concat(p.seats, p.leaving)
	p.mu.Unlock()
	p.cancel()
	ctx, cancel := context.WithTimeout(ctx, farewell)
	defer cancel()
	var wg sync.WaitGroup
	for _, st := range seats {
		wg.Go(func() { st.in.Stop(ctx) })
	}
	wg.Wait()
	p.wg.Wait()
}

// awaitIdle waits until no call is in flight or queued, or ctx ends.
func (p *Pool) awaitIdle(ctx context.Context) {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !p.idle() {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (p *Pool) idle() bool {
	u := p.Usage()
	return u.InFlight()+u.Queued() == 0
}

// Callables returns the entrypoints as the first instance reported them.
func (p *Pool) Callables() []agent.Callable { return p.callables }
