package platform

import (
	"context"

	"github.com/runagent/runagent/api"
	"github.com/runagent/runagent/internal/app/platform/fleet"
	"github.com/runagent/runagent/internal/autoscale"
	"github.com/runagent/runagent/internal/deploy"
	"github.com/runagent/runagent/internal/fault"
	"github.com/runagent/runagent/internal/server/control"
	"github.com/runagent/runagent/internal/store/state"
)

// scale makes what keeps revisions at the sizes that their loads ask for.
func (s *service) scale(ctx context.Context, e fleet.Engine) (err error) {
	s.fleet, err = fleet.New(ctx, fleet.Options{Standby: s.standby, Engine: e, State: s.state, Idle: s.o.Idle, Memory: s.memory, HasTraffic: s.deployer.HasTraffic})
	if err != nil {
		return err
	}
	every := min(autoscale.SampleEvery, s.o.Idle/4)
	s.scaler = autoscale.NewLoop(autoscale.Options{Fleet: s.fleet, Every: every, Log: s.o.Log})
	s.background("autoscaling", s.scaler.Run)
	return nil
}

// lookAtLoad has the sizes looked at soon, once there is who does.
func (s *service) lookAtLoad() {
	if s.scaler != nil {
		s.scaler.Kick()
	}
}

// scaled is an agent and the revision of it that is in service.
func (s *service) scaled(ctx context.Context, ref string) (state.Agent, *deploy.Revision, error) {
	a, err := s.state.Agent(ctx, ref)
	if err != nil {
		return a, nil, err
	}
	rev := s.deployer.Live(a.ID)
	if rev == nil {
		return a, nil, fault.New(fault.Conflict, "agent %q has no revision in service, so nothing is scaled", a.Name)
	}
	return a, rev, nil
}

// Scale implements control.Scaling.
func (s *service) Scale(ctx context.Context, ref string) (api.Scale, error) {
	a, rev, err := s.scaled(ctx, ref)
	if err != nil {
		return api.Scale{}, err
	}
	rules, _ := s.fleet.Rules(rev.Agent)
	said := s.fleet.Said(a.ID)
	answer := api.Scale{
		MinInstances: rules.Min, MaxInstances: rules.Max, Target: s.fleet.Target(rev),
		IdleTimeoutSeconds: rules.IdleTimeout.Seconds(), Set: fleet.Fields(said), Revisions: []api.RevisionLoad{},
	}
	for _, p := range s.standby.Places() {
		if p.Revision.Agent.ID != a.ID {
			continue
		}
		kept, err := s.state.Revision(ctx, a.ID, p.Revision.ID)
		if err != nil {
			return api.Scale{}, err
		}
		answer.Revisions = append(answer.Revisions, s.loadOf(p.Revision.ID, kept.Number, p.InFlight))
	}
	return answer, nil
}

func (s *service) loadOf(revision string, number, inFlight int) api.RevisionLoad {
	load := api.RevisionLoad{Revision: revision, Number: number, InFlight: inFlight}
	if u, ok := s.fleet.Usage(revision); ok {
		load.MemoryBytes = s.fleet.InstanceMemory(revision)
		load.Instances, load.Wanted = u.Instances, u.Wanted
		load.InFlight, load.Queued = u.InFlight(), u.Queued()
	}
	return load
}

// SetScale implements control.Scaling.
func (s *service) SetScale(ctx context.Context, ref string, req api.ScaleRequest) (api.Scale, error) {
	if err := fleet.CheckRequest(req); err != nil {
		return api.Scale{}, err
	}
	a, rev, err := s.scaled(ctx, ref)
	if err != nil {
		return api.Scale{}, err
	}
	said := fleet.With(s.fleet.Said(a.ID), req)
	if err := s.fleet.Check(said, rev.Agent); err != nil {
		return api.Scale{}, err
	}
	if err := s.fleet.Say(ctx, a.ID, said); err != nil {
		return api.Scale{}, err
	}
	if rules, _ := s.fleet.Rules(rev.Agent); rules.Min > 0 {
		// What can't start is told when it is called, and in its health.
		_ = s.standby.Wake(ctx, rev.ID)
	}
	s.lookAtLoad()
	return s.Scale(ctx, ref)
}

var _ control.Scaling = (*service)(nil)
