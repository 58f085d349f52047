package platform

import (
	"context"
	"fmt"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/runagent/runagent/api"
	"github.com/runagent/runagent/internal/deploy"
	"github.com/runagent/runagent/internal/fault"
	"github.com/runagent/runagent/internal/invocation"
	"github.com/runagent/runagent/internal/server/control"
	"github.com/runagent/runagent/internal/store/state"
)

// directory is the traffic. It brings back revisions that get none of it when
// they are called by name, and says of agents without any why that is so.
type directory struct {
	*deploy.Traffic
	state *state.DB
	visit func(ctx context.Context, a state.Agent, revision string) (*invocation.Target, error)
}

// Target implements invocation.Directory.
func (d directory) Target(ctx context.Context, to invocation.Route) (*invocation.Target, error) {
	target, err := d.Traffic.Target(ctx, to)
	code := fault.CodeOf(err)
	if code != fault.AgentNotFound && code != fault.NotFound {
		return target, err
	}
	if to.Revision == "" {
		to.Agent, to.Revision = deploy.SplitRef(to.Agent)
	}
	a, unknown := d.state.Agent(ctx, to.Agent)
	switch {
	case fault.CodeOf(unknown) == fault.AgentNotFound:
		return nil, err
	case unknown != nil:
		return nil, unknown
	case a.Stopped:
		return nil, fault.New(fault.AgentUnavailable, "agent %q is stopped", a.Name).WithSuggestion("`runagent start %s` brings it back.", a.Slug)
	case to.Revision != "":
		return d.visit(ctx, a, to.Revision)
	}
	return nil, fault.New(fault.AgentUnavailable, "no revision of agent %q is in service", a.Name).
		WithSuggestion("`runagent status %s` says why.", a.Slug)
}

// visitors are revisions without traffic that are called by name.
type visitors struct {
	mu   sync.Mutex // held while one is brought back; guards byID
	byID map[string]*invocation.Target
}

func (v *visitors) forget(revision string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	delete(v.byID, revision)
}

// visit returns the target of a revision that gets no calls but those that name
// it. The first of them wakes it.
func (s *service) visit(ctx context.Context, a state.Agent, revision string) (*invocation.Target, error) {
	kept, err := s.state.Revision(ctx, a.ID, revision)
	switch {
	case err != nil:
		return nil, err
	case kept.ServedAt.IsZero():
		code := fault.AgentUnavailable // it may come up yet
		if kept.State == deploy.Failed {
			code = fault.Conflict
		}
		return nil, fault.New(code, "revision %d of agent %q has never come up", kept.Number, a.Name).
			WithSuggestion("`runagent revisions %s` says why.", a.Slug)
	}
	v := &s.visitors
	v.mu.Lock()
	defer v.mu.Unlock()
	if target := v.byID[kept.ID]; target != nil && s.standby.Visit(kept.ID) {
		return target, nil
	}
	s.codes.Take(kept.ID)
	defer s.giveCode(kept.ID)
	rev, err := s.load(ctx, kept)
	if err != nil {
		return nil, err
	}
	s.standby.Adopt(rev)
	if v.byID == nil {
		v.byID = map[string]*invocation.Target{}
	}
	v.byID[kept.ID] = deploy.TargetOf(rev)
	return v.byID[kept.ID], nil
}

// Traffic implements control.Traffic.
func (s *service) Traffic(ctx context.Context, ref string) (api.Traffic, error) {
	a, err := s.state.Agent(ctx, ref)
	if err != nil {
		return api.Traffic{}, err
	}
	kept, err := s.state.Serving(ctx, a.ID)
	if err != nil {
		return api.Traffic{}, err
	}
	answer := api.Traffic{Traffic: []api.TrafficShare{}}
	for i := range kept {
		share := api.TrafficShare{Revision: kept[i].ID, Number: kept[i].Number, Percent: kept[i].Percent}
		if until := kept[i].CanaryUntil; !until.IsZero() {
			share.CanaryUntil = &until
		}
		answer.Traffic = append(answer.Traffic, share)
	}
	return answer, nil
}

// SetTraffic implements control.Traffic. Revisions that are not up come up
// first.
func (s *service) SetTraffic(ctx context.Context, ref string, req api.TrafficRequest) (api.Traffic, error) {
	a, err := s.state.Agent(ctx, ref)
	if err != nil {
		return api.Traffic{}, err
	}
	if a.Stopped || a.Live == "" {
		return api.Traffic{}, fault.New(fault.Conflict, "agent %q has no revision in service, so there are no calls to split", a.Name)
	}
	kept, err := s.asked(ctx, &a, req)
	if err != nil {
		return api.Traffic{}, err
	}
	shares, give, err := s.loadShares(ctx, kept)
	defer give()
	if err != nil {
		return api.Traffic{}, err
	}
	if err := s.deployer.Split(ctx, a.ID, shares, nil); err != nil {
		return api.Traffic{}, fault.New(fault.Conflict, "the traffic is as it was: %w", err)
	}
	s.lookAtLoad()
	return s.Traffic(ctx, a.ID)
}

// asked checks what is asked for, and returns the revisions with their percents.
func (s *service) asked(ctx context.Context, a *state.Agent, req api.TrafficRequest) ([]state.Revision, error) {
	bad := func(format string, args ...any) error {
		return fault.New(fault.Validation, format, args...).WithField("traffic").
			WithSuggestion("Name revisions and percents that add up to 100, such as 3=10,2=90.")
	}
	var kept []state.Revision
	sum := 0
	for _, share := range req.Traffic {
		r, err := s.state.Revision(ctx, a.ID, share.Revision)
		switch {
		case err != nil:
			return nil, err
		case share.Percent < 0 || share.Percent > 100:
			return nil, bad("revision %d would get %d%% of the calls", r.Number, share.Percent)
		case slices.ContainsFunc(kept, func(o state.Revision) bool { return o.ID == r.ID }):
			return nil, bad("revision %d is named twice", r.Number)
		case r.ServedAt.IsZero():
			return nil, fault.New(fault.Conflict, "revision %d has never come up", r.Number).WithField("traffic").
				WithSuggestion("`runagent revisions %s` shows those that have.", a.Slug)
		}
		sum += share.Percent
		if r.Percent = share.Percent; r.Percent > 0 {
			kept = append(kept, r)
		}
	}
	if sum != 100 {
		return nil, bad("the percents add up to %d, not 100", sum)
	}
	return kept, nil
}

// loadShares reads revisions that are to get calls; give must be called after.
func (s *service) loadShares(ctx context.Context, kept []state.Revision) (shares []deploy.Share, give func(), err error) {
	var taken []string
	give = func() {
		for _, id := range taken {
			s.giveCode(id)
		}
	}
	live := s.deployer.Shares(kept[0].AgentID)
	for _, r := range kept {
		if at := slices.IndexFunc(live, func(o deploy.Share) bool { return o.ID == r.ID }); at >= 0 {
			shares = append(shares, deploy.Share{Revision: live[at].Revision, Percent: r.Percent})
			continue
		}
		s.codes.Take(r.ID)
		taken = append(taken, r.ID)
		rev, err := s.load(ctx, r)
		if err != nil {
			return nil, give, err
		}
		shares = append(shares, deploy.Share{Revision: rev, Percent: r.Percent})
	}
	return shares, give, nil
}

// split brings a whole traffic into service in the background; who follows
// the first revision hears of it.
func (s *service) split(ctx context.Context, kept []state.Revision) (api.Revision, error) {
	shares, give, err := s.loadShares(ctx, kept)
	if err != nil {
		give()
		return api.Revision{}, err
	}
	first := shares[0].Revision
	s.progress.Begin(first.ID)
	s.deploys.Go(func() {
		defer give()
		if err := s.deployer.Split(s.life, first.Agent.ID, shares, nil); err != nil {
			s.progress.Tell(first.ID, api.DeployEvent{Text: err.Error()})
		}
		s.told(first, nil)
	})
	return s.Revision(ctx, first.Agent.ID, first.ID)
}

// inherit gives each revision that is about to get calls the instances that its
// part of them takes now.
func (s *service) inherit(to deploy.Split) {
	if s.scaler == nil {
		return
	}
	total := 0
	for _, share := range s.deployer.Shares(to.AgentID) {
		if u, ok := s.fleet.Usage(share.ID); ok {
			total += u.Wanted
		}
	}
	for _, share := range to.Shares {
		rules, _ := s.fleet.Rules(share.Agent)
		size := min(rules.Max, int(math.Ceil(float64(total*share.Percent)/100)))
		if u, ok := s.fleet.Usage(share.ID); ok && size > u.Wanted {
			s.fleet.Resize(share.ID, size)
			s.scaler.Expect(share.ID, size)
		}
	}
}

// part is what a deploy asks for of its agent's calls.
func part(req api.DeployRequest) (deploy.Part, error) {
	p := deploy.Part{Percent: 100}
	bad := func(field, format string, args ...any) error {
		return fault.New(fault.Validation, "%s", field+" "+fmt.Sprintf(format, args...)).WithField(field)
	}
	if n := req.Traffic; n != nil {
		if *n < 0 || *n > 100 {
			return p, bad("traffic", "is %d: it may be 0 to 100 percent", *n)
		}
		p.Percent = *n
	}
	if c := req.Canary; c != nil {
		switch {
		case req.Traffic != nil:
			return p, bad("canary", "and traffic exclude each other")
		case c.Percent < 1 || c.Percent > 99:
			return p, bad("canary.percent", "is %d: it may be 1 to 99", c.Percent)
		case c.ForSeconds < 1 || c.ForSeconds > (7*24*time.Hour).Seconds():
			return p, bad("canary.for_seconds", "is %v: it may be a second to a week", c.ForSeconds)
		}
		trial := time.Duration(c.ForSeconds * float64(time.Second))
		p.Percent = c.Percent
		p.CanaryUntil = func() time.Time { return time.Now().Add(trial) }
	}
	return p, nil
}

var (
	_ control.Traffic      = (*service)(nil)
	_ invocation.Directory = directory{}
)
