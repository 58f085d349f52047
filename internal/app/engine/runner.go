package engine

import (
	"cmp"
	"context"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"time"

	"github.com/runagent/runagent/internal/agent"
	"github.com/runagent/runagent/internal/deploy"
	"github.com/runagent/runagent/internal/instance"
	"github.com/runagent/runagent/internal/invocation"
	"github.com/runagent/runagent/internal/webhookcall"
)

// The bounds of what an instance may send.
const (
	maxResultBytes  = 10 << 20
	maxLogLineBytes = 16 << 10
)

// endless bounds what somebody looks at with a debugger.
const endless = 24 * time.Hour

// runner runs revisions: their Python on the instances of this machine, their
// webhooks by requests. It implements deploy.Pools and invocation.Invoker.
type runner struct {
	o     Options
	envs  *environments
	pools *instance.Pools
	hooks *webhookcall.Hooks
}

// Start implements deploy.Pools.
func (r *runner) Start(ctx context.Context, rev *deploy.Revision) ([]agent.Callable, error) {
	defer r.envs.builder.Started(rev.Environment.Key)
	m := rev.Agent.Manifest
	var callables []agent.Callable
	if m.HasPython() {
		var err error
		if callables, err = r.startPool(ctx, rev); err != nil {
			return nil, err
		}
	}
	callables = append(callables, r.hooks.Start(rev.ID, m.Entrypoints)...)
	place := map[string]int{}
	for i, e := range m.Entrypoints {
		place[e.Tag] = i
	}
	slices.SortStableFunc(callables, func(a, b agent.Callable) int { return cmp.Compare(place[a.Tag], place[b.Tag]) })
	return callables, nil
}

// startPool makes the instances of a revision that has Python entrypoints.
func (r *runner) startPool(ctx context.Context, rev *deploy.Revision) ([]agent.Callable, error) {
	cold := !r.envs.warm(rev)
	zygotes := r.envs.zygotes(rev)
	admission, err := r.admission(rev)
	if err != nil {
		return nil, err
	}
	res := rev.Agent.Manifest.Resources
	spec := instance.Spec{
		Revision: rev.ID, Launcher: zygotes, Admission: admission, Size: r.o.Instances, ReadyWithin: r.o.ReadyWithin,
		SyncSlots: res.Concurrency, AsyncSlots: res.Concurrency, Memory: res.MemoryBytes,
		OnLog: r.o.Logs.Append, Log: r.o.Log,
		OnStart: r.noteStarts(cold), OnQueue: r.o.OnQueue,
		OnReady:   func(ready instance.Readiness) { zygotes.Observe(ready.Modules, ready.Inherited) },
		OnModules: zygotes.ObserveLater,
	}
	if r.o.DebugPort != 0 {
		// A zygote must not learn to import a debugger, and who debugs needs time.
		spec.OnReady, spec.OnModules = nil, nil
		spec.ReadyWithin, spec.Grace = endless, endless
	}
	pool, err := r.pools.Start(ctx, spec)
	if err != nil {
		return nil, err
	}
	return withManifest(pool.Callables(), rev.Agent.Manifest), nil
}

// noteStarts tells of starts. The first, if the zygote is yet to be made, is a
// cold one, although it is forked then.
func (r *runner) noteStarts(cold bool) func(invocation.StartKind, time.Duration, error) {
	if r.o.OnStart == nil {
		return nil
	}
	var first atomic.Bool
	first.Store(cold)
	return func(kind invocation.StartKind, took time.Duration, err error) {
		if first.Swap(false) {
			kind = invocation.Cold
		}
		r.o.OnStart(kind, took, err)
	}
}

// Drain implements deploy.Pools.
func (r *runner) Drain(ctx context.Context, rev *deploy.Revision) {
	r.hooks.Stop(ctx, rev.ID)
	r.pools.Stop(ctx, rev.ID)
}

// Invoke implements invocation.Invoker.
func (r *runner) Invoke(ctx context.Context, call invocation.Call, emit func(invocation.Event) error) (invocation.Result, error) {
	if r.hooks.Has(call.Revision, call.Entrypoint) {
		return r.hooks.Invoke(ctx, call, emit)
	}
	return r.pools.Invoke(ctx, call, emit)
}

// admission is what the instances of rev are told before they import it.
func (r *runner) admission(rev *deploy.Revision) (instance.Admission, error) {
	m := rev.Agent.Manifest
	data := filepath.Join(r.o.Home, "data", rev.Agent.ID)
	if err := os.MkdirAll(data, 0o700); err != nil {
		return instance.Admission{}, err
	}
	home := map[string]string{}
	if r.o.Deployed {
		home["HOME"] = filepath.Join(data, "home")
		if err := os.MkdirAll(home["HOME"], 0o700); err != nil {
			return instance.Admission{}, err
		}
	}
	in := r.envs.interpreter(rev)
	a := instance.Admission{
		AgentID: rev.Agent.ID, AgentName: rev.Agent.Name, Dir: rev.Agent.Dir, Snapshot: rev.Snapshot, DataDir: data,
		Env: in.AgentEnv(r.o.AgentEnviron, home, rev.Vars, map[string]string{
			"RUNAGENT_DATA_DIR": data, "RUNAGENT_AGENT_ID": rev.Agent.ID,
		}),
		Edited: rev.Edited, Before: rev.Before,
		DebugPort: r.o.DebugPort,
		Limits:    instance.AdmittedLimits{ResultBytes: maxResultBytes, LogLineBytes: maxLogLineBytes},
		Batch: instance.AdmittedBatch{
			MaxSize: m.Batch.MaxSize, MaxWaitMS: int(m.Batch.MaxWait.Milliseconds()), Isolate: m.Batch.Isolate,
		},
	}
	a.Lifecycle = instance.AdmittedLifecycle{Start: admittedHook(m.Lifecycle.Start), Stop: admittedHook(m.Lifecycle.Stop)}
	if a.Lifecycle.Start != nil && r.o.DebugPort != 0 {
		a.Lifecycle.Start.TimeoutMS = endless.Milliseconds()
	}
	for _, e := range m.Entrypoints {
		if e.WebhookURL == "" {
			a.Entrypoints = append(a.Entrypoints, instance.AdmittedEntrypoint{Tag: e.Tag, File: e.File, Module: e.Module, Type: e.Type})
		}
	}
	return a, nil
}

func admittedHook(h agent.Hook) *instance.AdmittedHook {
	if h.File == "" {
		return nil
	}
	return &instance.AdmittedHook{File: h.File, Module: h.Module, TimeoutMS: h.Timeout.Milliseconds()}
}

// withManifest adds to what an instance reported what only the manifest says.
func withManifest(callables []agent.Callable, m *agent.Manifest) []agent.Callable {
	for i := range callables {
		for _, e := range m.Entrypoints {
			if e.Tag != callables[i].Tag {
				continue
			}
			callables[i].Extractor = e.Extractor
			if e.Description != "" {
				callables[i].Description = e.Description
			}
		}
	}
	return callables
}

var (
	_ deploy.Pools       = (*runner)(nil)
	_ invocation.Invoker = (*runner)(nil)
)
