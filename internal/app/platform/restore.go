package platform

import (
	"cmp"
	"context"

	"golang.org/x/sync/errgroup"

	"github.com/runagent/runagent/api"
	"github.com/runagent/runagent/internal/agent"
	"github.com/runagent/runagent/internal/app/platform/recent"
	"github.com/runagent/runagent/internal/deploy"
	"github.com/runagent/runagent/internal/server"
	"github.com/runagent/runagent/internal/store/state"
)

// restore takes over what was live when the platform ended, the last to be
// called first. No instance is started yet: a call wakes it.
func (s *service) restore(ctx context.Context) ([]*deploy.Revision, error) {
	kept, err := s.state.Live(ctx)
	if err != nil {
		return nil, err
	}
	var live []*deploy.Revision
	keep := map[string]bool{}
	for _, r := range kept {
		keep[r.ID] = true
		rev, err := s.load(ctx, r)
		if err != nil { // one agent must not keep the others from coming back
			s.lost[r.AgentID] = err
			s.o.Log.Error("agent not brought back", "agent_id", r.AgentID, "revision", r.ID, "error", err)
			continue
		}
		s.standby.Adopt(rev)
		s.deployer.Adopt(rev, r.Percent)
		live = append(live, rev)
	}
	s.resumeTrials(kept)
	var unread error
	s.recent, unread = recent.Read(s.o.Data)
	s.note("recent use not known", unread)
	s.recent.Sort(live)
	s.background("recent use", s.keepRecentUse)
	others, err := s.folders.CodeBut(keep)
	s.note("code of old revisions not found", err)
	for _, revision := range others {
		s.codes.Take(revision)
		s.giveCode(revision)
	}
	select {
	case <-s.alone:
		for _, id := range s.folders.Deleted() {
			s.forgetAgent(id)
		}
	default: // it is for the process before, which may have calls to them
	}
	return live, nil
}

// wakeFirst starts instances of the agents that must always have some, and of
// those that were called last, and zygotes of those that were called before.
func (s *service) wakeFirst(ctx context.Context, live []*deploy.Revision) error {
	var wakes errgroup.Group
	wakes.SetLimit(wokenAtOnce) // one that takes long does not hold up the others
	for i := 0; i < len(live) && ctx.Err() == nil; i++ {
		wakes.Go(func() error {
			rules, _ := s.fleet.Rules(live[i].Agent)
			if i < wokenAtStart || rules.Min > 0 {
				// What can't start is told when it is called, and in its health.
				_ = s.standby.Wake(ctx, live[i].ID)
			} else if i < wokenAtStart+warmedAtStart && s.memory.Used() < s.memory.Limit()/2 {
				s.note("zygote not made", s.engine.Prepare(ctx, live[i]))
			}
			return nil
		})
	}
	return wakes.Wait()
}

// List implements server.Agents.
func (s *service) List(ctx context.Context) ([]server.Description, error) {
	agents, err := s.state.Agents(ctx)
	if err != nil {
		return nil, err
	}
	list := make([]server.Description, len(agents))
	for i := range agents {
		list[i] = s.describe(&agents[i])
	}
	return list, nil
}

// Describe implements server.Agents.
func (s *service) Describe(ctx context.Context, ref string) (*server.Description, error) {
	a, err := s.state.Agent(ctx, ref)
	if name, revision := deploy.SplitRef(ref); err != nil && revision != "" {
		a, err = s.state.Agent(ctx, name)
	}
	if err != nil {
		return nil, err
	}
	d := s.describe(&a)
	return &d, nil
}

// The states of an agent, as they are told.
const (
	running    = "running"
	sleeping   = "asleep"
	stopped    = "stopped"
	undeployed = "undeployed"
)

func (s *service) describe(a *state.Agent) server.Description {
	rev := s.deployer.Live(a.ID)
	if rev == nil {
		d := server.Description{Agent: &agent.Agent{ID: a.ID, Name: a.Name, Slug: a.Slug}, State: undeployed}
		check := api.Check{Name: "instances", Status: api.Degraded, Message: "no revision of it has come into service"}
		if a.Stopped {
			d.State, check.Message = stopped, "it was stopped"
		} else if err := s.lost[a.ID]; err != nil {
			check.Message = "the platform's start did not bring it back: " + err.Error()
		}
		d.Checks = []api.Check{check}
		return d
	}
	d := server.Description{Agent: rev.Agent, Revision: rev.ID, Callables: rev.Callables, State: sleeping}
	var err error
	for _, share := range s.deployer.Shares(a.ID) {
		up, _, trouble := s.standby.Load(share.ID)
		if up {
			d.State, trouble = running, s.trouble(share.ID)
		}
		err = cmp.Or(err, trouble)
	}
	check := api.Check{Name: "instances", Status: api.Healthy}
	if err != nil {
		check.Status, check.Message = api.Degraded, err.Error()
	}
	d.Checks = []api.Check{check}
	return d
}

// checks are of the platform itself.
func (s *service) checks(context.Context) []api.Check {
	check := api.Check{Name: "records", Status: api.Healthy}
	if err := s.history.Health(); err != nil {
		check.Status, check.Message = api.Degraded, err.Error()
	}
	return []api.Check{check}
}

var _ server.Agents = (*service)(nil)
