package frameworks_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/runagent/runagent/internal/agent"
	"github.com/runagent/runagent/internal/instance"
	"github.com/runagent/runagent/internal/invocation"
	"github.com/runagent/runagent/internal/runtime/python"
	"github.com/runagent/runagent/internal/sandbox"
	"github.com/runagent/runagent/internal/sandbox/none"
	"github.com/runagent/runagent/internal/zygote"
	"github.com/runagent/runagent/shim"
	"github.com/runagent/runagent/test/served"
)

// remembered is what a zygote of a measurement imports.
type remembered struct {
	mu   sync.Mutex
	list python.ImportList
}

func (r *remembered) Wanted() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.list.Wanted()
}

func (r *remembered) Learn(modules []string) (changed bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.list, changed = r.list.Learn(modules)
	return changed
}

func (r *remembered) Exclude(module, why string) (changed bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.list, changed = r.list.Exclude(module, why)
	return changed
}

// forks measures instances forked from a zygote that knows what they load:
// the median from the order to start one until it says that it is ready, and
// the memory that it shares with nobody, in MiB, when it is ready and after 20 calls.
func forks(t *testing.T, f framework, path string, env []string) (ready time.Duration, fresh, used float64) {
	t.Helper()
	x := newForker(t, f, path, env)
	x.learn()
	var took []time.Duration
	for n := range 21 {
		began := time.Now()
		rev := fmt.Sprintf("rev-%d", n)
		pool := x.start(rev)
		took = append(took, time.Since(began))
		if n == 20 {
			fresh, used = x.memory(pool, rev)
		}
		pool.Stop(t.Context())
	}
	return median(took), fresh, used
}

// forker makes instances of one sample as the server does, without it.
type forker struct {
	t         *testing.T
	f         framework
	keeper    *zygote.Keeper
	memoryOf  *remembered
	admission instance.Admission
	loaded    chan instance.Readiness
}

func newForker(t *testing.T, f framework, path string, env []string) *forker {
	t.Helper()
	root, err := shim.Extract(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	in, err := python.Find(t.Context(), python.FindOptions{Explicit: path, Path: os.Getenv("PATH")})
	if err != nil {
		t.Fatal(err)
	}
	dir := copyAgent(t, f.name, nil)
	addPing(t, dir)
	loadedAgent, problems := agent.Load(dir, agent.LoadOptions{})
	if loadedAgent == nil {
		t.Fatal(problems)
	}
	first, err := python.NewInspector(in.Path, root).FirstList(t.Context(), dir, loadedAgent.Manifest.Entrypoints)
	if err != nil {
		t.Fatal(err)
	}
	driver := none.New(none.Options{})
	t.Cleanup(func() { _ = driver.Close() }) // its processes end with it
	environ := append(os.Environ(), env...)
	x := &forker{t: t, f: f, memoryOf: &remembered{list: first}, loaded: make(chan instance.Readiness, 1)}
	start := in.StartEnv(environ, nil)
	x.keeper = zygote.NewKeeper(zygote.Options{
		Driver: driver, Memory: x.memoryOf, OnLog: func(invocation.LogLine) {},
		Zygote: sandbox.Spec{Argv: in.Argv(root, python.RoleZygote), Env: start, Dir: "/"},
		Plain:  sandbox.Spec{Argv: in.Argv(root, python.RoleInstance), Env: start, Dir: "/"},
	})
	t.Cleanup(x.keeper.Close)
	data := t.TempDir()
	x.admission = instance.Admission{
		AgentID: "measured", AgentName: f.name, Dir: dir, DataDir: data,
		Env:    in.AgentEnv(environ, map[string]string{"RUNAGENT_DATA_DIR": data}),
		Limits: instance.AdmittedLimits{ResultBytes: 10 << 20, LogLineBytes: 16 << 10},
	}
	for _, e := range loadedAgent.Manifest.Entrypoints {
		x.admission.Entrypoints = append(x.admission.Entrypoints,
			instance.AdmittedEntrypoint{Tag: e.Tag, File: e.File, Module: e.Module, Type: e.Type})
	}
	return x
}

// start returns a pool of one instance that is ready.
func (x *forker) start(rev string) *instance.Pool {
	x.t.Helper()
	pool, err := new(instance.Pools).Start(x.t.Context(), instance.Spec{
		Revision: rev, Launcher: x.keeper, Admission: x.admission, Size: 1, OnLog: func(invocation.LogLine) {},
		OnReady: func(r instance.Readiness) {
			select {
			case x.loaded <- r:
			default:
			}
		},
	})
	if err != nil {
		x.t.Fatal(err)
	}
	return pool
}

// learn has instances tell the zygote what they load until it imports all that it may.
func (x *forker) learn() {
	x.t.Helper()
	for range 4 {
		pool := x.start("learn")
		found, before := <-x.loaded, x.keeper.Current()
		x.keeper.Observe(found.Modules, found.Inherited)
		pool.Stop(x.t.Context())
		wanted := x.memoryOf.Wanted()
		better := slices.ContainsFunc(found.Modules[found.Inherited:], func(m string) bool { return slices.Contains(wanted, m) })
		if before == nil || !better {
			return
		}
		served.Eventually(x.t, 2*patience, "a better zygote", func() bool { return x.keeper.Current() != before })
	}
}

// memory returns the private memory of a pool's instance, before calls and after 20.
func (x *forker) memory(pool *instance.Pool, rev string) (fresh, used float64) {
	x.t.Helper()
	kwargs, err := json.Marshal(prompt("hello"))
	if err != nil {
		x.t.Fatal(err)
	}
	call := func(tag string, kwargs []byte) []byte {
		out, err := pool.Invoke(x.t.Context(), invocation.Call{
			ID: "00000000-0000-7000-8000-000000000000", Attempt: 1, AgentID: "measured", Revision: rev, Entrypoint: tag,
			Kwargs: kwargs, Deadline: time.Now().Add(patience),
		}, func(invocation.Event) error { return nil })
		if err != nil {
			x.t.Fatalf("%s: %v", tag, err)
		}
		return out.Output
	}
	var who struct {
		PID int `json:"pid"`
	}
	if err := json.Unmarshal(call("ping", []byte("{}")), &who); err != nil {
		x.t.Fatal(err)
	}
	fresh = private(x.t, who.PID)
	for range 20 {
		call("main", kwargs)
	}
	return fresh, private(x.t, who.PID)
}

// private is what a process shares with no other, in MiB.
func private(t *testing.T, pid int) float64 {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "smaps_rollup"))
	if err != nil {
		t.Skipf("needs smaps_rollup: %v", err)
	}
	var sum float64
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); strings.HasPrefix(line, "Private_") {
			kib, err := strconv.ParseFloat(fields[1], 64)
			if err != nil {
				t.Fatal(err)
			}
			sum += kib / 1024
		}
	}
	return sum
}
