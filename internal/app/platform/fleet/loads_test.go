package fleet

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/runagent/runagent/internal/agent"
	"github.com/runagent/runagent/internal/autoscale"
	"github.com/runagent/runagent/internal/deploy"
	"github.com/runagent/runagent/internal/fault"
	"github.com/runagent/runagent/internal/instance"
	"github.com/runagent/runagent/internal/invocation"
	"github.com/runagent/runagent/internal/store/state"
)

func TestMemoryThatIsShortTakesWhoWasCalledLongestAgo(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	kept := revision("kept", func(m *agent.Manifest) { m.Scaling.MinInstances = 1 })
	for _, rev := range []*deploy.Revision{kept, revision("r1"), revision("r2")} {
		h.serves(rev)
		h.pass(time.Second)
	}
	if n := h.pools.SleepEarly(t.Context(), h.Keeps); n != 1 {
		t.Errorf("%d were sent to sleep, want 1", n)
	}
	h.isAwake("kept", "r2")
	h.nobodyLeft()
	h.answers("r1", invocation.Cold)
}

func TestMemoryBoundsTheSizes(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.serves(revision("r1"))
	h.machine.takes["r1"] = 100
	h.machine.usage["r1"] = instance.Usage{Instances: 1, Wanted: 1, Sync: 10, SyncQueued: 32, SyncSlots: 10, AsyncSlots: 100}
	for _, tt := range []struct {
		name              string
		used, limit, room int64
		size              int
	}{
		{"nothing bounds it", 150, 0, -1, 6},
		{"what is none of theirs is left out", 150, 450, 400, 4},
		{"others take all", 1000, 450, 0, 1},
		{"what was seen is older than what is counted", 50, 450, 450, 4},
	} {
		h.machine.used, h.machine.limit, h.machine.sized["r1"] = tt.used, tt.limit, 1
		if got := h.Budget(h.Loads()); got != tt.room {
			t.Errorf("%s: instances may take %d, want %d", tt.name, got, tt.room)
		}
		h.look()
		if got := h.machine.sized["r1"]; got != tt.size {
			t.Errorf("%s: it was made %d instances, want %d", tt.name, got, tt.size)
		}
	}
}

func TestLoadsSayWhatEachRevisionDoes(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	scaled := func(m *agent.Manifest) {
		m.Scaling.MinInstances, m.Scaling.MaxInstances, m.Scaling.IdleTimeout = 2, 7, time.Hour
	}
	h.serves(revision("r1", scaled))
	h.visits(revision("r2", scaled), revision("webhook"))
	used := h.clock()
	h.pass(time.Second)
	h.machine.takes["r1"] = 100
	h.machine.usage["r1"] = instance.Usage{Instances: 2, Wanted: 3, Sync: 7, AsyncQueued: 35, SyncSlots: 10, AsyncSlots: 100}
	delete(h.machine.usage, "webhook")
	for _, got := range h.Loads() {
		want := map[string]autoscale.Load{
			"r1":      {Ready: 2, Size: 3, Memory: 100, Sample: autoscale.Sample{Demand: 1.5, Waiting: true}, Rules: autoscale.Rules{Min: 2, Max: 7, IdleTimeout: time.Hour}},
			"r2":      {Ready: 1, Size: 1, Rules: autoscale.Rules{Max: 7, IdleTimeout: time.Hour}}, // no one is served by its minimum
			"webhook": {Ready: 1, Size: 1, Rules: autoscale.Rules{Max: 1, IdleTimeout: idle}},
		}[got.Revision]
		want.Agent, want.Revision, want.LastUsed = "a-"+got.Revision, got.Revision, used
		if got != want {
			t.Errorf("got  %+v\nwant %+v", got, want)
		}
	}
	h.machine.answer = func() {
		loads := h.Loads()
		at := slices.IndexFunc(loads, func(l autoscale.Load) bool { return l.Revision == "r2" })
		if got := loads[at].LastUsed; !got.Equal(h.clock()) {
			t.Errorf("what has a call was used at %v, want %v", got, h.clock())
		}
	}
	h.answers("r2", invocation.Hot)
}

func TestInstancesAreMeasuredNowAndThen(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.visits(revision("r1"))
	h.machine.takes["r1"] = 100
	check := func(when string, measured int, bytes int64) {
		t.Helper()
		for range 2 {
			if got := h.InstanceMemory("r1"); got != bytes || h.machine.measured != measured {
				t.Errorf("%s: %d bytes after %d measures, want %d after %d", when, got, h.machine.measured, bytes, measured)
			}
		}
	}
	check("at first", 1, 100)
	h.machine.takes["r1"] = 200
	check("at once", 1, 100)
	h.pass(measureEvery)
	check("later", 2, 200)
	// All its instances have been killed: what they took is no less for that.
	h.machine.takes["r1"] = 0
	h.pass(measureEvery)
	check("without any", 3, 200)
	h.machine.takes["r1"] = 200
	h.Sleep(t.Context(), []string{"r1"})
	h.Loads()
	check("after it slept", 4, 200)
}

func TestWhatAnOwnerSaysGoesFirstAndIsKept(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	rev := revision("r1", func(m *agent.Manifest) {
		m.Scaling.MaxInstances, m.Scaling.Target, m.Scaling.IdleTimeout = 4, 8, time.Hour
	})
	a := rev.Agent
	if err := h.state.RegisterAgent(t.Context(), state.Agent{ID: a.ID, Slug: a.Slug, Name: a.Name}); err != nil {
		t.Fatal(err)
	}
	check := func(when string, f *Fleet, want autoscale.Rules, target float64) {
		t.Helper()
		if got, _ := f.Rules(a); got != want || f.Target(rev) != target {
			t.Errorf("%s: %+v, target %v, want %+v, target %v", when, got, f.Target(rev), want, target)
		}
	}
	check("the manifest", h.Fleet, autoscale.Rules{Max: 4, IdleTimeout: time.Hour}, 8)
	two, five, twenty, short := 2, 5, 20.0, time.Second
	if err := h.Check(state.Scaling{Min: &five}, a); fault.CodeOf(err) != fault.Validation {
		t.Errorf("more at least than at most: %v", err)
	}
	if err := h.Say(t.Context(), a.ID, state.Scaling{Min: &two, Max: &five, Target: &twenty, IdleTimeout: &short}); err != nil {
		t.Fatal(err)
	}
	said := autoscale.Rules{Min: 2, Max: 5, IdleTimeout: time.Second}
	check("the owner", h.Fleet, said, 20)
	check("after a restart", h.fleet(), said, 20)
	if err := h.Say(t.Context(), a.ID, state.Scaling{}); err != nil {
		t.Fatal(err)
	}
	check("taken back", h.Fleet, autoscale.Rules{Max: 4, IdleTimeout: time.Hour}, 8)
	if got, _ := h.Rules(revision("r2").Agent); got != (autoscale.Rules{Max: DefaultMax, IdleTimeout: idle}) {
		t.Errorf("where no one says anything: %+v", got)
	}
}

func TestWhatCanNotBeKeptIsNotSaid(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	two := 2
	if err := h.Say(ctx, "a-r1", state.Scaling{Min: &two}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if h.Said("a-r1").Min != nil {
		t.Error("it holds all the same")
	}
}
