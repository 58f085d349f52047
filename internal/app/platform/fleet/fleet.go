// Package fleet is the revisions of a platform as autoscaling sees them: what
// each does, what its owner allows, and how to give it more or fewer instances.
package fleet

import (
	"cmp"
	"context"
	"maps"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/runagent/runagent/internal/agent"
	"github.com/runagent/runagent/internal/app/platform/standby"
	"github.com/runagent/runagent/internal/autoscale"
	"github.com/runagent/runagent/internal/deploy"
	"github.com/runagent/runagent/internal/fault"
	"github.com/runagent/runagent/internal/instance"
	"github.com/runagent/runagent/internal/store/state"
)

// DefaultMax is how many instances a revision may have unless its owner says
// otherwise.
const DefaultMax = 10

// Engine runs instances. engine.Engine is one.
type Engine interface {
	Usage(revision string) (instance.Usage, bool)
	Resize(revision string, size int)
	InstanceMemory(revision string) int64
}

// Memory is what the agents of the machine take, and may take.
type Memory interface {
	Used() int64
	Limit() int64
}

// Options configures a Fleet. All are needed, but for Now.
type Options struct {
	Standby *standby.Pools
	Engine  Engine
	State   *state.DB
	Memory  Memory
	// HasTraffic reports whether a revision gets calls that do not name it, or a
	// deploy is under way that may give it some.
	HasTraffic func(*deploy.Revision) bool
	// Idle is how long an agent without calls stays awake unless its owner says
	// otherwise.
	Idle time.Duration
	Now  func() time.Time
}

// Fleet implements autoscale.Fleet. It is safe for concurrent use.
type Fleet struct {
	o Options

	mu    sync.Mutex // guards all that follows
	said  map[string]state.Scaling
	sizes map[string]size // of instances, by revision
}

// size is what an instance took when it was measured.
type size struct {
	bytes int64
	at    time.Time
}

// measureEvery is how often instances are measured: it takes the kernel about a
// millisecond each.
const measureEvery = 10 * time.Second

// New returns a Fleet that knows what owners said.
func New(ctx context.Context, o Options) (*Fleet, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	said, err := o.State.Scaling(ctx)
	return &Fleet{o: o, said: said, sizes: map[string]size{}}, err
}

// Said is what the owner of an agent said.
func (f *Fleet) Said(agentID string) state.Scaling {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.said[agentID]
}

// Say keeps what the owner of an agent says.
func (f *Fleet) Say(ctx context.Context, agentID string, s state.Scaling) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.o.State.SetScaling(ctx, agentID, s); err != nil {
		return err
	}
	f.said[agentID] = s
	return nil
}

// Rules are the bounds of an agent: what its owner said goes before what its
// manifest says. target is 0 where neither says one.
func (f *Fleet) Rules(a *agent.Agent) (rules autoscale.Rules, target float64) {
	return f.rulesWith(f.Said(a.ID), a)
}

// Keeps reports whether the agent of rev must not sleep.
func (f *Fleet) Keeps(rev *deploy.Revision) bool {
	rules, _ := f.Rules(rev.Agent)
	return rules.Min > 0
}

// Check returns what is wrong with what the owner of an agent is about to say.
func (f *Fleet) Check(said state.Scaling, a *agent.Agent) error {
	if rules, _ := f.rulesWith(said, a); rules.Min > rules.Max {
		return fault.New(fault.Validation, "min_instances would be %d, more than max_instances, which is %d", rules.Min, rules.Max).
			WithField("min_instances")
	}
	return nil
}

func (f *Fleet) rulesWith(said state.Scaling, a *agent.Agent) (rules autoscale.Rules, target float64) {
	m := a.Manifest.Scaling
	rules = autoscale.Rules{Min: m.MinInstances, Max: m.MaxInstances, IdleTimeout: m.IdleTimeout}
	target = m.Target
	if said.Min != nil {
		rules.Min = *said.Min
	}
	if said.Max != nil {
		rules.Max = *said.Max
	}
	if said.IdleTimeout != nil {
		rules.IdleTimeout = *said.IdleTimeout
	}
	if said.Target != nil {
		target = *said.Target
	}
	if rules.Max == 0 {
		rules.Max = max(DefaultMax, rules.Min)
	}
	if rules.IdleTimeout == 0 {
		rules.IdleTimeout = f.o.Idle
	}
	return rules, target
}

// Target is how many calls at a time an instance of rev is to have: what was
// said, else a part of those it takes.
func (f *Fleet) Target(rev *deploy.Revision) float64 {
	if _, target := f.Rules(rev.Agent); target > 0 {
		return target
	}
	slots := instance.DefaultAsyncSlots
	for _, c := range rev.Callables {
		if c.Type != agent.Async && c.Type != agent.Batch {
			slots = instance.DefaultSyncSlots
		}
	}
	if n := rev.Agent.Manifest.Resources.Concurrency; n > 0 {
		slots = n
	}
	return math.Round(autoscale.Utilisation*float64(slots)*10) / 10
}

// Loads implements autoscale.Fleet.
func (f *Fleet) Loads() []autoscale.Load {
	places := f.o.Standby.Places()
	loads := make([]autoscale.Load, 0, len(places))
	for _, p := range places {
		rules, target := f.Rules(p.Revision.Agent)
		load := autoscale.Load{
			Agent: p.Revision.Agent.ID, Revision: p.Revision.ID, Rules: rules, Ready: 1, Size: 1,
			Sample: autoscale.Sample{LastUsed: p.LastUsed}, Memory: f.InstanceMemory(p.Revision.ID),
		}
		if p.InFlight > 0 {
			load.LastUsed = f.o.Now()
		}
		if !f.o.HasTraffic(p.Revision) { // nobody is served by keeping it awake
			load.Min = 0
		}
		if usage, ok := f.o.Engine.Usage(p.Revision.ID); ok {
			load.Ready, load.Size = usage.Instances, usage.Wanted
			load.Demand, load.Waiting = demand(&usage, target), usage.Queued() > 0
		} else { // webhooks take no instance, however many calls there are
			load.Max = 1
		}
		loads = append(loads, load)
	}
	f.forget(loads)
	return loads
}

// InstanceMemory is what an instance of a revision takes, as it was measured
// not long ago, or while it last had one; 0 when that is not known.
func (f *Fleet) InstanceMemory(revision string) int64 {
	f.mu.Lock()
	known := f.sizes[revision]
	f.mu.Unlock()
	if now := f.o.Now(); known.bytes == 0 || now.Sub(known.at) >= measureEvery {
		known = size{cmp.Or(f.o.Engine.InstanceMemory(revision), known.bytes), now}
		f.mu.Lock()
		f.sizes[revision] = known
		f.mu.Unlock()
	}
	return known.bytes
}

// forget drops the measures of revisions that are not awake any more.
func (f *Fleet) forget(loads []autoscale.Load) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.sizes) <= len(loads) {
		return
	}
	awake := make(map[string]bool, len(loads))
	for i := range loads {
		awake[loads[i].Revision] = true
	}
	maps.DeleteFunc(f.sizes, func(revision string, _ size) bool { return !awake[revision] })
}

// demand is what a pool's calls amount to, in instances.
func demand(u *instance.Usage, target float64) float64 {
	if target > 0 {
		return float64(u.InFlight()+u.Queued()) / target
	}
	// The two kinds have slots of their own, but one interpreter.
	return float64(u.Sync+u.SyncQueued)/(autoscale.Utilisation*float64(u.SyncSlots)) +
		float64(u.Async+u.AsyncQueued)/(autoscale.Utilisation*float64(u.AsyncSlots))
}

// Budget implements autoscale.Fleet: what agents may take, less what is none of
// the instances': zygotes, and those that are leaving.
func (f *Fleet) Budget(loads []autoscale.Load) int64 {
	limit := f.o.Memory.Limit()
	if limit <= 0 {
		return -1
	}
	others := f.o.Memory.Used()
	for i := range loads {
		others -= loads[i].Memory * int64(loads[i].Ready)
	}
	return max(0, limit-max(0, others))
}

// Usage says what a revision's instances are doing; false when it has none.
func (f *Fleet) Usage(revision string) (instance.Usage, bool) { return f.o.Engine.Usage(revision) }

// Resize implements autoscale.Fleet.
func (f *Fleet) Resize(revision string, size int) { f.o.Engine.Resize(revision, size) }

// Sleep implements autoscale.Fleet. What only calls by name have woken leaves.
func (f *Fleet) Sleep(ctx context.Context, revisions []string) {
	visitors := []*deploy.Revision{}
	for _, p := range f.o.Standby.Places() {
		if slices.Contains(revisions, p.Revision.ID) && !f.o.HasTraffic(p.Revision) {
			visitors = append(visitors, p.Revision)
		}
	}
	f.o.Standby.Sleep(ctx, revisions)
	for _, rev := range visitors {
		f.o.Standby.Dismiss(rev.ID, func() bool { return f.o.HasTraffic(rev) })
	}
}

var _ autoscale.Fleet = (*Fleet)(nil)
