package platform

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/runagent/runagent/api"
	"github.com/runagent/runagent/internal/app/platform/fleet"
	"github.com/runagent/runagent/internal/autoscale"
	"github.com/runagent/runagent/internal/fault"
	"github.com/runagent/runagent/internal/server/control"
	"github.com/runagent/runagent/internal/store/state"
)

// The bounds of what may be set, those of the manifest.
const (
	mostInstances = 10_000
	mostTarget    = 100_000
	longestIdle   = 365 * 24 * time.Hour
)

// scale makes what keeps revisions at the sizes that their loads ask for.
func (s *service) scale(ctx context.Context, e fleet.Engine) (err error) {
	s.fleet, err = fleet.New(ctx, fleet.Options{Standby: s.standby, Engine: e, State: s.state, Idle: s.o.Idle, Memory: s.memory})
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

// Scale implements control.Scaling.
func (s *service) Scale(ctx context.Context, ref string) (api.Scale, error) {
	a, err := s.state.Agent(ctx, ref)
	if err != nil {
		return api.Scale{}, err
	}
	rev := s.deployer.Live(a.ID)
	if rev == nil {
		return api.Scale{}, fault.New(fault.Conflict, "agent %q has no revision in service, so nothing is scaled", a.Name)
	}
	rules, _ := s.fleet.Rules(rev.Agent)
	said := s.fleet.Said(a.ID)
	answer := api.Scale{
		MinInstances: rules.Min, MaxInstances: rules.Max, Target: s.fleet.Target(rev),
		IdleTimeoutSeconds: rules.IdleTimeout.Seconds(), Set: saidFields(said), Revisions: []api.RevisionLoad{},
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

func saidFields(s state.Scaling) []string {
	fields := []string{}
	for _, f := range []struct {
		name string
		set  bool
	}{
		{"min_instances", s.Min != nil}, {"max_instances", s.Max != nil},
		{"target", s.Target != nil}, {"idle_timeout", s.IdleTimeout != nil},
	} {
		if f.set {
			fields = append(fields, f.name)
		}
	}
	return fields
}

// SetScale implements control.Scaling.
func (s *service) SetScale(ctx context.Context, ref string, req api.ScaleRequest) (api.Scale, error) {
	if err := checkScale(req); err != nil {
		return api.Scale{}, err
	}
	a, err := s.state.Agent(ctx, ref)
	if err != nil {
		return api.Scale{}, err
	}
	rev := s.deployer.Live(a.ID)
	if rev == nil {
		return api.Scale{}, fault.New(fault.Conflict, "agent %q has no revision in service, so nothing is scaled", a.Name)
	}
	said := s.fleet.Said(a.ID)
	if req.Reset {
		said = state.Scaling{}
	}
	said = withRequest(said, req)
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

func withRequest(said state.Scaling, req api.ScaleRequest) state.Scaling {
	if req.MinInstances != nil {
		said.Min = req.MinInstances
	}
	if req.MaxInstances != nil {
		said.Max = req.MaxInstances
	}
	if req.Target != nil {
		said.Target = req.Target
	}
	if req.IdleTimeoutSeconds != nil {
		idle := time.Duration(*req.IdleTimeoutSeconds * float64(time.Second))
		said.IdleTimeout = &idle
	}
	return said
}

// checkScale returns what is wrong with single values.
func checkScale(req api.ScaleRequest) error {
	bad := func(field, format string, args ...any) error {
		return fault.New(fault.Validation, "%s", field+" "+fmt.Sprintf(format, args...)).WithField(field)
	}
	if n := req.MinInstances; n != nil && (*n < 0 || *n > mostInstances) {
		return bad("min_instances", "is %d: it may be 0 to %d", *n, mostInstances)
	}
	if n := req.MaxInstances; n != nil && (*n < 1 || *n > mostInstances) {
		return bad("max_instances", "is %d: it may be 1 to %d", *n, mostInstances)
	}
	if x := req.Target; x != nil && (!(*x > 0) || *x > mostTarget) {
		return bad("target", "is %v: it must be more than 0, at most %d", *x, mostTarget)
	}
	if x := req.IdleTimeoutSeconds; x != nil && (!(*x > 0) || *x > longestIdle.Seconds() || math.IsInf(*x, 0)) {
		return bad("idle_timeout_seconds", "is %v: it must be more than 0, at most a year", *x)
	}
	return nil
}

var _ control.Scaling = (*service)(nil)
