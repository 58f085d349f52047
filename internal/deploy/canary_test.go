package deploy

import (
	"math"
	"strings"
	"testing"
	"time"
)

// tally is of calls that took about as long as told, some of which failed.
func tally(calls, failed int, took func(i int) time.Duration) *Tally {
	t := &Tally{}
	for i := range calls {
		t.Add(took(i), i < failed)
	}
	return t
}

func flat(d time.Duration) func(int) time.Duration {
	return func(i int) time.Duration { return d + time.Duration(i%50)*d/200 }
}

func TestWorse(t *testing.T) {
	t.Parallel()
	const ms = time.Millisecond
	tails := func(every int, d time.Duration) func(int) time.Duration {
		return func(i int) time.Duration {
			if i%every == every-1 {
				return d
			}
			return flat(100 * ms)(i)
		}
	}
	tests := []struct {
		name       string
		old, fresh *Tally
		why        string
	}{
		{"alike", tally(900, 9, flat(100*ms)), tally(100, 1, flat(100*ms)), ""},
		{"all fail", tally(45, 0, flat(100*ms)), tally(5, 5, flat(100*ms)), "5 of its 5 calls failed, against 0 of 45"},
		{"one of few fails", tally(45, 0, flat(100*ms)), tally(5, 1, flat(100*ms)), ""},
		{"more fail", tally(900, 9, flat(100*ms)), tally(100, 12, flat(100*ms)), "12 of its 100 calls failed, against 9 of 900"},
		{"fewer fail", tally(900, 300, flat(100*ms)), tally(100, 1, flat(100*ms)), ""},
		{"all slower", tally(900, 0, flat(100*ms)), tally(100, 0, flat(200*ms)), "its 99th percentile is"},
		{"a slow tail", tally(1800, 0, flat(100*ms)), tally(200, 0, tails(20, 900*ms)), "10 of its 200 calls took longer"},
		{"both have a tail", tally(1800, 0, tails(20, 900*ms)), tally(200, 0, tails(20, 900*ms)), ""},
		{"a hair slower", tally(9000, 0, flat(100*ms)), tally(1000, 0, flat(103*ms)), ""},
		{"faster", tally(900, 0, flat(100*ms)), tally(100, 0, flat(20*ms)), ""},
		{"nothing to compare with", &Tally{}, tally(10, 10, flat(ms)), ""},
		{"no call yet", tally(900, 0, flat(ms)), &Tally{}, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			why, worse := Worse(test.old, test.fresh, 0.001)
			if worse != (test.why != "") || !strings.Contains(why, test.why) {
				t.Errorf("got %v, %q; want %q", worse, why, test.why)
			}
		})
	}
}

func TestFisher(t *testing.T) {
	t.Parallel()
	// The lady tasting tea: 3 of 4 right, and all 4.
	for _, test := range []struct {
		bad, n, otherBad, otherN int
		want                     float64
	}{{3, 4, 1, 4, 17.0 / 70}, {4, 4, 0, 4, 1.0 / 70}, {0, 10, 0, 10, 1}, {0, 0, 5, 10, 1}} {
		if got := fisher(test.bad, test.n, test.otherBad, test.otherN); math.Abs(got-test.want) > 1e-9 {
			t.Errorf("%+v: got %v", test, got)
		}
	}
}

func TestTallyKnowsItsPercentile(t *testing.T) {
	t.Parallel()
	var a, b Tally
	for i := range 1000 {
		half := &a
		if i%2 == 0 {
			half = &b
		}
		half.Add(time.Duration(i+1)*time.Millisecond, false)
	}
	a.Merge(&b)
	if got := ending(a.p99()); a.Calls != 1000 || got < 990*time.Millisecond || got > 1050*time.Millisecond {
		t.Errorf("p99 of %d calls is %v, want about 990 ms", a.Calls, got)
	}
}
