package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"testing"

	"github.com/runagent/runagent/internal/agent"
	"github.com/runagent/runagent/internal/build"
	"github.com/runagent/runagent/internal/deploy"
	"github.com/runagent/runagent/internal/runtime/python"
	"github.com/runagent/runagent/internal/sandbox"
)

// noProcesses is a driver whose zygotes exist only in the test.
type noProcesses struct{ sandbox.Driver }

func (noProcesses) Capabilities() sandbox.Capabilities {
	return sandbox.Capabilities{Fork: true, Freeze: true}
}

func (noProcesses) StartZygote(context.Context, sandbox.Spec) (sandbox.Zygote, error) {
	return &noZygote{done: make(chan struct{})}, nil
}

// noZygote is a zygote of 20 MB.
type noZygote struct {
	sandbox.Zygote
	once sync.Once
	done chan struct{}
}

func (z *noZygote) Done() <-chan struct{} { return z.done }
func (z *noZygote) Kill()                 { z.once.Do(func() { close(z.done) }) }
func (z *noZygote) Memory() int64         { return 20e6 }
func (z *noZygote) Freeze() error         { return nil }
func (z *noZygote) Thaw() error           { return nil }
func (z *noZygote) Import(context.Context, []string) (sandbox.Imported, error) {
	return sandbox.Imported{}, nil
}

// herd is a driver whose zygotes end once all of them were killed.
type herd struct {
	noProcesses
	left sync.WaitGroup
	done chan struct{}
}

func newHerd(size int) *herd {
	h := &herd{done: make(chan struct{})}
	h.left.Add(size)
	go func() {
		h.left.Wait()
		close(h.done)
	}()
	return h
}

func (h *herd) StartZygote(context.Context, sandbox.Spec) (sandbox.Zygote, error) {
	return &ofHerd{noZygote: noZygote{done: h.done}, herd: h}, nil
}

type ofHerd struct {
	noZygote
	herd *herd
}

func (z *ofHerd) Kill() { z.once.Do(z.herd.left.Done) }

// newTestEnvironments are of agents that need no requirements; no process is
// started.
func newTestEnvironments(t *testing.T, driver sandbox.Driver) *environments {
	t.Helper()
	home := t.TempDir()
	b, _ := newTestLogbook(t, newPath(t))
	e := newEnvironments(Options{Home: home, Deployed: true, Logs: b, Log: slog.New(slog.DiscardHandler)}, driver)
	e.built["k"] = &python.Interpreter{Path: "/nowhere/python", Version: python.Version{Major: 3, Minor: 11}}
	t.Cleanup(func() {
		if err := e.close(); err != nil {
			t.Error(err)
		}
	})
	return e
}

// warmed are so many revisions, each with a zygote of its own.
func warmed(t *testing.T, e *environments, n int) []*deploy.Revision {
	t.Helper()
	revs := make([]*deploy.Revision, n)
	for i := range revs {
		revs[i] = &deploy.Revision{
			ID: fmt.Sprint("r", i), Environment: deploy.Environment{Key: "k"},
			Agent: &agent.Agent{ID: fmt.Sprint("a", i), Dir: t.TempDir(), Manifest: &agent.Manifest{}},
		}
		e.zygotes(revs[i])
		for !e.warm(revs[i]) {
			runtime.Gosched()
		}
	}
	return revs
}

func TestZygotesUsedLongestAgoGoFirst(t *testing.T) {
	t.Parallel()
	e := newTestEnvironments(t, noProcesses{})
	revs := warmed(t, e, 4)
	e.zygotes(revs[1]) // used again
	e.rest(revs[:1])
	if all, frozen := e.count(); all != 4 || frozen != 3 {
		t.Errorf("%d of %d zygotes are frozen, want 3 of 4", frozen, all)
	}
	warm := func() (names string) {
		for _, rev := range revs {
			if e.warm(rev) {
				names += rev.ID + " "
			}
		}
		return names
	}
	for _, step := range []struct {
		bytes, freed int64
		left         string
	}{
		{1, 20e6, "r0 r1 r3 "},
		{21e6, 40e6, "r0 "}, // r0 is needed, so r1 and r3 went first
		{1e9, 20e6, ""},
		{1e9, 0, ""},
	} {
		if freed, _ := e.evict(revs[:1], step.bytes); freed != step.freed || warm() != step.left {
			t.Errorf("%d bytes came back and %q are left, want %d and %q", freed, warm(), step.freed, step.left)
		}
	}
}

func TestZygotesEndAllAtOnce(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*environments){
		"to make room": func(e *environments) {
			if _, ended := e.evict(nil, 60e6); ended != 3 {
				t.Errorf("%d zygotes were ended, want 3", ended)
			}
		},
		"with the platform": func(e *environments) { e.retain(nil) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := newTestEnvironments(t, newHerd(3))
			warmed(t, e, 3)
			end(e)
			if all, _ := e.count(); all != 0 {
				t.Errorf("%d zygotes are left", all)
			}
		})
	}
}

func TestWhatAnAgentImportsIsKnownToLaterStarts(t *testing.T) {
	t.Parallel()
	e := newTestEnvironments(t, noProcesses{})
	rev := &deploy.Revision{Environment: deploy.Environment{Key: "k"}, Agent: &agent.Agent{ID: "a", Manifest: &agent.Manifest{}}}
	looks := 0
	start := func(loads ...string) []string {
		m := e.memory(rev, e.built["k"])
		m.first = func() python.ImportList {
			looks++
			return python.ImportList{}
		}
		wanted := m.Wanted()
		m.Learn(loads)
		return wanted
	}
	for range 3 {
		if wanted := start(); len(wanted) > 0 {
			t.Errorf("a zygote of an agent that imports nothing imports %q", wanted)
		}
	}
	if looks != 1 {
		t.Errorf("the sources were looked at %d times, want once", looks)
	}
	start("json")
	if wanted := start("json"); len(wanted) != 1 || looks != 1 {
		t.Errorf("after json was seen a zygote imports %q, and the sources were looked at %d times", wanted, looks)
	}
}

func TestAnInterpreterIsAskedOnceByAllThatWakeAtOnce(t *testing.T) {
	t.Parallel()
	e := newTestEnvironments(t, noProcesses{})
	e.o.Python = filepath.Join(t.TempDir(), "python")
	script := "#!/bin/sh\necho asked >> \"$0.log\"\nprintf 'cpython\\n3 11 7\\n\\n/usr\\n/usr\\n/usr\\nlinux\\n'\n"
	if err := os.WriteFile(e.o.Python, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	var callers sync.WaitGroup
	together := make(chan struct{})
	for range 16 {
		callers.Go(func() {
			<-together
			if in, err := e.find(t.Context(), &agent.Agent{Manifest: &agent.Manifest{}}); err != nil || in.Path != e.o.Python {
				t.Errorf("found %+v, %v", in, err)
			}
		})
	}
	close(together)
	callers.Wait()
	if asked, err := os.ReadFile(e.o.Python + ".log"); err != nil || string(asked) != "asked\n" {
		t.Errorf("the interpreter was %q, %v, want once", asked, err)
	}
}

// TestOneThatGivesUpTakesNoInterpreterFromOthers ends the context of the first
// of two callers while the interpreter has not answered.
func TestOneThatGivesUpTakesNoInterpreterFromOthers(t *testing.T) {
	t.Parallel()
	e := newTestEnvironments(t, noProcesses{})
	e.o.Python = filepath.Join(t.TempDir(), "python")
	script := "#!/bin/sh\nread go < \"$0.go\"\nprintf 'cpython\\n3 11 7\\n\\n/usr\\n/usr\\n/usr\\nlinux\\n'\n"
	if err := os.WriteFile(e.o.Python, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(e.o.Python+".go", 0o600); err != nil {
		t.Fatal(err)
	}
	find := func(ctx context.Context) <-chan error {
		found := make(chan error, 1)
		go func() {
			_, err := e.find(ctx, &agent.Agent{Manifest: &agent.Manifest{}})
			found <- err
		}()
		return found
	}
	ctx, giveUp := context.WithCancel(t.Context())
	first := find(ctx)
	answer, err := os.OpenFile(e.o.Python+".go", os.O_WRONLY, 0) // waits until it is asked
	if err != nil {
		t.Fatal(err)
	}
	second := find(t.Context())
	giveUp()
	if err := <-first; !errors.Is(err, context.Canceled) {
		t.Errorf("the first got %v, want that it was canceled", err)
	}
	if _, err := answer.WriteString("now\n"); err != nil {
		t.Error(err)
	}
	answer.Close()
	if err := <-second; err != nil {
		t.Errorf("the second got %v", err)
	}
}

func TestVariables(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]bool{"OPENAI_API_KEY": true, "db_password": true, "MOOD": false, "Token": true} {
		if LooksSecret(name) != want {
			t.Errorf("LooksSecret(%s) = %v", name, !want)
		}
	}
	if v, ok := Lookup([]string{"A=1", "AB=2", "A=3"}, "A"); !ok || v != "3" {
		t.Errorf("%q, %v", v, ok)
	}
	if _, ok := Lookup([]string{"AB=2"}, "A"); ok {
		t.Error("found a variable that is not there")
	}
}

// TestZygotesOfWhatNobodyCallsEndWhereTheDiskIsShort, for they keep environments.
func TestZygotesOfWhatNobodyCallsEndWhereTheDiskIsShort(t *testing.T) {
	t.Parallel()
	e := newTestEnvironments(t, noProcesses{})
	for _, key := range []string{"used", "live", "retired"} {
		e.built[key] = e.built["k"]
	}
	revs := make([]*deploy.Revision, 0, 3)
	for _, key := range []string{"used", "live", "retired"} {
		rev := &deploy.Revision{ID: key, Environment: deploy.Environment{Key: key}, Agent: &agent.Agent{ID: "a", Dir: t.TempDir(), Manifest: &agent.Manifest{}}}
		e.zygotes(rev)
		for !e.warm(rev) {
			runtime.Gosched()
		}
		revs = append(revs, rev)
	}
	short := false
	for _, want := range []string{"true true true", "true true false"} {
		e.collectBut(build.Needs{Used: []string{"used"}, Live: []string{"live"}, Short: func() bool { return short }})
		if got := fmt.Sprint(e.warm(revs[0]), " ", e.warm(revs[1]), " ", e.warm(revs[2])); got != want {
			t.Errorf("short: %t: warm are %s, want %s", short, got, want)
		}
		short = true
	}
}
