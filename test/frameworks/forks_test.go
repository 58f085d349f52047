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

func (r *remembered) LearnLater(modules []string) (changed bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.list, changed = r.list.LearnLater(modules)
	return changed
}

func (r *remembered) ForgetLater(why string) (changed bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.list, changed = r.list.ForgetLater(why)
	return changed
}

func (r *remembered) Exclude(module, why string) (changed bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.list, changed = r.list.Exclude(module, why)
	return changed
}

// forked is what instances cost that are forked from a zygote which knows what
// they load.
type forked struct {
	// ready is the median from the order to start one until it says that it is.
	ready time.Duration
	// unlearned and learned are medians of an instance's first call: while the
	// zygote has what instances load at their start, and with what calls load too.
	unlearned, learned time.Duration
	// fresh and used are the memory that one shares with nobody, in MiB, when it
	// is ready and after 20 calls.
	fresh, used float64
}

func forks(t *testing.T, f framework, path string, env []string) forked {
	t.Helper()
	x := newForker(t, f, path, env)
	x.learn()
	const rounds = 5
	var m forked
	var ready, before, after []time.Duration
	for range rounds {
		before = append(before, x.firstCall())
	}
	x.learnCalls()
	for range 21 {
		began := time.Now()
		pool := x.start(x.next())
		ready = append(ready, time.Since(began))
		pool.Stop(t.Context())
	}
	for range rounds {
		after = append(after, x.firstCall())
	}
	m.ready, m.unlearned, m.learned = median(ready), median(before), median(after)
	m.fresh, m.used = x.memory()
	return m
}

// forker makes instances of one sample as the server does, without it.
type forker struct {
	t         *testing.T
	f         framework
	keeper    *zygote.Keeper
	memoryOf  *remembered
	admission instance.Admission
	loaded    chan instance.Readiness
	later     chan []string
	revisions int
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
	x := &forker{t: t, f: f, memoryOf: &remembered{list: first}, loaded: make(chan instance.Readiness, 1), later: make(chan []string, 1)}
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
		OnModules: func(names []string) {
			select {
			case x.later <- names:
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

// learnCalls has the calls on an instance tell the zygote what they load, until
// they load nothing more.
func (x *forker) learnCalls() {
	x.t.Helper()
	for range 3 {
		rev := x.next()
		pool, before := x.start(rev), x.keeper.Current()
		x.call(pool, rev, "main")
		var found []string
		select {
		case found = <-x.later:
		case <-time.After(5 * time.Second): // no news of it: it loads nothing
		}
		pool.Stop(x.t.Context())
		known := len(x.memoryOf.Wanted())
		if x.keeper.ObserveLater(found); len(x.memoryOf.Wanted()) == known {
			return
		}
		served.Eventually(x.t, 2*patience, "a better zygote", func() bool { return x.keeper.Current() != before })
	}
}

// next names a revision.
func (x *forker) next() string {
	x.revisions++
	return fmt.Sprintf("rev-%d", x.revisions)
}

// firstCall is how long the first call of a new instance takes.
func (x *forker) firstCall() time.Duration {
	x.t.Helper()
	rev := x.next()
	pool := x.start(rev)
	began := time.Now()
	x.call(pool, rev, "main")
	took := time.Since(began)
	pool.Stop(x.t.Context())
	select {
	case <-x.later: // is for learnCalls
	default:
	}
	return took
}

// call calls an entrypoint of a sample and returns its answer.
func (x *forker) call(pool *instance.Pool, rev, tag string) []byte {
	x.t.Helper()
	kwargs := []byte("{}")
	if tag == "main" {
		var err error
		if kwargs, err = json.Marshal(prompt("hello")); err != nil {
			x.t.Fatal(err)
		}
	}
	out, err := pool.Invoke(x.t.Context(), invocation.Call{
		ID: "00000000-0000-7000-8000-000000000000", Attempt: 1, AgentID: "measured", Revision: rev, Entrypoint: tag,
		Kwargs: kwargs, Deadline: time.Now().Add(patience),
	}, func(invocation.Event) error { return nil })
	if err != nil {
		x.t.Fatalf("%s: %v", tag, err)
	}
	return out.Output
}

// memory returns the private memory of an instance, before calls and after 20.
func (x *forker) memory() (fresh, used float64) {
	x.t.Helper()
	rev := x.next()
	pool := x.start(rev)
	defer pool.Stop(x.t.Context())
	var who struct {
		PID int `json:"pid"`
	}
	if err := json.Unmarshal(x.call(pool, rev, "ping"), &who); err != nil {
		x.t.Fatal(err)
	}
	fresh = private(x.t, who.PID)
	for range 20 {
		x.call(pool, rev, "main")
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
