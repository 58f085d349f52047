package deploy

import (
	"fmt"
	"math"
	"time"
)

// Tally is how the calls to a revision went. Its zero value is ready.
type Tally struct {
	// Calls have ended; Failed are those of them that were not the caller's fault.
	Calls, Failed int
	// took counts the calls that did not fail by how long they took: each bucket
	// is a twentieth wider than the one before it.
	took [buckets]int
}

const (
	buckets = 480 // up to four hours
	// step is how much longer the calls of each bucket take.
	step = 1.05
	// shortest is the end of the first bucket.
	shortest = time.Microsecond
)

// Add counts a call.
func (t *Tally) Add(took time.Duration, failed bool) {
	t.Calls++
	if failed {
		t.Failed++
		return
	}
	t.took[bucket(took)]++
}

// Merge adds what o has counted.
func (t *Tally) Merge(o *Tally) {
	t.Calls += o.Calls
	t.Failed += o.Failed
	for i, n := range o.took {
		t.took[i] += n
	}
}

func bucket(took time.Duration) int {
	if took <= shortest {
		return 0
	}
	return min(buckets-1, int(math.Log(float64(took)/float64(shortest))/math.Log(step)))
}

// p99 is the bucket below whose end 99 of 100 calls took.
func (t *Tally) p99() int {
	rest := (t.Calls - t.Failed) / 100
	for i := buckets - 1; i > 0; i-- {
		if rest -= t.took[i]; rest < 0 {
			return i
		}
	}
	return 0
}

// beyond counts the calls that took longer than those of a bucket.
func (t *Tally) beyond(i int) (n int) {
	for _, more := range t.took[i+1:] {
		n += more
	}
	return n
}

func ending(i int) time.Duration {
	return time.Duration(float64(shortest) * math.Pow(step, float64(i+1))).Round(100 * time.Microsecond)
}

// slower is how much longer the 99th percentile must be to count as worse, in
// buckets: a tenth.
const slower = 2

// Worse reports whether fresh does worse than old, and why. It is Fisher's exact
// test, one-sided, at the given level: of the calls that failed, and of the calls
// that took longer than the old revision's 99th percentile, did more fall to the
// fresh one than by chance? The percentile must also be a tenth longer.
func Worse(old, fresh *Tally, level float64) (why string, worse bool) {
	if p := fisher(fresh.Failed, fresh.Calls, old.Failed, old.Calls); p < level {
		return fmt.Sprintf("%d of its %d calls failed, against %d of %d (p = %.2g)", fresh.Failed, fresh.Calls, old.Failed, old.Calls, p), true
	}
	limit := old.p99()
	good, oldGood := fresh.Calls-fresh.Failed, old.Calls-old.Failed
	if fresh.p99() < limit+slower {
		return "", false
	}
	if p := fisher(fresh.beyond(limit), good, old.beyond(limit), oldGood); p < level {
		return fmt.Sprintf("its 99th percentile is %v, against %v: %d of its %d calls took longer than that, of the others %d of %d (p = %.2g)",
			ending(fresh.p99()), ending(limit), fresh.beyond(limit), good, old.beyond(limit), oldGood, p), true
	}
	return "", false
}

// fisher is the probability that, if two groups were alike, at least bad of the
// first n would be among the bad ones.
func fisher(bad, n, otherBad, otherN int) float64 {
	all, allBad := n+otherN, bad+otherBad
	whole := choose(all, allBad)
	p := 0.0
	for k := bad; k <= min(n, allBad); k++ {
		if allBad-k <= otherN {
			p += math.Exp(choose(n, k) + choose(otherN, allBad-k) - whole)
		}
	}
	return min(p, 1)
}

// choose is the logarithm of how many ways there are to take k of n.
func choose(n, k int) float64 {
	lg := func(x int) float64 { v, _ := math.Lgamma(float64(x + 1)); return v }
	return lg(n) - lg(k) - lg(n-k)
}
