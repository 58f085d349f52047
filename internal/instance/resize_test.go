package instance

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/runagent/runagent/internal/instance/instancetest"
)

// awaitUsage waits until the pool's usage is as it should be.
func awaitUsage(t *testing.T, p *Pool, what string, as func(Usage) bool) {
	t.Helper()
	for began := time.Now(); !as(p.Usage()); runtime.Gosched() {
		if time.Since(began) > 10*time.Second {
			t.Fatalf("%s did not happen within 10 s: %+v", what, p.Usage())
		}
	}
}

func settledAt(n int) func(Usage) bool {
	return func(u Usage) bool { return u.Instances == n && u.Leaving == 0 && u.Wanted == n }
}

func TestResizeLosesNoCall(t *testing.T) {
	t.Parallel()
	l := &instancetest.Launcher{Entrypoints: plainEntrypoint, OnCall: func(s *instancetest.Shim, c *instancetest.Call) {
		runtime.Gosched()
		s.Result(c.ID, string(c.Kwargs))
	}}
	p := startPool(t, l, func(s *Spec) { s.SyncSlots = 2 })
	ctx, cancel := context.WithCancel(t.Context())
	var callers sync.WaitGroup
	var answered atomic.Int64
	for range 12 {
		callers.Go(func() {
			for ctx.Err() == nil {
				if res, err := p.Invoke(t.Context(), aCall(`{"x":1}`), discard); err != nil || string(res.Output) != `{"x":1}` {
					t.Errorf("%s, %v", res.Output, err)
					return
				}
				answered.Add(1)
			}
		})
	}
	for i := range 40 {
		size := 1 + i*5%7
		p.Resize(size)
		if i%4 == 0 {
			awaitUsage(t, p, "the new size", settledAt(size))
		}
	}
	p.Resize(1)
	awaitUsage(t, p, "the last size", settledAt(1))
	cancel()
	callers.Wait()
	if answered.Load() == 0 {
		t.Error("no call was made")
	}
}

func TestTheLeastBusyLeavesWhenItsCallsHaveEnded(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	began := make(chan *instancetest.Shim, 3)
	l := &instancetest.Launcher{Entrypoints: plainEntrypoint, OnCall: func(s *instancetest.Shim, c *instancetest.Call) {
		began <- s
		<-release
		s.Result(c.ID, "1")
	}}
	p := startPool(t, l, func(s *Spec) { s.SyncSlots = 2 })
	p.Resize(2)
	awaitUsage(t, p, "two instances", settledAt(2))
	// Three calls: one instance gets two of them, the other one.
	var calls sync.WaitGroup
	count := map[*instancetest.Shim]int{}
	for range 3 {
		calls.Go(func() {
			if _, err := p.Invoke(t.Context(), aCall(`{}`), discard); err != nil {
				t.Error(err)
			}
		})
		count[within(t, began, "a call")]++
	}
	p.Resize(1)
	if u := p.Usage(); u.Instances != 1 || u.Leaving != 1 || u.InFlight() != 3 {
		t.Errorf("%+v", u)
	}
	p.mu.Lock()
	if n := p.leaving[0].calls(); n != 1 {
		t.Errorf("the one with %d calls leaves, want the one with 1: %v", n, count)
	}
	p.mu.Unlock()
	close(release)
	calls.Wait()
	awaitUsage(t, p, "its end", settledAt(1))
}

func TestStopWaitsForThoseThatLeave(t *testing.T) {
	t.Parallel()
	release, began := make(chan struct{}), make(chan struct{})
	l := &instancetest.Launcher{Entrypoints: plainEntrypoint, OnCall: func(s *instancetest.Shim, c *instancetest.Call) {
		close(began)
		<-release
		s.Result(c.ID, "1")
	}}
	p := startPool(t, l, nil)
	answered := make(chan error, 1)
	go func() {
		_, err := p.Invoke(t.Context(), aCall(`{}`), discard)
		answered <- err
	}()
	<-began
	p.mu.Lock()
	p.dismiss(p.seats[0])
	p.mu.Unlock()
	stopped := make(chan struct{})
	go func() { p.Stop(t.Context()); close(stopped) }()
	close(release)
	if err := within(t, answered, "the answer"); err != nil {
		t.Error(err)
	}
	within(t, stopped, "the stop")
}

func TestAPoolShrinksWhileItsInstancesStart(t *testing.T) {
	t.Parallel()
	l := &instancetest.Launcher{Entrypoints: plainEntrypoint, OnCall: func(s *instancetest.Shim, c *instancetest.Call) { s.Result(c.ID, "1") }}
	p := startPool(t, l, nil)
	for range 20 {
		p.Resize(9)
		p.Resize(3)
		p.Resize(5)
		p.Resize(2)
	}
	awaitUsage(t, p, "two instances", settledAt(2))
	if _, err := p.Invoke(t.Context(), aCall(`{}`), discard); err != nil {
		t.Error(err)
	}
}

func TestQueuedCallsAreTold(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	l := &instancetest.Launcher{Entrypoints: plainEntrypoint, OnCall: func(s *instancetest.Shim, c *instancetest.Call) {
		<-release
		s.Result(c.ID, "1")
	}}
	told := make(chan struct{}, 8)
	p := startPool(t, l, func(s *Spec) { s.SyncSlots, s.OnQueue = 1, func() { told <- struct{}{} } })
	var calls sync.WaitGroup
	for range 2 {
		calls.Go(func() {
			if _, err := p.Invoke(t.Context(), aCall(`{}`), discard); err != nil {
				t.Error(err)
			}
		})
	}
	within(t, told, "word of the queue")
	if u := p.Usage(); u.SyncQueued != 1 || u.Sync != 1 || u.SyncSlots != 1 {
		t.Errorf("%+v", u)
	}
	p.Resize(2) // the call that waits goes to the new one
	awaitUsage(t, p, "an empty queue", func(u Usage) bool { return u.Queued() == 0 && u.Sync == 2 })
	close(release)
	calls.Wait()
}
