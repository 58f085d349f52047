// Package autoscale decides how many instances each revision has: by the calls
// in flight and waiting, within the agent's bounds and the memory of the
// machine. Policy and Share decide and know no clock and no process; Loop
// samples and applies.
package autoscale

import (
	"math"
	"time"
)

// What the policy goes by. The windows are those of Knative's autoscaler.
const (
	// StableWindow is what load is averaged over when nothing happens.
	StableWindow = time.Minute
	// PanicWindow is short enough to see a rush while it comes.
	PanicWindow = 6 * time.Second
	// panicAt is how many times more than there is the short window must ask
	// for to cause a panic.
	panicAt = 2
	// backlogAfter is how long calls must have waited for slots to be worth an
	// instance at once: a start takes a tenth of that, and who waits a moment
	// is not helped by it.
	backlogAfter = 500 * time.Millisecond
	// downAfter is how long load must have been low for instances to leave: a
	// start costs more than an idle instance does in that time.
	downAfter = time.Minute
	// Utilisation is how full an instance is to be, of the calls it takes, where
	// no target is given: what is left is for the load of the next seconds.
	Utilisation = 0.7
)

// Rules bound the size of a revision.
type Rules struct {
	// Min and Max are numbers of instances; a Min of 0 lets it sleep.
	Min, Max int
	// IdleTimeout is how long it must have had no call to sleep.
	IdleTimeout time.Duration
}

// Sample is what a revision was doing at one moment.
type Sample struct {
	At time.Time
	// Demand is its calls in flight, open streams included, and those that wait,
	// in instances: 1 is what one is to have at a time.
	Demand float64
	// Waiting says that calls wait for a slot.
	Waiting bool
	// LastUsed is when it last had a call.
	LastUsed time.Time
}

// Policy decides for one revision. The zero value is ready; it is not safe for
// concurrent use.
type Policy struct {
	samples []Sample  // of the stable window, oldest first
	backlog time.Time // since when calls have been waiting; zero if none are

	panicUntil time.Time
	panicSize  int

	past []decision // of downAfter, sizes falling: what may be left only later
}

// decision is a size that load asked for.
type decision struct {
	at   time.Time
	size int
}

// Expect makes the policy keep size instances for a while, whatever it sees:
// what a revision inherits from the one that it replaces.
func (p *Policy) Expect(now time.Time, size int) { p.remember(decision{now, size}) }

// expecting reports whether the policy has seen nothing yet and expects a load.
func (p *Policy) expecting(now time.Time) bool {
	return len(p.samples) == 0 && len(p.past) > 0 && now.Sub(p.past[len(p.past)-1].at) < downAfter
}

// Observe adds a sample; they come in the order of time.
func (p *Policy) Observe(s Sample) {
	switch {
	case !s.Waiting:
		p.backlog = time.Time{}
	case p.backlog.IsZero():
		p.backlog = s.At
	}
	p.samples = append(p.samples, s)
	// One that is older than the window says what was when the window began.
	for len(p.samples) > 2 && p.samples[1].At.Before(s.At.Add(-StableWindow)) {
		p.samples = p.samples[1:]
	}
}

// Wanted says how many instances there should be, where ready take calls now.
// It is 0 when the revision has been idle for long enough to sleep.
func (p *Policy) Wanted(ready int, r Rules) int {
	if len(p.samples) == 0 {
		return within(ready, r)
	}
	last := p.samples[len(p.samples)-1]
	if r.Min == 0 && last.Demand == 0 && last.At.Sub(last.LastUsed) >= r.IdleTimeout {
		return 0
	}
	size := p.byLoad(last.At, ready)
	p.remember(decision{last.At, size})
	for len(p.past) > 1 && last.At.Sub(p.past[0].at) >= downAfter {
		p.past = p.past[1:]
	}
	return within(p.past[0].size, r)
}

// within keeps a size of a revision that is awake inside its bounds.
func within(size int, r Rules) int {
	return max(1, r.Min, min(size, r.Max))
}

// byLoad is the size that the windows ask for.
func (p *Policy) byLoad(now time.Time, ready int) int {
	size := instances(p.average(now.Add(-StableWindow)))
	rush := instances(p.average(now.Add(-PanicWindow)))
	if rush >= panicAt*max(1, ready) {
		p.panicUntil, p.panicSize = now.Add(StableWindow), max(p.panicSize, rush)
	}
	if now.Before(p.panicUntil) { // up only
		p.panicSize = max(p.panicSize, rush)
		size = max(size, p.panicSize)
	} else {
		p.panicSize = 0
	}
	if !p.backlog.IsZero() && now.Sub(p.backlog) >= backlogAfter {
		size = max(size, instances(p.average(later(p.backlog, now.Add(-PanicWindow)))), ready+1)
	}
	return size
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// instances is how many a demand takes.
func instances(demand float64) int {
	// Sums of fractions may lie a little above the whole number they mean.
	return int(math.Ceil(demand - 1e-9))
}

// average is the demand since a time, or since the first sample if that is
// later. Each sample tells of the time since the one before it.
func (p *Policy) average(since time.Time) float64 {
	last := p.samples[len(p.samples)-1]
	since = later(since, p.samples[0].At)
	whole := last.At.Sub(since)
	if whole <= 0 {
		return last.Demand
	}
	sum := 0.0
	for i := len(p.samples) - 1; i > 0 && p.samples[i].At.After(since); i-- {
		sum += p.samples[i].Demand * p.samples[i].At.Sub(later(since, p.samples[i-1].At)).Seconds()
	}
	return sum / whole.Seconds()
}

// remember keeps a decision, and forgets earlier ones that it outdoes.
func (p *Policy) remember(d decision) {
	for len(p.past) > 0 && p.past[len(p.past)-1].size <= d.size {
		p.past = p.past[:len(p.past)-1]
	}
	p.past = append(p.past, d)
}
