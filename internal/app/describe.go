package app

import (
	"context"
	"sync"
	"time"

	"github.com/runagent/runagent/api"
	"github.com/runagent/runagent/internal/deploy"
	"github.com/runagent/runagent/internal/fault"
	"github.com/runagent/runagent/internal/server"
)

// List implements server.Agents.
func (s *service) List(ctx context.Context) ([]server.Description, error) {
	rev := s.deployer.Current()
	if rev == nil {
		return nil, nil
	}
	return []server.Description{s.describe(ctx, rev)}, nil
}

// Describe implements server.Agents.
func (s *service) Describe(ctx context.Context, ref string) (*server.Description, error) {
	rev := s.deployer.Current()
	if rev == nil || !rev.Agent.Is(ref) {
		return nil, fault.New(fault.AgentNotFound, "agent %q not found; here is %s", ref, s.traffic.Names())
	}
	d := s.describe(ctx, rev)
	return &d, nil
}

func (s *service) describe(ctx context.Context, rev *deploy.Revision) server.Description {
	checks := s.troubles.agentChecks()
	if err := s.engine.Trouble(rev.ID); err != nil {
		checks = append(checks, api.Check{Name: "instances", Status: api.Degraded, Message: err.Error()})
	}
	return server.Description{Agent: rev.Agent, Revision: rev.ID, Callables: rev.Callables, Checks: checks}
}

// healthChecks are of the server itself.
func (s *service) healthChecks() []api.Check {
	check := api.Check{Name: "records", Status: api.Healthy}
	if err := s.history.Health(); err != nil {
		check.Status, check.Message = api.Degraded, err.Error()
	}
	return []api.Check{check}
}

// troubles remembers why the latest save does not serve.
type troubles struct {
	program func() []api.Check

	mu   sync.Mutex // guards last
	last *api.Check
}

// set remembers the first problem of a save; none clears what was there.
func (t *troubles) set(problems []Problem) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(problems) == 0 {
		t.last = nil
		return
	}
	now := time.Now().UTC()
	p := problems[0]
	t.last = &api.Check{
		Name: "reload", Status: api.Degraded, File: p.File, Line: p.Line, Since: &now,
		Message: "the last save does not load, the code before it serves: " + p.Message,
	}
}

func (t *troubles) agentChecks() []api.Check {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.last == nil {
		return []api.Check{{Name: "reload", Status: api.Healthy}}
	}
	return []api.Check{*t.last}
}

// checks are all of them, for /health.
func (t *troubles) checks(context.Context) []api.Check {
	return append(t.agentChecks(), t.program()...)
}

var _ server.Agents = (*service)(nil)
