package engine

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/runagent/runagent/internal/agent"
	"github.com/runagent/runagent/internal/build"
	"github.com/runagent/runagent/internal/deploy"
	"github.com/runagent/runagent/internal/invocation"
	"github.com/runagent/runagent/internal/runtime/python"
	"github.com/runagent/runagent/internal/sandbox"
	"github.com/runagent/runagent/internal/zygote"
)

// environments finds or builds the interpreter of a revision, and keeps one
// keeper of zygotes for each environment that is in use. It implements deploy.Builder.
type environments struct {
	o       Options
	driver  sandbox.Driver
	imports *python.ImportStore
	builder *build.Builder
	log     *slog.Logger
	finding singleflight.Group

	mu      sync.Mutex // guards all that follows
	found   map[python.FindOptions]*python.Interpreter
	built   map[string]*python.Interpreter // by environment key
	keepers map[string]*keeper             // by agent, environment key and start variables
}

func newEnvironments(o Options, driver sandbox.Driver) *environments {
	return &environments{
		o: o, driver: driver, imports: python.NewImportStore(o.Home),
		builder: build.New(build.Options{
			Home: o.Home, UV: build.FindUV(variable(o.Environ, "RUNAGENT_UV"), variable(o.Environ, "PATH")),
			Environ: o.Environ, Progress: o.OnProgress, Deployed: o.Deployed, Slots: o.Builds, Bounds: o.BuildBounds, Room: o.Room,
		}),
		log:   o.Log,
		found: map[python.FindOptions]*python.Interpreter{}, built: map[string]*python.Interpreter{},
		keepers: map[string]*keeper{},
	}
}

// Build implements deploy.Builder.
func (e *environments) Build(ctx context.Context, rev *deploy.Revision) (deploy.Environment, error) {
	if !rev.Agent.Manifest.HasPython() {
		return deploy.Environment{}, nil // webhooks need none
	}
	base, err := e.find(ctx, rev.Agent)
	if err != nil {
		return deploy.Environment{}, err
	}
	env, err := e.withRequirements(ctx, rev, base)
	if err != nil {
		return deploy.Environment{}, err
	}
	in := env.Python
	e.mu.Lock()
	e.built[env.Key] = in
	e.mu.Unlock()
	return deploy.Environment{Key: env.Key, Python: in.Path, Version: in.Version.String(), Dir: in.Prefix, Lock: env.Lock}, nil
}

// find returns the interpreter the author chose or the machine has. The
// answer is kept: asking an interpreter who it is takes a process.
func (e *environments) find(ctx context.Context, a *agent.Agent) (*python.Interpreter, error) {
	o := python.FindOptions{
		Explicit: e.o.Python, VirtualEnv: variable(e.o.Environ, "VIRTUAL_ENV"), Dir: a.Dir,
		Path: variable(e.o.Environ, "PATH"), Requires: a.Manifest.Python,
	}
	if e.o.Deployed {
		o.VirtualEnv, o.Dir = "", ""
	}
	if in := e.known(o); in != nil {
		return in, nil
	}
	// Many ask at once after a start of the platform. None of them is refused
	// because another one gave up.
	asked := e.finding.DoChan(fmt.Sprintf("%q", o), func() (any, error) {
		if in := e.known(o); in != nil {
			return in, nil
		}
		in, err := python.Find(context.WithoutCancel(ctx), o)
		if err != nil {
			return nil, err
		}
		e.mu.Lock()
		defer e.mu.Unlock()
		e.found[o] = in
		return in, nil
	})
	select {
	case got := <-asked:
		in, _ := got.Val.(*python.Interpreter)
		return in, got.Err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// known is what was found before, unless that is gone.
func (e *environments) known(o python.FindOptions) *python.Interpreter {
	e.mu.Lock()
	in := e.found[o]
	e.mu.Unlock()
	if in != nil {
		if _, err := os.Stat(in.Path); err == nil {
			return in
		}
	}
	return nil
}

// withRequirements returns base with the agent's requirements, unless the
// author chose an environment: then those are theirs to install.
func (e *environments) withRequirements(ctx context.Context, rev *deploy.Revision, base *python.Interpreter) (*build.Env, error) {
	if base.Chosen() {
		return &build.Env{Python: base, Key: base.Prefix + " " + base.Version.String(), Dir: base.Prefix}, nil
	}
	a := rev.Agent
	req := build.Request{Dir: a.Dir, Requirements: a.Manifest.Requirements, Python: base, Progress: rev.Progress}
	if e.o.Deployed {
		req.Agent, req.Vars, req.Lock, req.Again = a.ID, rev.Vars, rev.Environment.Lock, rev.Rebuild
	}
	begun := time.Now()
	env, err := e.builder.Build(ctx, req)
	if err != nil || env.Fresh {
		e.o.OnBuild(time.Since(begun), err)
	}
	return env, err
}

// zygotes returns the zygotes that forks instances of rev, made when first
// asked for, or nil when it has none.
func (e *environments) zygotes(rev *deploy.Revision) *zygote.Keeper {
	in := e.interpreter(rev)
	if in == nil {
		return nil
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	id := rev.Agent.ID
	key, env := e.keeperKey(rev, in)
	if n := e.keepers[key]; n != nil {
		n.used = time.Now()
		return n.Keeper
	}
	n := zygote.NewKeeper(zygote.Options{
		Driver: e.driver,
		Zygote: sandbox.Spec{Argv: in.Argv(e.o.Shim, python.RoleZygote), Env: env, Dir: "/"},
		Plain:  sandbox.Spec{Argv: in.Argv(e.o.Shim, python.RoleInstance), Env: env, Dir: "/"},
		Memory: e.memory(rev, in),
		OnLog: func(line invocation.LogLine) { // it knows no agent
			line.AgentID = id
			e.o.Logs.Append(line)
		},
		Log: e.log,
	})
	e.keepers[key] = &keeper{n, rev.Environment.Key, time.Now()}
	return n
}

// keeper is a keeper of zygotes in an environment, and when it was last asked for.
type keeper struct {
	*zygote.Keeper
	env  string
	used time.Time
}

// keeperKey names the zygotes of rev, and is the environment they start with.
func (e *environments) keeperKey(rev *deploy.Revision, in *python.Interpreter) (key string, env []string) {
	env = in.StartEnv(e.o.AgentEnviron, literals(rev.Agent.Manifest))
	return rev.Agent.ID + "\x00" + rev.Environment.Key + "\x00" + strings.Join(env, "\x00"), env
}

// interpreter returns what Build found or made for rev.
func (e *environments) interpreter(rev *deploy.Revision) *python.Interpreter {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.built[rev.Environment.Key]
}

// retain ends the keepers that no given revision needs.
func (e *environments) retain(n *zygote.Keeper) {
	e.mu.Lock()
	var old []*keeper
	for key, other := range e.keepers {
		if other.Keeper != n {
			old = append(old, other)
			delete(e.keepers, key)
		}
	}
	e.mu.Unlock()
	closeAll(old)
}

// closeAll ends keepers at once: a process must be scheduled to end.
func closeAll(keepers []*keeper) {
	var ends sync.WaitGroup
	for _, n := range keepers {
		ends.Go(n.Close)
	}
	ends.Wait()
}

// collectEvery is how often environments are looked for that nobody uses.
const collectEvery = 24 * time.Hour

// collect removes environments that nobody uses any more, now and then, until
// ctx ends.
func (e *environments) collect(ctx context.Context) error {
	tick := time.NewTicker(collectEvery)
	defer tick.Stop()
	for {
		e.report(e.builder.Collect(time.Now()))
		e.collectImports()
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// collectBut removes environments that are not needed; those that zygotes live
// in are used, too. Where the disk is short, zygotes of what nobody calls end.
func (e *environments) collectBut(needs build.Needs) {
	var old []*keeper
	short := needs.Short != nil && needs.Short()
	e.mu.Lock()
	for key, n := range e.keepers {
		if short && !slices.Contains(needs.Used, n.env) && !slices.Contains(needs.Live, n.env) {
			old = append(old, n)
			delete(e.keepers, key)
		}
	}
	for _, n := range e.keepers {
		needs.Used = append(needs.Used, n.env)
	}
	e.mu.Unlock()
	closeAll(old)
	e.report(e.builder.CollectBut(time.Now(), needs))
	e.collectImports()
}

// collectImports removes the lists of imports that nobody uses any more.
func (e *environments) collectImports() {
	if err := e.imports.Collect(time.Now()); err != nil {
		e.log.Warn("unused lists of imports not removed", "error", err)
	}
}

// report logs what a collection has done.
func (e *environments) report(removed []string, err error) {
	if len(removed) > 0 {
		e.log.Info("unused environments removed", "environments", removed)
	}
	if err != nil {
		e.log.Warn("unused environments not removed", "error", err)
	}
}

// close ends all zygotes and the use of all environments.
func (e *environments) close() error {
	e.retain(nil)
	return e.builder.Close()
}

// memory is what the zygote of rev's environment should import.
func (e *environments) memory(rev *deploy.Revision, in *python.Interpreter) *importMemory {
	key := python.ImportKey(rev.Agent.ID, rev.Environment.Key, in.Version)
	m := &importMemory{store: e.imports, key: key, log: e.log}
	list, known, err := e.imports.Load(key)
	if err != nil {
		e.log.Warn("import list not read", "error", err)
	}
	m.list, m.known, m.kept = list, known, known
	m.first = func() python.ImportList {
		list, err := python.NewInspector(in.Path, e.o.Shim).FirstList(context.Background(), rev.Agent.Dir, rev.Agent.Manifest.Entrypoints)
		if err != nil {
			e.log.Warn("imports not read from the sources", "error", err)
		}
		return list
	}
	return m
}

// literals are the variables of the manifest that hold no reference.
func literals(m *agent.Manifest) map[string]string {
	plain := maps.Clone(m.EnvVars)
	maps.DeleteFunc(plain, func(_, v string) bool { return v == "" || strings.Contains(v, "$") })
	return plain
}

// importMemory is an import list that is kept on disk. It implements
// zygote.Memory.
type importMemory struct {
	store *python.ImportStore
	key   string
	first func() python.ImportList
	log   *slog.Logger

	mu    sync.Mutex // guards all that follows
	list  python.ImportList
	known bool // also of an agent that imports nothing
	kept  bool // on the disk
}

// Wanted implements zygote.Memory.
func (m *importMemory) Wanted() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.known {
		m.list.Modules, m.known = m.first().Modules, true
	}
	return m.list.Wanted()
}

// Learn implements zygote.Memory.
func (m *importMemory) Learn(modules []string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	list, changed := m.list.Learn(modules)
	if changed || !m.kept { // a start after this one need not look at the sources
		m.list, m.known = list, true
		m.save()
	}
	return changed
}

// LearnLater implements zygote.Memory.
func (m *importMemory) LearnLater(modules []string) bool {
	return m.change(func(l python.ImportList) (python.ImportList, bool) { return l.LearnLater(modules) })
}

// ForgetLater implements zygote.Memory.
func (m *importMemory) ForgetLater(why string) bool {
	return m.change(func(l python.ImportList) (python.ImportList, bool) { return l.ForgetLater(why) })
}

// Exclude implements zygote.Memory.
func (m *importMemory) Exclude(module, why string) bool {
	return m.change(func(l python.ImportList) (python.ImportList, bool) { return l.Exclude(module, why) })
}

// change keeps what became of the list, and reports whether that is new.
func (m *importMemory) change(learn func(python.ImportList) (python.ImportList, bool)) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	list, changed := learn(m.list)
	if changed {
		m.list = list
		m.save()
	}
	return changed
}

func (m *importMemory) save() {
	err := m.store.Save(m.key, m.list)
	if err != nil {
		m.log.Warn("import list not kept", "error", err)
	}
	m.kept = err == nil
}

var (
	_ deploy.Builder = (*environments)(nil)
	_ zygote.Memory  = (*importMemory)(nil)
)
