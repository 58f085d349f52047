package standby

import (
	"context"
	"sync"
	"time"

	"github.com/runagent/runagent/internal/agent"
	"github.com/runagent/runagent/internal/deploy"
	"github.com/runagent/runagent/internal/fault"
)

// phase is what the instances of a revision are doing.
type phase int

const (
	asleep phase = iota
	changing
	awake
	gone
)

// place is one revision on this machine.
type place struct {
	id string // the revision's

	mu        sync.Mutex // guards all that follows
	rev       *deploy.Revision
	phase     phase
	changed   chan struct{} // closed when changing is over
	inFlight  int
	sleepers  int // calls that wait for it to wake
	lastUsed  time.Time
	called    time.Time // the last call's end; zero before the first
	err       error     // of the last start
	retryAt   time.Time
	pause     time.Duration
	draining  bool
	revived   chan struct{} // closed when a drain is called off
	idle      chan struct{} // told when a call has ended
	callables []agent.Callable
}

// revision is what runs at p.
func (p *place) revision() *deploy.Revision {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.rev
}

// know notes what was started.
func (p *place) know(rev *deploy.Revision, callables []agent.Callable) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rev, p.callables = rev, callables
}

// known are the entrypoints of what was started.
func (p *place) known() []agent.Callable {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.callables
}

// callBack ends the drain of a place whose end has not begun. It reports whether
// there was one and the place is awake.
func (p *place) callBack() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.draining || p.phase != awake && p.phase != asleep {
		return false
	}
	p.draining = false
	close(p.revived)
	return p.phase == awake
}

// begin begins a change of a place that is in the given phase, and returns
// nil; else a channel that is closed when it is worth trying again.
func (p *place) begin(from phase) <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.phase == from {
		p.phase, p.changed = changing, make(chan struct{})
		return nil
	}
	if p.phase == changing {
		return p.changed
	}
	over := make(chan struct{})
	close(over)
	return over
}

// end ends the change that was begun.
func (p *place) end(in phase) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.phase, p.err = in, nil
	close(p.changed)
}

// rise ends the start that was begun. A place is idle from then on, however
// long the start took: it must not sleep again before its calls can come.
func (p *place) rise(now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.phase, p.err, p.lastUsed = awake, nil, now
	close(p.changed)
}

// tire begins the sleep of a place that is awake and has no call.
func (p *place) tire() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.phase != awake || p.draining || p.inFlight > 0 || p.sleepers > 0 {
		return false
	}
	p.phase, p.changed = changing, make(chan struct{})
	return true
}

func (p *place) is(in phase) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.phase == in
}

func (p *place) isDraining() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.draining
}

// tryEnd begins the end of a place that nothing happens at, or of any with
// force. Where it changes just now, wait tells when that is over.
func (p *place) tryEnd(force bool) (wait <-chan struct{}, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case !p.draining:
		return nil, false // called back; the caller is told so
	case p.phase == changing:
		return p.changed, false
	case !force && (p.inFlight > 0 || p.sleepers > 0):
		return nil, false
	}
	p.phase, p.changed = changing, make(chan struct{})
	return nil, true
}

// refusal says why p is not started just now, after a start that failed.
// p.mu is held.
func (p *place) refusal(now time.Time) error {
	if p.err == nil || !now.Before(p.retryAt) {
		return nil
	}
	return fault.New(fault.AgentUnavailable, "no instance of the agent can start: %w", p.err).WithRetryAfter(p.retryAt.Sub(now))
}

// await waits for the end of a change, or of ctx.
func (p *place) await(ctx context.Context, wait <-chan struct{}) error {
	defer func() {
		p.mu.Lock()
		p.sleepers--
		p.mu.Unlock()
		p.quiet()
	}()
	select {
	case <-wait:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.phase == asleep && p.err != nil {
		return fault.New(fault.AgentUnavailable, "no instance of the agent can start: %w", p.err).WithRetryAfter(p.pause)
	}
	return nil
}

// quiet tells a drain that it may look again.
func (p *place) quiet() {
	select {
	case p.idle <- struct{}{}:
	default:
	}
}
