package platform

import (
	"context"
	"os"
	"time"

	"github.com/runagent/runagent/api"
	"github.com/runagent/runagent/internal/app/platform/memory"
	"github.com/runagent/runagent/internal/server/control"
	"github.com/runagent/runagent/internal/telemetry"
)

// PlatformStatus implements control.Node.
func (s *service) PlatformStatus(ctx context.Context) (api.PlatformStatus, error) {
	agents, err := s.state.Agents(ctx)
	if err != nil {
		return api.PlatformStatus{}, err
	}
	disk, err := s.folders.Usage(ctx)
	if err != nil {
		return api.PlatformStatus{}, err
	}
	now := s.gauges()
	good, bad := s.executor.Counts()
	p := api.PlatformStatus{
		Version: s.o.Version, PID: os.Getpid(), StartedAt: s.began.UTC(), UptimeSeconds: int64(time.Since(s.began).Seconds()),
		Agents:    api.TierCount{Total: len(agents), Hot: now.Hot, Warm: now.Warm, Cold: now.Cold},
		Instances: now.Instances, Zygotes: now.Zygotes, Frozen: now.Frozen,
		Calls:  api.PlatformCalls{InFlight: now.InFlight, Waiting: now.Waiting, Good: good, Bad: bad},
		Memory: api.PlatformMemory{Server: memory.Own(), Agents: s.engine.UsedMemory(), Limit: now.MemoryLimit, Free: memory.Free()},
		Disk:   disk,
		Isolation: api.PlatformIsolated{
			Level: s.engine.Level(), MemoryBy: "cgroup", WhyNotMemory: s.groups.WhyNoMemory(),
			FreezeBy: "cgroup", WhyNotFreeze: s.groups.WhyNoFreezer(),
		},
	}
	for i := range agents {
		if s.deployer.Live(agents[i].ID) == nil {
			p.Agents.Out++
		}
	}
	if p.Isolation.WhyNotMemory != "" {
		p.Isolation.MemoryBy = "polling"
	}
	if p.Isolation.WhyNotFreeze != "" {
		p.Isolation.FreezeBy = "none"
	}
	return p, nil
}

// gauges reads what is so just now.
func (s *service) gauges() telemetry.Gauges {
	c := s.standby.Count()
	running, waiting, instances := s.engine.Load()
	zygotes, frozen := s.engine.Zygotes()
	return telemetry.Gauges{
		InFlight: running, Waiting: waiting + c.Waiting, Hot: c.Hot, Warm: c.Warm, Cold: c.Cold, Instances: instances,
		Zygotes: zygotes, Frozen: frozen, MemoryUsed: s.memory.Used(), MemoryLimit: s.memory.Limit(),
	}
}

// slug is what an agent is called in metrics.
func (s *service) slug(agentID string) string {
	if rev := s.deployer.Live(agentID); rev != nil {
		return rev.Agent.Slug
	}
	return agentID
}

var _ control.Node = (*service)(nil)
