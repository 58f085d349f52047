package instance

import (
	"context"
	"errors"
	"sync"

	"github.com/runagent/runagent/internal/fault"
	"github.com/runagent/runagent/internal/invocation"
)

// Pools holds the pool of each revision on this node. It is the Invoker of
// entrypoints that are Python code.
type Pools struct {
	byRevision sync.Map // revision → *Pool
}

// Start makes the pool of s and returns it when its first instance is ready.
// Errors: *ImportError when the agent's code can't be imported.
func (ps *Pools) Start(ctx context.Context, s Spec) (*Pool, error) {
	p, err := newPool(ctx, s)
	if err != nil {
		return nil, err
	}
	ps.byRevision.Store(s.Revision, p)
	return p, nil
}

// Stop drains the pool of a revision, at most until ctx ends, and removes it.
func (ps *Pools) Stop(ctx context.Context, revision string) {
	if v, ok := ps.byRevision.Load(revision); ok {
		v.(*Pool).Stop(ctx)
		// The revision may have come back meanwhile, with another pool.
		ps.byRevision.CompareAndDelete(revision, v)
	}
}

// Pool returns the pool of a revision, or nil.
func (ps *Pools) Pool(revision string) *Pool {
	if v, ok := ps.byRevision.Load(revision); ok {
		return v.(*Pool)
	}
	return nil
}

// InFlight says how many calls are running and how many wait, on all pools.
func (ps *Pools) InFlight() (running, queued int) {
	ps.byRevision.Range(func(_, v any) bool {
		u := v.(*Pool).Usage()
		running, queued = running+u.InFlight(), queued+u.Queued()
		return true
	})
	return running, queued
}

// Instances says how many instances live, on all pools.
func (ps *Pools) Instances() int {
	total := 0
	ps.byRevision.Range(func(_, v any) bool {
		u := v.(*Pool).Usage()
		total += u.Instances
		return true
	})
	return total
}

// Trouble says why a revision has no instance, or nil when it has one.
func (ps *Pools) Trouble(revision string) error {
	v, ok := ps.byRevision.Load(revision)
	if !ok {
		return nil
	}
	u := v.(*Pool).Usage()
	if u.Instances > 0 {
		return nil
	}
	return u.Err
}

// Invoke implements invocation.Invoker.
func (ps *Pools) Invoke(ctx context.Context, call invocation.Call, emit func(invocation.Event) error) (invocation.Result, error) {
	v, ok := ps.byRevision.Load(call.Revision)
	if !ok {
		return invocation.Result{}, fault.New(fault.AgentUnavailable, "the agent's revision is not running")
	}
	res, err := v.(*Pool).Invoke(ctx, call, emit)
	if errors.Is(err, errDoomed) {
		err = fault.New(fault.AgentUnavailable, "the agent is being stopped")
	}
	return res, err
}

var _ invocation.Invoker = (*Pools)(nil)
