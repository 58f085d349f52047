package platform

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/runagent/runagent/api"
	"github.com/runagent/runagent/internal/agent"
	"github.com/runagent/runagent/internal/app/engine"
	"github.com/runagent/runagent/internal/app/platform/progress"
	"github.com/runagent/runagent/internal/bundle"
	"github.com/runagent/runagent/internal/deploy"
	"github.com/runagent/runagent/internal/fault"
	"github.com/runagent/runagent/internal/server/control"
	"github.com/runagent/runagent/internal/store/state"
)

// revisionsShown bounds a list of revisions.
const revisionsShown = 100

// Bundle implements control.Bundles.
func (s *service) Bundle(ctx context.Context, digest string) (api.Bundle, error) {
	if !bundle.ValidDigest(digest) {
		return api.Bundle{}, fault.New(fault.Validation, "%q is not a digest", digest).WithField("digest")
	}
	sum, ok, err := s.state.Bundle(ctx, digest)
	if err != nil {
		return api.Bundle{}, err
	}
	if _, err := os.Stat(s.folders.Bundle(digest)); !ok || err != nil {
		return api.Bundle{}, fault.New(fault.NotFound, "the bundle %s is not here", digest).WithSuggestion("Upload it first.")
	}
	return wireBundle(sum), nil
}

// StoreBundle implements control.Bundles.
func (s *service) StoreBundle(ctx context.Context, digest string, from int64, body io.Reader) (api.Bundle, error) {
	if !bundle.ValidDigest(digest) {
		return api.Bundle{}, fault.New(fault.Validation, "%q is not a digest", digest).WithField("digest")
	}
	sum, err := s.folders.Store(body, digest, from, s.o.Limits)
	if err != nil {
		return api.Bundle{}, err
	}
	if err := s.state.AddBundle(ctx, sum); err != nil {
		return api.Bundle{}, err
	}
	return wireBundle(sum), nil
}

// Uploaded implements control.Bundles.
func (s *service) Uploaded(_ context.Context, digest string) (api.Upload, error) {
	if !bundle.ValidDigest(digest) {
		return api.Upload{}, fault.New(fault.Validation, "%q is not a digest", digest).WithField("digest")
	}
	return api.Upload{Bytes: s.folders.Uploaded(digest)}, nil
}

// Limits implements control.Bundles.
func (s *service) Limits() api.Limits {
	l := s.o.Limits.OrDefault()
	return api.Limits{Bundle: api.BundleLimits{Packed: l.Packed, Bytes: l.Bytes, Files: l.Files}}
}

func wireBundle(s bundle.Summary) api.Bundle {
	return api.Bundle{Digest: s.Digest, Packed: s.Packed, Bytes: s.Bytes, Files: s.Files}
}

// Deploy implements control.Deploys: it records a new revision of the agent
// and begins to bring it into service.
func (s *service) Deploy(ctx context.Context, ref string, req api.DeployRequest) (api.Revision, error) {
	part, err := part(req)
	if err != nil {
		return api.Revision{}, err
	}
	if err := checkVars(req.Env); err != nil {
		return api.Revision{}, err
	}
	if _, err := s.Bundle(ctx, req.Digest); err != nil {
		return api.Revision{}, err
	}
	id, err := uuid.NewV7()
	if err != nil {
		return api.Revision{}, fmt.Errorf("make an ID: %w", err)
	}
	kept := state.Revision{ID: id.String(), Digest: req.Digest, Message: req.Message, Vars: req.Env}
	s.codes.Take(kept.ID)
	rev, err := s.record(ctx, ref, kept)
	if err != nil {
		s.giveCode(kept.ID)
		return api.Revision{}, err
	}
	rev.Rebuild = req.Rebuild
	return s.begin(ctx, rev, part)
}

// checkVars refuses variables that no process can have.
func checkVars(vars map[string]string) error {
	for name, value := range vars {
		switch {
		case !agent.ValidVariable(name):
			return fault.New(fault.Validation, "%q is not a variable's name: letters, digits and \"_\", not starting with a digit", name).WithField("env")
		case strings.ContainsRune(value, 0):
			return fault.New(fault.Validation, "the variable %s holds a zero byte, which none can", name).WithField("env")
		}
	}
	return nil
}

// record makes and keeps a new revision of the agent that its bundle holds.
func (s *service) record(ctx context.Context, ref string, kept state.Revision) (*deploy.Revision, error) {
	a, err := s.read(ctx, kept)
	if err != nil {
		return nil, err
	}
	s.registry.Lock()
	defer s.registry.Unlock()
	if err := s.identify(ctx, ref, a); err != nil {
		return nil, err
	}
	kept.AgentID = a.ID
	rev, err := s.furnish(ctx, a, kept)
	if err != nil {
		return nil, err
	}
	if err := s.state.RegisterAgent(ctx, state.Agent{ID: a.ID, Slug: a.Slug, Name: a.Name}); err != nil {
		return nil, err
	}
	rev.Number, err = s.state.AddRevision(ctx, kept)
	return rev, err
}

// load makes the revision that is kept so, from its bundle.
func (s *service) load(ctx context.Context, kept state.Revision) (*deploy.Revision, error) {
	a, err := s.read(ctx, kept)
	if err != nil {
		return nil, err
	}
	a.ID = kept.AgentID
	return s.furnish(ctx, a, kept)
}

// read reads the agent that the bundle of a revision holds.
func (s *service) read(ctx context.Context, kept state.Revision) (*agent.Agent, error) {
	dir, err := s.folders.Unpack(ctx, kept.ID, kept.Digest, s.o.Limits)
	if err != nil {
		return nil, err
	}
	a, problems := agent.Load(dir, agent.LoadOptions{Shown: agent.ManifestName})
	if err := problems.Err(); err != nil {
		return nil, fault.New(fault.Validation, "%w", err)
	}
	if err := agent.CheckSources(a.Manifest, nil).Err(); err != nil {
		return nil, fault.New(fault.Validation, "%w", err)
	}
	return a, nil
}

// furnish gives a revision of a its variables: its agent's secrets, over them
// the manifest's, over those the ones that it was deployed with.
func (s *service) furnish(ctx context.Context, a *agent.Agent, kept state.Revision) (*deploy.Revision, error) {
	vars, err := s.secrets(ctx, a.ID)
	if err != nil {
		return nil, err
	}
	hidden := slices.Collect(maps.Values(vars))
	expanded, problems := agent.ExpandEnv(a.Manifest, func(name string) (string, bool) {
		if v, ok := kept.Vars[name]; ok {
			return v, true
		}
		v, ok := vars[name]
		return v, ok
	})
	if err := problems.Err(); err != nil {
		return nil, fault.New(fault.Validation, "%w", err).
			WithSuggestion("Give the variable a value with --env NAME=VALUE, or with `runagent secrets set NAME`.")
	}
	maps.Copy(vars, expanded)
	maps.Copy(vars, kept.Vars)
	for name, value := range vars {
		if engine.LooksSecret(name) {
			hidden = append(hidden, value)
		}
	}
	s.logs.Mask(a.ID, hidden)
	return &deploy.Revision{
		ID: kept.ID, Agent: a, Number: kept.Number, Vars: vars, Environment: kept.Environment, Callables: kept.Callables,
		CreatedAt: kept.CreatedAt, State: deploy.Pending,
	}, nil
}

// identify decides which agent a is, and gives it its ID. s.registry is held.
func (s *service) identify(ctx context.Context, ref string, a *agent.Agent) error {
	own := a.Manifest.AgentID
	a.ID = own
	if ref != a.Slug && ref != a.Name && (own == "" || ref != own) {
		return fault.New(fault.Validation, "the bundle is of agent %q, not %q", a.Slug, ref).WithField("agent")
	}
	agents, err := s.state.Agents(ctx)
	if err != nil {
		return err
	}
	for _, known := range agents {
		switch {
		case known.ID == own && known.Slug != a.Slug:
			return fault.New(fault.Conflict, "the manifest's agent_id is that of agent %q, which has another name", known.Name).
				WithSuggestion("Remove agent_id from %s for a new agent, or delete the other one first.", agent.ManifestName)
		case known.Slug != a.Slug:
		case own != "" && known.ID != own, own == "" && known.Name != a.Name:
			return fault.New(fault.Conflict, "the name %q is taken by another agent, %q with the ID %s", a.Slug, known.Name, known.ID).
				WithSuggestion("Choose another agent_name, or write that agent_id into %s.", agent.ManifestName)
		default:
			a.ID = known.ID
		}
	}
	if a.ID == "" {
		id, err := uuid.NewV7()
		if err != nil {
			return fmt.Errorf("make an ID: %w", err)
		}
		a.ID = id.String()
	}
	return nil
}

// begin brings rev into service in the background; its code was taken.
func (s *service) begin(ctx context.Context, rev *deploy.Revision, part deploy.Part) (api.Revision, error) {
	s.progress.Begin(rev.ID)
	rev.Progress = func(text string) { s.progress.Tell(rev.ID, api.DeployEvent{Text: text}) }
	s.deploys.Go(func() { s.bring(rev, part) })
	return s.Revision(ctx, rev.Agent.ID, rev.ID)
}

// bring takes rev through the steps of a deploy, and tells how that went.
func (s *service) bring(rev *deploy.Revision, part deploy.Part) {
	began := time.Now()
	err := s.deployer.DeployPart(s.life, rev, part)
	s.giveCode(rev.ID)
	s.o.Log.Info("deploy ended", "agent_id", rev.Agent.ID, "revision", rev.ID, "duration", time.Since(began).Seconds(), "error", err)
	s.note("old revisions not forgotten", s.state.PruneRevisions(context.WithoutCancel(s.life), rev.Agent.ID, revisionsKept))
	s.told(rev, err)
}

// told tells how the deploy of a revision ended; failed is nil if it went well.
func (s *service) told(rev *deploy.Revision, failed error) {
	end, err := s.Revision(context.WithoutCancel(s.life), rev.Agent.ID, rev.ID)
	if err != nil { // its agent was deleted meanwhile
		end = api.Revision{ID: rev.ID, Number: rev.Number, AgentID: rev.Agent.ID, Agent: rev.Agent.Slug}
		if failed == nil {
			failed = err
		}
	}
	if failed != nil && end.Error == "" { // it was not kept: the agent is gone, or the disk is full
		end.State = string(deploy.Failed)
		end.Error, end.Traceback, _ = strings.Cut(progress.Reason(failed, rev.Agent.Dir), "\n")
	}
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	end.Timings = &api.DeployTimings{Build: ms(rev.Took.Build), Start: ms(rev.Took.Start), Probe: ms(rev.Took.Probe), Switch: ms(rev.Took.Switch)}
	s.progress.Tell(rev.ID, api.DeployEvent{Step: end.State, Revision: &end})
}

// giveCode ends one use of a revision's code, which goes unless it serves, or
// could serve in the process that takes over.
func (s *service) giveCode(revision string) {
	s.codes.Give(revision, func() bool { return !s.replaced.Load() && !s.standby.Has(revision) }, func() {
		select {
		case <-s.alone:
			s.note("code not removed", os.RemoveAll(s.folders.Code(revision)))
		default: // calls of the process before this one may run on it
			go s.giveCodeLater(revision)
		}
	})
}

func (s *service) giveCodeLater(revision string) {
	s.codes.Take(revision)
	select {
	case <-s.alone:
		s.giveCode(revision)
	case <-s.life.Done(): // it is for the next start
	}
}

// forget removes what a revision leaves that gets no more calls, and its
// agent if that was deleted.
func (s *service) forget(rev *deploy.Revision) {
	s.codes.Take(rev.ID)
	s.visitors.forget(rev.ID)
	s.giveCode(rev.ID)
	s.forgetAgent(rev.Agent.ID)
}

// forgetAgent removes what an agent leaves if it was deleted, unless a revision of
// it still has instances: then it is for the last one to go.
func (s *service) forgetAgent(id string) {
	awake := slices.ContainsFunc(s.standby.Awake(), func(rev *deploy.Revision) bool { return rev.Agent.ID == id })
	if _, err := s.state.Agent(context.Background(), id); awake || fault.CodeOf(err) != fault.AgentNotFound {
		return
	}
	s.metrics.Forget(id)
	s.note("announcement of a deleted agent not removed", s.intake.Forget(id))
	s.note("data of a deleted agent not removed", s.folders.RemoveData(id))
}

// Rollback implements control.Deploys.
func (s *service) Rollback(ctx context.Context, ref string, req api.RollbackRequest) (api.Revision, error) {
	a, err := s.state.Agent(ctx, ref)
	if err != nil {
		return api.Revision{}, err
	}
	kept, err := s.wanted(ctx, a.ID, req.Revision)
	switch {
	case err != nil:
		return api.Revision{}, err
	case kept.Percent == 100 && !a.Stopped:
		return api.Revision{}, fault.New(fault.Conflict, "revision %d serves already", kept.Number)
	case kept.Percent > 0 && !a.Stopped:
		kept.Percent = 100
		return s.split(ctx, []state.Revision{kept})
	case kept.ServedAt.IsZero():
		return api.Revision{}, fault.New(fault.Conflict, "revision %d has never served", kept.Number).
			WithSuggestion("`runagent revisions %s` shows those that have.", a.Slug)
	}
	return s.again(ctx, kept)
}

func (s *service) wanted(ctx context.Context, agentID, revision string) (state.Revision, error) {
	if revision != "" {
		return s.state.Revision(ctx, agentID, revision)
	}
	serving, err := s.state.Serving(ctx, agentID)
	switch {
	case err != nil:
		return state.Revision{}, err
	case len(serving) < 2:
		return s.state.Previous(ctx, agentID)
	}
	// Of those that share the calls it is the one before the newest.
	slices.SortFunc(serving, func(a, b state.Revision) int { return b.ServedAt.Compare(a.ServedAt) })
	return serving[1], nil
}

// again brings a revision that served before into service.
func (s *service) again(ctx context.Context, kept state.Revision) (api.Revision, error) {
	s.codes.Take(kept.ID)
	rev, err := s.load(ctx, kept)
	if err != nil {
		s.giveCode(kept.ID)
		return api.Revision{}, err
	}
	return s.begin(ctx, rev, deploy.Part{Percent: 100})
}

// StartAgent implements control.Lifecycle.
func (s *service) StartAgent(ctx context.Context, ref string) (api.Revision, error) {
	a, err := s.state.Agent(ctx, ref)
	if err != nil {
		return api.Revision{}, err
	}
	if a.Live == "" {
		return api.Revision{}, fault.New(fault.Conflict, "no revision of agent %q has come into service", a.Name).
			WithSuggestion("Deploy it first: `runagent deploy DIR`.")
	}
	if !a.Stopped {
		return s.Revision(ctx, a.ID, a.Live)
	}
	kept, err := s.state.Serving(ctx, a.ID)
	switch {
	case err != nil:
		return api.Revision{}, err
	case len(kept) > 1:
		return s.split(ctx, kept)
	}
	return s.again(ctx, kept[0])
}

// StopAgent implements control.Lifecycle.
func (s *service) StopAgent(ctx context.Context, ref string) error {
	a, err := s.state.Agent(ctx, ref)
	if err != nil {
		return err
	}
	return s.deployer.Withdraw(a.ID, func() error {
		return s.endTrial(a.ID, s.state.SetStopped(ctx, a.ID, true))
	})
}

// DeleteAgent implements control.Lifecycle.
func (s *service) DeleteAgent(ctx context.Context, ref string) error {
	a, err := s.state.Agent(ctx, ref)
	if err != nil {
		return err
	}
	err = s.deployer.Withdraw(a.ID, func() error {
		s.registry.Lock()
		defer s.registry.Unlock()
		return s.endTrial(a.ID, s.folders.Deleting(a.ID, func() error { return s.state.DeleteAgent(ctx, a.ID) }))
	})
	if err == nil {
		s.drainVisited(a.ID)
		s.forgetAgent(a.ID)
	}
	return err
}

// drainVisited ends what only calls by name have woken of an agent that is deleted.
func (s *service) drainVisited(agentID string) {
	for _, p := range s.standby.Places() {
		if p.Revision.Agent.ID != agentID {
			continue
		}
		s.deploys.Go(func() {
			ctx, cancel := context.WithTimeout(s.life, s.o.DrainTimeout)
			defer cancel()
			s.standby.Drain(ctx, p.Revision)
		})
	}
}

// Revisions implements control.Deploys.
func (s *service) Revisions(ctx context.Context, ref string) ([]api.Revision, error) {
	a, err := s.state.Agent(ctx, ref)
	if err != nil {
		return nil, err
	}
	kept, err := s.state.Revisions(ctx, a.ID, revisionsShown)
	if err != nil {
		return nil, err
	}
	revs := make([]api.Revision, len(kept))
	for i := range kept {
		revs[i] = s.wire(&a, &kept[i])
	}
	return revs, nil
}

// Revision implements control.Deploys.
func (s *service) Revision(ctx context.Context, ref, revision string) (api.Revision, error) {
	a, err := s.state.Agent(ctx, ref)
	if err != nil {
		return api.Revision{}, err
	}
	kept, err := s.state.Revision(ctx, a.ID, revision)
	if err != nil {
		return api.Revision{}, err
	}
	return s.wire(&a, &kept), nil
}

func (s *service) wire(a *state.Agent, r *state.Revision) api.Revision {
	w := api.Revision{
		ID: r.ID, Number: r.Number, Agent: a.Slug, AgentID: a.ID, State: string(r.State), Percent: r.Percent,
		Digest: r.Digest, Message: r.Message, CreatedAt: r.CreatedAt, Timings: s.progress.Timings(r.ID),
	}
	w.Error, w.Traceback, _ = strings.Cut(r.Reason, "\n")
	if until, draining := s.deployer.DrainsUntil(r.ID); draining {
		_, calls, _ := s.standby.Load(r.ID) // it drains, whatever its last start was like
		w.Draining = &api.Draining{InFlight: calls, Until: until.UTC()}
	}
	if !r.CanaryUntil.IsZero() {
		w.CanaryUntil = &r.CanaryUntil
	}
	if !r.ServedAt.IsZero() {
		w.ServedAt = &r.ServedAt
	}
	return w
}

// FollowDeploy implements control.Deploys.
func (s *service) FollowDeploy(ctx context.Context, ref, revision string, emit func(api.DeployEvent) error) error {
	r, err := s.Revision(ctx, ref, revision)
	if err != nil {
		return err
	}
	known, err := s.progress.Follow(ctx, r.ID, emit)
	if err != nil || known {
		return err
	}
	if !r.Done() {
		return errors.New("a deploy under way is not remembered")
	}
	return emit(api.DeployEvent{Step: r.State, Revision: &r})
}

var (
	_ control.Bundles   = (*service)(nil)
	_ control.Deploys   = (*service)(nil)
	_ control.Lifecycle = (*service)(nil)
)
