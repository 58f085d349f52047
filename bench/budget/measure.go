package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/runagent/runagent/bench/proctree"
)

const (
	starts = 5
	saves  = 20
	// together is how many instances are served to see what each further one holds.
	together = 5
)

func (m *machine) function(ctx context.Context) ([]figure, error) {
	return m.story(ctx, story{agent: "function", name: "one function", ready: 15, private: 3, idle: 50, start: 0.35})
}

func (m *machine) graph(ctx context.Context) ([]figure, error) {
	own, err := m.imports(ctx, "graph")
	if err != nil {
		return nil, err
	}
	return m.story(ctx, story{
		agent: "graph", name: "LangGraph graph", ready: 30, private: 8, start: own + 0.5,
		startNote: fmt.Sprintf("its own imports take %.2f s", own),
	})
}

func (m *machine) openai(ctx context.Context) ([]figure, error) {
	own, err := m.imports(ctx, "openai")
	if err != nil {
		return nil, err
	}
	return m.story(ctx, story{
		agent: "openai", name: "LangGraph + ChatOpenAI", ready: 150, save: 0.2, start: own + 0.5,
		startNote: fmt.Sprintf("its own imports take %.2f s", own),
	})
}

// story is an agent and its limits: seconds, milliseconds and MiB; 0: none.
type story struct {
	agent, name                       string
	start, save, ready, private, idle float64
	startNote                         string
}

// story serves the agent until its zygote has learned, starts it some times,
// saves it some times, and looks at what its processes hold.
func (m *machine) story(ctx context.Context, y story) (found []figure, err error) {
	home, err := m.home()
	if err != nil {
		return nil, err
	}
	add := func(what, unit string, got, most float64, note string) {
		if most > 0 {
			found = append(found, figure{what: y.name + ": " + what, unit: unit, got: got, most: most, note: note})
		}
	}
	first, err := m.started(ctx, y.agent, home) // the zygote learns what to import
	if err != nil {
		return nil, err
	}
	var took []time.Duration
	for range starts {
		d, err := m.started(ctx, y.agent, home)
		if err != nil {
			return nil, err
		}
		took = append(took, d)
	}
	add("process start → first 200", "s", median(took).Seconds(), y.start,
		strings.TrimPrefix(fmt.Sprintf("%s; median of %d; %.2f s the first time", y.startNote, starts, first.Seconds()), "; "))
	saved, ready, pss, err := m.saved(ctx, y.agent, home)
	if err != nil {
		return nil, err
	}
	add("save → new code answers", "s", median(saved).Seconds(), y.save, spread(saved))
	add("zygote → ready", "ms", median(ready).Seconds()*1000, y.ready, spread(ready))
	add("whole tree, idle (PSS)", "MiB", mib(pss), y.idle, "")
	private, err := m.private(ctx, y.agent, home)
	if err != nil {
		return nil, err
	}
	add("private memory of each further instance", "MiB", mib(private), y.private, fmt.Sprintf("median of %d", together-1))
	return found, nil
}

// started serves the agent once, until it is at rest, and says how long its start took.
func (m *machine) started(ctx context.Context, agent, home string) (time.Duration, error) {
	s, err := m.serve(ctx, agent, home)
	if err != nil {
		return 0, err
	}
	defer s.stop()
	return s.took, s.settle(ctx)
}

// saved saves the agent's file again and again. ready are the instances that the saves started.
func (m *machine) saved(ctx context.Context, agent, home string) (took, ready []time.Duration, pss int64, err error) {
	s, err := m.serve(ctx, agent, home)
	if err != nil {
		return nil, nil, 0, err
	}
	defer s.stop()
	if err := s.settle(ctx); err != nil {
		return nil, nil, 0, err
	}
	u, err := proctree.Read(s.cmd.Process.Pid)
	if err != nil {
		return nil, nil, 0, err
	}
	for n := range saves {
		d, err := s.save(ctx, n+1)
		if err != nil {
			return nil, nil, 0, err
		}
		took = append(took, d)
		pause(ctx, 200*time.Millisecond) // what the save replaced ends
	}
	ready, err = s.readies()
	if err != nil {
		return nil, nil, 0, err
	}
	if len(ready) < saves {
		return nil, nil, 0, fmt.Errorf("%d instances were forked for %d saves", len(ready), saves)
	}
	return took, ready[len(ready)-saves:], u.PSS, nil
}

// private serves several instances; the first of them has described the agent, which the others need not.
func (m *machine) private(ctx context.Context, agent, home string) (int64, error) {
	s, err := m.serve(ctx, agent, home, "--instances", strconv.Itoa(together))
	if err != nil {
		return 0, err
	}
	defer s.stop()
	if err := s.settle(ctx); err != nil {
		return 0, err
	}
	forked, err := proctree.Forked(s.cmd.Process.Pid)
	if err != nil {
		return 0, err
	}
	if len(forked) != together {
		return 0, fmt.Errorf("%d instances were forked, want %d", len(forked), together)
	}
	var sizes []int64
	for _, pid := range forked[1:] {
		size, err := proctree.Private(pid)
		if err != nil {
			return 0, err
		}
		sizes = append(sizes, size)
	}
	slices.Sort(sizes)
	return sizes[len(sizes)/2], nil
}

// imports measures how long the agent's file takes to import in a Python of its own, in seconds.
func (m *machine) imports(ctx context.Context, agent string) (float64, error) {
	var took []time.Duration
	for range 3 {
		cmd := exec.CommandContext(ctx, m.python, "-c", "import time; t = time.perf_counter(); import main; print(time.perf_counter() - t)")
		cmd.Dir = filepath.Join(m.bench, "budget", "agents", agent)
		cmd.Env = append(os.Environ(), "PYTHONDONTWRITEBYTECODE=1")
		out, err := cmd.Output()
		if err != nil {
			return 0, fmt.Errorf("import the agent: %w", err)
		}
		seconds, err := strconv.ParseFloat(strings.TrimSpace(string(out)), 64)
		if err != nil {
			return 0, fmt.Errorf("import the agent: %w", err)
		}
		took = append(took, time.Duration(seconds*float64(time.Second)))
	}
	return median(took).Seconds(), nil
}

// What a server may hold more after many calls than after some: what pools keep.
const (
	moreMemory     = 8 // MiB
	moreFiles      = 4
	moreThreads    = 4
	moreGoroutines = 4
	warmCalls      = 5_000
	loadClients    = 64
)

// load compares what a server holds after many calls with what it held after some.
func (m *machine) load(ctx context.Context, calls int) ([]figure, error) {
	some, few, err := m.loaded(ctx, warmCalls, 0)
	if err != nil {
		return nil, err
	}
	before, after, err := m.vitals(ctx, calls)
	if err != nil {
		return nil, err
	}
	many, most, err := m.loaded(ctx, warmCalls, calls)
	if err != nil {
		return nil, err
	}
	name := fmt.Sprintf("%d calls of %d clients, then idle: ", calls, loadClients)
	return []figure{
		{what: name + "more memory (PSS)", unit: "MiB", got: mib(after.PSS - before.PSS), most: moreMemory, note: before.String() + " → " + after.String()},
		{what: name + "more descriptors", got: float64(after.Files - before.Files), most: moreFiles},
		{what: name + "more threads", got: float64(after.Threads - before.Threads), most: moreThreads},
		{what: name + "more goroutines", got: float64(most - few), most: moreGoroutines, note: fmt.Sprintf("%d after %d calls, %d after %d", few, some, most, many)},
	}, nil
}

// vitals reads what a server holds after some calls, and after many more.
func (m *machine) vitals(ctx context.Context, calls int) (before, after proctree.Vitals, err error) {
	s, err := m.loadedServer(ctx, warmCalls)
	if err != nil {
		return before, after, err
	}
	defer s.stop()
	if before, err = proctree.ReadVitals(s.cmd.Process.Pid); err != nil {
		return before, after, err
	}
	if err := s.hammer(ctx, calls); err != nil {
		return before, after, err
	}
	after, err = proctree.ReadVitals(s.cmd.Process.Pid)
	return before, after, err
}

// loaded makes calls and then has the server leave a dump of its goroutines, which it does not survive.
func (m *machine) loaded(ctx context.Context, first, then int) (calls, goroutines int, err error) {
	s, err := m.loadedServer(ctx, first)
	if err != nil {
		return 0, 0, err
	}
	defer s.stop()
	if err := s.hammer(ctx, then); err != nil {
		return 0, 0, err
	}
	if err := s.cmd.Process.Signal(syscall.SIGQUIT); err != nil {
		return 0, 0, err
	}
	<-s.ended
	dump, err := os.ReadFile(s.log)
	return first + then, proctree.Goroutines(string(dump)), err
}

func (m *machine) loadedServer(ctx context.Context, calls int) (*server, error) {
	home, err := m.home()
	if err != nil {
		return nil, err
	}
	s, err := m.serve(ctx, "function", home)
	if err != nil {
		return nil, err
	}
	// At rest first: the program's pages that calls need come back with them, once.
	if err := s.settle(ctx); err != nil {
		s.stop()
		return nil, err
	}
	if err := s.hammer(ctx, calls); err != nil {
		s.stop()
		return nil, err
	}
	return s, nil
}

// hammer makes so many calls by many clients, leaves, and waits until the server is at rest.
func (s *server) hammer(ctx context.Context, calls int) error {
	todo := make(chan struct{}, calls)
	for range calls {
		todo <- struct{}{}
	}
	close(todo)
	failed := make(chan error, loadClients)
	var clients sync.WaitGroup
	for range loadClients {
		clients.Go(func() {
			for range todo {
				if _, err := s.call(ctx); err != nil {
					failed <- err
					return
				}
			}
		})
	}
	clients.Wait()
	s.client.CloseIdleConnections()
	select {
	case err := <-failed:
		return err
	default:
		return s.settle(ctx)
	}
}

func median(list []time.Duration) time.Duration {
	if len(list) == 0 {
		return 0
	}
	return slices.Sorted(slices.Values(list))[len(list)/2]
}

func spread(list []time.Duration) string {
	return fmt.Sprintf("median of %d, from %v to %v", len(list), slices.Min(list).Round(time.Millisecond), slices.Max(list).Round(time.Millisecond))
}

func mib(bytes int64) float64 { return float64(bytes) / (1 << 20) }

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}
