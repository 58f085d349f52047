package autoscale

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fleet is what a Loop sees and does.
type fleet struct {
	mu     sync.Mutex // guards all that follows
	loads  []Load
	budget int64
	sizes  map[string]int

	looks chan struct{}
	slept chan string
}

func newFleet(loads ...Load) *fleet {
	return &fleet{loads: loads, budget: -1, sizes: map[string]int{}, looks: make(chan struct{}, 100), slept: make(chan string, 8)}
}

func (f *fleet) Loads() []Load {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.looks <- struct{}{}
	return slices.Clone(f.loads)
}

func (f *fleet) Budget([]Load) int64 { return f.budget }

func (f *fleet) Resize(revision string, size int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.sizes[revision] = size
	for i := range f.loads {
		if f.loads[i].Revision == revision {
			f.loads[i].Ready, f.loads[i].Size = size, size
		}
	}
}

func (f *fleet) Sleep(_ context.Context, revisions []string) { f.slept <- fmt.Sprint(revisions) }

func newTestLoop(f *fleet) (*Loop, func(time.Duration)) {
	var mu sync.Mutex
	now := time.Unix(1e9, 0)
	l := NewLoop(Options{Fleet: f, Every: time.Hour, Log: slog.New(slog.DiscardHandler), Now: func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		return now
	}})
	return l, func(d time.Duration) {
		mu.Lock()
		defer mu.Unlock()
		now = now.Add(d)
	}
}

func busy(agent string, demand float64) Load {
	return Load{Agent: agent, Revision: agent + "1", Sample: Sample{Demand: demand}, Rules: Rules{Max: 10, IdleTimeout: time.Hour}, Ready: 1, Size: 1, Memory: 10}
}

func TestStepScalesByLoadAndMemory(t *testing.T) {
	t.Parallel()
	f := newFleet(busy("a", 6), busy("b", 2))
	l, pass := newTestLoop(f)
	if l.Step(t.Context()) {
		t.Error("nobody waits")
	}
	if got := fmt.Sprint(f.sizes); got != "map[a1:6 b1:2]" {
		t.Errorf("sizes %s", got)
	}
	// There is room for six: who asks for less than its share keeps it.
	f.budget = 60
	pass(SampleEvery)
	l.Step(t.Context())
	if got := fmt.Sprint(f.sizes); got != "map[a1:4 b1:2]" {
		t.Errorf("sizes %s", got)
	}
	f.loads[1].Demand, f.loads[1].Waiting = 8, true
	for range 10 {
		pass(time.Second)
		if !l.Step(t.Context()) {
			t.Error("calls wait")
		}
	}
	if got := fmt.Sprint(f.sizes); got != "map[a1:3 b1:3]" {
		t.Errorf("sizes %s", got)
	}
}

func TestIdleRevisionsAreSentToSleep(t *testing.T) {
	t.Parallel()
	always := busy("b", 0)
	always.Min = 1
	f := newFleet(busy("a", 0), always)
	l, pass := newTestLoop(f)
	now := l.o.Now()
	f.loads[0].LastUsed, f.loads[1].LastUsed = now, now
	l.Step(t.Context())
	pass(2 * time.Hour)
	l.Step(t.Context())
	if got := <-f.slept; got != "[a1]" {
		t.Errorf("%s sleep", got)
	}
	l.sleeps.Wait()
	if len(f.sizes) != 0 {
		t.Errorf("resized: %v", f.sizes)
	}
}

func TestAKickIsALookAndManyAreOne(t *testing.T) {
	t.Parallel()
	f := newFleet()
	l, _ := newTestLoop(f)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- l.Run(ctx) }()
	<-f.looks
	for range 50 {
		l.Kick()
	}
	<-f.looks
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if n := len(f.looks); n > 1 {
		t.Errorf("%d looks more", n)
	}
}

func TestANewRevisionInheritsASize(t *testing.T) {
	t.Parallel()
	f := newFleet()
	l, _ := newTestLoop(f)
	l.Expect("a1", 4)
	l.Step(t.Context()) // it is not there yet
	f.loads = []Load{busy("a", 0)}
	f.loads[0].LastUsed = l.o.Now()
	l.Step(t.Context())
	if got := f.sizes["a1"]; got != 4 {
		t.Errorf("%d instances, want 4", got)
	}
}
