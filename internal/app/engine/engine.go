// Package engine runs revisions of agents on this machine: it finds or builds
// their environments, starts and ends their instances, carries calls to them
// and gathers what they print. What serve and the platform have in common.
package engine

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"time"

	"github.com/runagent/runagent/internal/build"
	"github.com/runagent/runagent/internal/build/bounds"
	"github.com/runagent/runagent/internal/deploy"
	"github.com/runagent/runagent/internal/instance"
	"github.com/runagent/runagent/internal/invocation"
	"github.com/runagent/runagent/internal/sandbox/cgroup"
	"github.com/runagent/runagent/internal/sandbox/none"
	"github.com/runagent/runagent/internal/webhookcall"
)

// Options configures an Engine. Home, Shim, Logs and Log are needed.
type Options struct {
	// Home is where environments, import lists and agents' data are kept.
	Home string
	// Shim is the root of the unpacked shim.
	Shim string
	// Version is RunAgent's own.
	Version string
	// Environ is what finds an interpreter and what installers inherit;
	// AgentEnviron is what agents get of it.
	Environ, AgentEnviron []string
	// Python is the interpreter to use; "" finds or builds one for each agent.
	Python string
	// Instances is how many each revision has; at least 1.
	Instances int
	// DebugPort is where the instance waits for a debugger before it imports
	// the agent, for as long as that takes; 0 waits for none.
	DebugPort int
	// Deployed says that folders come from elsewhere: their agents get a home
	// directory of their own, and no virtual environment is looked for in them.
	Deployed bool
	// Builds is how many environments are installed at once, 0 for any number;
	// BuildBounds are those of each.
	Builds      int
	BuildBounds bounds.Bounds
	// ReadyWithin bounds how long an instance may take to start, 0 for two minutes.
	ReadyWithin time.Duration
	// Room is asked before an installation whether there is room for it, and
	// told whether no other is under way.
	Room func(alone bool) error
	// OnQueue is told when a call has to wait for a slot; nil tells nobody.
	OnQueue func()
	// OnProgress is told each step of a build; nil tells nobody.
	OnProgress func(text string)
	// OnBuild is told of each environment that was built, or could not be, and
	// how long that took; OnStart of each start of an instance. They may be nil.
	OnBuild func(took time.Duration, err error)
	OnStart func(kind invocation.StartKind, took time.Duration, err error)
	// Logs gets what agents print.
	Logs *Logbook
	// Groups are where the processes of agents are put; nil puts them nowhere.
	Groups *cgroup.Tree
	Log    *slog.Logger
}

// Engine runs revisions. It is safe for concurrent use.
type Engine struct {
	driver *none.Driver
	envs   *environments
	pools  instance.Pools
	hooks  *webhookcall.Hooks
	*runner
}

// New returns an Engine that runs nothing yet. The caller closes it.
func New(o Options) *Engine {
	if o.OnProgress == nil {
		o.OnProgress = func(string) {}
	}
	if o.OnBuild == nil {
		o.OnBuild = func(time.Duration, error) {}
	}
	if o.OnQueue == nil {
		o.OnQueue = func() {}
	}
	e := &Engine{driver: none.New(none.Options{Groups: o.Groups, Log: o.Log})}
	e.envs = newEnvironments(o, e.driver)
	e.hooks = webhookcall.New(webhookcall.Options{MaxResult: maxResultBytes, UserAgent: "runagent/" + o.Version})
	e.runner = &runner{o: o, envs: e.envs, pools: &e.pools, hooks: e.hooks}
	return e
}

// Close ends what is left of zygotes and processes. The revisions have been
// drained before.
func (e *Engine) Close() error {
	return errors.Join(e.envs.close(), e.driver.Close())
}

// Build implements deploy.Builder.
func (e *Engine) Build(ctx context.Context, rev *deploy.Revision) (deploy.Environment, error) {
	return e.envs.Build(ctx, rev)
}

// InFlight says how many calls are running.
func (e *Engine) InFlight() int {
	n, _ := e.pools.InFlight()
	return n + e.hooks.InFlight()
}

// Load says how many calls are running and how many wait for a slot, and how
// many instances live.
func (e *Engine) Load() (running, waiting, instances int) {
	running, waiting = e.pools.InFlight()
	return running + e.hooks.InFlight(), waiting, e.pools.Instances()
}

// Trouble says why a revision has no instance, or nil when it has one.
func (e *Engine) Trouble(revision string) error { return e.pools.Trouble(revision) }

// Usage says what the instances of a revision are doing; false when it has none,
// as revisions that are only webhooks.
func (e *Engine) Usage(revision string) (instance.Usage, bool) {
	p := e.pools.Pool(revision)
	if p == nil {
		return instance.Usage{}, false
	}
	return p.Usage(), true
}

// InstanceMemory is what an instance of a revision takes on average, in bytes; 0
// when that is not known.
func (e *Engine) InstanceMemory(revision string) int64 {
	if p := e.pools.Pool(revision); p != nil {
		return p.InstanceMemory()
	}
	return 0
}

// Resize makes a revision one of size instances, in the background.
func (e *Engine) Resize(revision string, size int) {
	if p := e.pools.Pool(revision); p != nil {
		p.Resize(size)
	}
}

// RetainZygotes ends the zygotes that rev does not need.
func (e *Engine) RetainZygotes(rev *deploy.Revision) { e.envs.retain(e.envs.zygotes(rev)) }

// Prepare makes the zygote of rev, so that its first start is a fork.
func (e *Engine) Prepare(ctx context.Context, rev *deploy.Revision) error {
	env, err := e.envs.Build(ctx, rev)
	if err != nil {
		return err
	}
	defer e.envs.builder.Started(env.Key)
	built := *rev
	built.Environment = env
	if zygotes := e.envs.zygotes(&built); zygotes != nil {
		zygotes.Rest()
	}
	return nil
}

// Warm reports whether an instance of rev would be forked from a zygote that
// is there already.
func (e *Engine) Warm(rev *deploy.Revision) bool { return e.envs.warm(rev) }

// RestZygotes freezes the zygotes that none of the given revisions needs, where
// the machine can.
func (e *Engine) RestZygotes(needed []*deploy.Revision) { e.envs.rest(needed) }

// EvictZygotes ends zygotes that were not used for long, those that none of the
// given revisions needs first, until they have given about that many bytes
// back. It returns how many bytes that was and how many zygotes.
func (e *Engine) EvictZygotes(needed []*deploy.Revision, bytes int64) (freed int64, ended int) {
	return e.envs.evict(needed, bytes)
}

// Zygotes says how many zygotes there are, and how many of them are frozen.
func (e *Engine) Zygotes() (all, frozen int) { return e.envs.count() }

// UsedMemory is what all processes of agents take, in bytes.
func (e *Engine) UsedMemory() int64 { return e.driver.Used() }

// Level is the isolation level under which agents run.
func (e *Engine) Level() string { return e.driver.Capabilities().Level }

// CollectEnvironments removes environments that nobody uses any more, now and
// then, until ctx ends.
func (e *Engine) CollectEnvironments(ctx context.Context) error { return e.envs.collect(ctx) }

// CollectEnvironmentsBut removes environments that are not needed.
func (e *Engine) CollectEnvironmentsBut(needs build.Needs) { e.envs.collectBut(needs) }

// LooksSecret reports whether a variable's value must not be shown.
func LooksSecret(name string) bool {
	name = strings.ToUpper(name)
	for _, word := range []string{"KEY", "TOKEN", "SECRET", "PASSWORD", "PASSWD", "CREDENTIAL"} {
		if strings.Contains(name, word) {
			return true
		}
	}
	return false
}

// Lookup returns a variable of environ, which is as os.Environ gives it.
func Lookup(environ []string, name string) (string, bool) {
	prefix := name + "="
	for i := len(environ) - 1; i >= 0; i-- {
		if v, ok := strings.CutPrefix(environ[i], prefix); ok {
			return v, true
		}
	}
	return "", false
}

func variable(environ []string, name string) string {
	v, _ := Lookup(environ, name)
	return v
}

var (
	_ deploy.Builder     = (*Engine)(nil)
	_ deploy.Pools       = (*Engine)(nil)
	_ invocation.Invoker = (*Engine)(nil)
)
