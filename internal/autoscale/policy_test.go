package autoscale

import (
	"fmt"
	"math"
	"testing"
	"time"
)

// shape is a load as callers bring it: calls in flight if all were served at
// once, in instances.
type shape struct {
	name string
	last time.Duration
	load func(at time.Duration) float64
	// rules default to 1 to 20 instances that never sleep.
	rules Rules
	// starts is how long an instance takes to be ready.
	starts time.Duration

	// What must come of it: each bound holds from the time it names.
	within  []bound
	changes int // at most so many changes of size
}

type bound struct {
	from, to  time.Duration
	low, high int
	queueless bool // no call waits
}

const minute = time.Minute

// steps is a load that is known at some times and stays in between.
func steps(at map[time.Duration]float64) func(time.Duration) float64 {
	return func(now time.Duration) float64 {
		load, latest := 0.0, time.Duration(-1)
		for t, l := range at {
			if t <= now && t > latest {
				load, latest = l, t
			}
		}
		return load
	}
}

var shapes = []shape{
	{
		name: "step", last: 10 * minute, load: steps(map[time.Duration]float64{0: 0.5, minute: 4.5, 5 * minute: 0.5}),
		within: []bound{
			{0, minute, 1, 1, true}, {minute + 15*time.Second, 5 * minute, 5, 7, true},
			{5 * minute, 6 * minute, 5, 7, true}, // down late
			{9 * minute, 10 * minute, 1, 1, true},
		},
		changes: 8,
	},
	{
		name: "spike", last: 8 * minute, load: steps(map[time.Duration]float64{0: 0.1, minute: 12, minute + 20*time.Second: 0.1}),
		within: []bound{
			{minute + 10*time.Second, minute + 20*time.Second, 9, 16, true},
			{minute + 20*time.Second, 2 * minute, 9, 16, true}, // up only while in panic
			{6 * minute, 8 * minute, 1, 1, true},
		},
		changes: 12,
	},
	{
		name: "ramp", last: 12 * minute,
		load: func(at time.Duration) float64 { return min(10, at.Minutes()) },
		within: []bound{
			{11*minute + 30*time.Second, 12 * minute, 10, 11, true},
		},
		changes: 14,
	},
	{
		name: "sawtooth", last: 20 * minute,
		load: func(at time.Duration) float64 { return 8 * math.Mod(at.Minutes(), 2) / 2 },
		within: []bound{
			{4 * minute, 20 * minute, 4, 9, false}, // it does not follow each tooth down
		},
		changes: 45,
	},
	{
		name: "night", last: 60 * minute, rules: Rules{Min: 0, Max: 20, IdleTimeout: 5 * minute},
		load: steps(map[time.Duration]float64{0: 3.5, 10 * minute: 0, 50 * minute: 3.5}),
		within: []bound{
			{9 * minute, 10 * minute, 4, 4, true}, {14 * minute, 14*minute + 50*time.Second, 1, 1, true},
			{15*minute + 4*time.Second, 50 * minute, 0, 0, true}, {50*minute + 20*time.Second, 60 * minute, 4, 8, true},
		},
		changes: 14,
	},
	{
		name: "slow starts", last: 5 * minute, starts: 20 * time.Second,
		load:    steps(map[time.Duration]float64{0: 0.5, minute: 6}),
		within:  []bound{{2 * minute, 5 * minute, 6, 9, true}},
		changes: 8,
	},
	{
		name: "more than allowed", last: 3 * minute, rules: Rules{Min: 2, Max: 3}, load: steps(map[time.Duration]float64{0: 0, minute: 50}),
		within:  []bound{{5 * time.Second, minute, 2, 2, true}, {minute + 10*time.Second, 3 * minute, 3, 3, false}},
		changes: 2,
	},
}

// slots is how many instances' worth of calls one takes before others wait.
const slots = 1 / Utilisation

// world is a fleet of one revision.
type world struct {
	shape
	policy   Policy
	starting []time.Duration // when those that start are ready
	ready    int
	lastUsed time.Time
}

// size is how many instances there are to be.
func (w *world) size() int { return w.ready + len(w.starting) }

// move brings the world to a time and returns the sample of then.
func (w *world) move(at time.Duration, epoch time.Time) Sample {
	var later []time.Duration
	for _, t := range w.starting {
		if t <= at {
			w.ready++
		} else {
			later = append(later, t)
		}
	}
	w.starting = later
	load := w.load(at)
	now := epoch.Add(at)
	if load > 0 {
		w.lastUsed = now
		if w.size() == 0 { // the call wakes it
			w.ready, w.policy = 1, Policy{}
		}
	}
	return Sample{At: now, Demand: load, Waiting: load > float64(w.ready)*slots, LastUsed: w.lastUsed}
}

func (w *world) resize(to int, at time.Duration) {
	for ; w.size() < to; w.starting = append(w.starting, at+w.starts) {
	}
	for ; w.size() > to && len(w.starting) > 0; w.starting = w.starting[1:] {
	}
	w.ready = min(w.ready, to)
}

// TestLoadShapes plays recorded shapes of load against the policy, with a
// look every two seconds and more often while calls wait, as Loop does.
func TestLoadShapes(t *testing.T) {
	t.Parallel()
	for _, s := range shapes {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			if s.rules.Max == 0 {
				s.rules = Rules{Min: 1, Max: 20}
			}
			if s.starts == 0 {
				s.starts = time.Second
			}
			w := &world{shape: s, ready: 1}
			epoch := time.Unix(1e9, 0)
			w.lastUsed = epoch
			changes, history := 0, ""
			for at := time.Duration(0); at < s.last; {
				sample := w.move(at, epoch)
				if w.size() > 0 {
					w.policy.Observe(sample)
					if size := w.policy.Wanted(w.ready, s.rules); size != w.size() {
						changes++
						history += fmt.Sprintf(" %v:%d", at, size)
						w.resize(size, at)
					}
				}
				for _, b := range s.within {
					if at < b.from || at >= b.to {
						continue
					}
					if n := w.size(); n < b.low || n > b.high {
						t.Fatalf("%d instances at %v, want %d to %d; sizes%s", n, at, b.low, b.high, history)
					}
					if b.queueless && at > b.from && sample.Waiting {
						t.Fatalf("calls wait at %v with %d of %d ready; sizes%s", at, w.ready, w.size(), history)
					}
				}
				if at += SampleEvery; sample.Waiting {
					at += sampleBusy - SampleEvery
				}
			}
			if changes > s.changes {
				t.Errorf("%d changes of size, want at most %d:%s", changes, s.changes, history)
			}
		})
	}
}

func TestASpikeIsAnsweredAtOnce(t *testing.T) {
	t.Parallel()
	var p Policy
	at := time.Unix(1e9, 0)
	look := func(after time.Duration, demand float64, waiting bool, ready int) int {
		at = at.Add(after)
		p.Observe(Sample{At: at, Demand: demand, Waiting: waiting, LastUsed: at})
		return p.Wanted(ready, Rules{Min: 1, Max: 10})
	}
	for range 40 {
		if got := look(2*time.Second, 0.02, false, 1); got != 1 {
			t.Fatalf("%d instances without load", got)
		}
	}
	// 200 calls where 1 instance takes 64, and is to have 45.
	if got := look(time.Second, 4.4, true, 1); got != 1 {
		t.Errorf("%d instances for calls that wait only now", got)
	}
	if got := look(250*time.Millisecond, 4.4, true, 1); got > 2 {
		t.Errorf("%d instances for calls that have waited 250 ms", got)
	}
	if got := look(250*time.Millisecond, 4.4, true, 1); got != 5 {
		t.Errorf("%d instances for calls that have waited 500 ms, want 5", got)
	}
}

func TestARevisionKeepsTheSizeItInherits(t *testing.T) {
	t.Parallel()
	var p Policy
	at := time.Unix(1e9, 0)
	p.Expect(at, 4)
	for range 20 {
		p.Observe(Sample{At: at, LastUsed: at})
		if got := p.Wanted(4, Rules{Max: 10, IdleTimeout: time.Hour}); got != 4 {
			t.Fatalf("%d instances after %v, want 4", got, at.Sub(time.Unix(1e9, 0)))
		}
		at = at.Add(2 * time.Second)
	}
	at = at.Add(time.Minute)
	p.Observe(Sample{At: at, LastUsed: at})
	if got := p.Wanted(4, Rules{Max: 10, IdleTimeout: time.Hour}); got != 1 {
		t.Errorf("%d instances long after, want 1", got)
	}
}

func TestShare(t *testing.T) {
	t.Parallel()
	const mib = 1 << 20
	tests := []struct {
		name   string
		budget int64
		claims []Claim
		want   []int
	}{
		{"all fit", 100 * mib, []Claim{{"a", 1, 3, 10 * mib}, {"b", 1, 2, 20 * mib}}, []int{3, 2}},
		{"two that are busy get the same", 100 * mib, []Claim{{"a", 9, 10, 10 * mib}, {"b", 1, 10, 10 * mib}}, []int{5, 5}},
		{"memory counts, not instances", 120 * mib, []Claim{{"a", 1, 20, 10 * mib}, {"b", 1, 20, 30 * mib}}, []int{6, 2}},
		{"who asks for little gets it", 100 * mib, []Claim{{"a", 1, 2, 10 * mib}, {"b", 1, 20, 10 * mib}}, []int{2, 8}},
		{"revisions of one agent share its part", 80 * mib, []Claim{{"a", 1, 8, 10 * mib}, {"a", 1, 2, 10 * mib}, {"b", 1, 9, 10 * mib}}, []int{3, 1, 4}},
		{"each keeps one", 10 * mib, []Claim{{"a", 4, 4, 10 * mib}, {"b", 1, 1, 10 * mib}}, []int{1, 1}},
		{"who sleeps gets none", 10 * mib, []Claim{{"a", 1, 0, 10 * mib}, {"b", 1, 1, 10 * mib}}, []int{0, 1}},
		{"not measured yet", 0, []Claim{{"a", 1, 2, 0}}, []int{2}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if got := Share(test.budget, test.claims); fmt.Sprint(got) != fmt.Sprint(test.want) {
				t.Errorf("got %v, want %v", got, test.want)
			}
		})
	}
}
