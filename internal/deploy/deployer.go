package deploy

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/runagent/runagent/internal/agent"
	"github.com/runagent/runagent/internal/fault"
	"github.com/runagent/runagent/internal/invocation"
)

// Builder makes ready environments.
type Builder interface {
	Build(ctx context.Context, rev *Revision) (Environment, error)
}

// Pools runs revisions.
type Pools interface {
	// Start makes instances of rev and returns, when the first is ready, what
	// its entrypoints are.
	Start(ctx context.Context, rev *Revision) ([]agent.Callable, error)
	// Drain lets the calls in flight on rev end, at most until ctx does, and
	// ends its instances.
	Drain(ctx context.Context, rev *Revision)
}

// Options configures a Deployer. Builder, Pools and Traffic are needed.
type Options struct {
	Builder Builder
	Pools   Pools
	Traffic *Traffic
	// DrainTimeout bounds how long a replaced revision's calls may go on.
	DrainTimeout time.Duration
	Log          *slog.Logger
}

// Deployer brings revisions into service, one at a time for each agent.
type Deployer struct {
	o      Options
	ctx    context.Context // ends when draining must
	cancel context.CancelFunc
	drains sync.WaitGroup

	mu   sync.Mutex // held for a whole deploy; guards live
	live map[string]*Revision

	current atomic.Pointer[Revision] // the one switched to last

	draining sync.Map // *Revision → nothing
}

// New returns a Deployer.
func New(o Options) *Deployer {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	ctx, cancel := context.WithCancel(context.Background())
	return &Deployer{o: o, ctx: ctx, cancel: cancel, live: map[string]*Revision{}}
}

// Deploy brings rev into service and retires the revision it replaces, whose
// calls end on it in the background. On failure the old revision keeps
// serving and rev ends as failed.
func (x *Deployer) Deploy(ctx context.Context, rev *Revision) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	rev.State = Building
	env, err := x.o.Builder.Build(ctx, rev)
	if err != nil {
		return x.fail(rev, fmt.Errorf("build: %w", err))
	}
	rev.Environment, rev.State = env, Starting
	callables, err := x.o.Pools.Start(ctx, rev)
	if err != nil {
		return x.fail(rev, fmt.Errorf("start: %w", err))
	}
	if err := probe(rev, callables); err != nil {
		x.drain(rev)
		return x.fail(rev, fmt.Errorf("probe: %w", err))
	}
	rev.Callables, rev.State = callables, Ready
	old := x.live[rev.Agent.ID]
	x.live[rev.Agent.ID] = rev
	x.current.Store(rev)
	x.o.Traffic.Switch(rev)
	if old != nil {
		x.drain(old)
	}
	return nil
}

func (x *Deployer) fail(rev *Revision, err error) error {
	rev.State = Failed
	return err
}

// probe checks that every entrypoint of the manifest came up.
func probe(rev *Revision, callables []agent.Callable) error {
	for _, e := range rev.Agent.Manifest.Entrypoints {
		found := false
		for _, c := range callables {
			found = found || c.Tag == e.Tag
		}
		if !found {
			return fault.New(fault.Internal, "the revision came up without entrypoint %q", e.Tag)
		}
	}
	return nil
}

// drain ends rev in the background.
func (x *Deployer) drain(rev *Revision) {
	rev.State = Retired
	x.draining.Store(rev, nil)
	x.drains.Go(func() {
		ctx, cancel := context.WithTimeout(x.ctx, x.o.DrainTimeout)
		defer cancel()
		x.o.Pools.Drain(ctx, rev)
		x.draining.Delete(rev)
	})
}

// Current returns the revision that was brought into service last, or nil.
func (x *Deployer) Current() *Revision { return x.current.Load() }

// Serving returns the revisions that have, or may start, instances.
func (x *Deployer) Serving() []*Revision {
	var revs []*Revision
	if rev := x.current.Load(); rev != nil {
		revs = append(revs, rev)
	}
	x.draining.Range(func(k, _ any) bool {
		revs = append(revs, k.(*Revision))
		return true
	})
	return revs
}

// Close drains all revisions, at most until ctx ends, and waits.
func (x *Deployer) Close(ctx context.Context) {
	stop := context.AfterFunc(ctx, x.cancel)
	defer stop()
	x.mu.Lock()
	for id, rev := range x.live {
		x.drain(rev)
		delete(x.live, id)
	}
	x.mu.Unlock()
	x.drains.Wait()
	x.cancel()
}

// Traffic says which revision the calls to each agent go to. It is safe for
// concurrent use; reading takes no lock.
type Traffic struct {
	byRef sync.Map // ID, slug and name → *invocation.Target
}

// Switch sends the calls to rev's agent to rev.
func (t *Traffic) Switch(rev *Revision) {
	target := &invocation.Target{
		AgentID:      rev.Agent.ID,
		Name:         rev.Agent.Name,
		Slug:         rev.Agent.Slug,
		AgentVersion: rev.Agent.Manifest.Version,
		Revision:     rev.ID,
		Callables:    rev.Callables,
		MaxTimeout:   rev.Agent.Manifest.Resources.Timeout,
	}
	for _, ref := range []string{rev.Agent.ID, rev.Agent.Slug, rev.Agent.Name} {
		t.byRef.Store(ref, target)
	}
}

// Target implements invocation.Directory.
func (t *Traffic) Target(_ context.Context, ref string) (*invocation.Target, error) {
	if v, ok := t.byRef.Load(ref); ok {
		return v.(*invocation.Target), nil
	}
	return nil, fault.New(fault.AgentNotFound, "agent %q not found; here is %s", ref, t.Names())
}

// Names lists the agents there are, for messages.
func (t *Traffic) Names() string {
	seen := map[string]bool{}
	text := ""
	t.byRef.Range(func(_, v any) bool {
		target := v.(*invocation.Target)
		if !seen[target.AgentID] {
			seen[target.AgentID] = true
			if text != "" {
				text += ", "
			}
			text += target.Slug
		}
		return true
	})
	if text == "" {
		return "none yet"
	}
	return text
}

var _ invocation.Directory = (*Traffic)(nil)
