package platform

import (
	"context"

	"github.com/runagent/runagent/internal/agent"
	"github.com/runagent/runagent/internal/app/platform/memory"
	"github.com/runagent/runagent/internal/app/platform/standby"
	"github.com/runagent/runagent/internal/deploy"
)

// room makes room in memory where it hurts least: zygotes go first, then the
// instances of who was called longest ago.
type room struct{ s *service }

// UsedMemory implements memory.Machine.
func (r room) UsedMemory() int64 { return r.s.engine.UsedMemory() }

// MakeRoom implements memory.Machine.
func (r room) MakeRoom(ctx context.Context, bytes int64) int64 {
	freed, _ := r.s.engine.EvictZygotes(r.s.standby.Awake(), bytes)
	if freed >= bytes {
		return freed
	}
	before := r.s.engine.UsedMemory()
	if r.s.standby.SleepEarly(ctx, r.s.fleet.Keeps) == 0 {
		return freed
	}
	r.s.engine.EvictZygotes(r.s.standby.Awake(), bytes) // those it has left
	return freed + max(0, before-r.s.engine.UsedMemory())
}

// admitted is a machine that starts nothing when memory is short.
type admitted struct {
	standby.Machine
	memory *memory.Watch
}

// Start implements deploy.Pools.
func (a admitted) Start(ctx context.Context, rev *deploy.Revision) ([]agent.Callable, error) {
	done, err := a.memory.Admit(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	return a.Machine.Start(ctx, rev)
}
