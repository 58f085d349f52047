package canary_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/runagent/runagent/internal/agent"
	"github.com/runagent/runagent/internal/app/platform/canary"
	"github.com/runagent/runagent/internal/deploy"
	"github.com/runagent/runagent/internal/invocation"
)

// trial is a Watch of one agent whose revision "new" has 10% of the calls for
// five minutes.
type trial struct {
	*canary.Watch
	calls    invocation.Recorder
	mu       sync.Mutex // held while a trial tells something
	began    time.Time
	verdicts []canary.Verdict
	at       time.Duration    // when the last verdict was
	splits   [][]deploy.Share // asked for
	refuse   error            // what the next split ends with
	handed   int              // calls that the next recorder got
}

func (t *trial) Started(invocation.Record)  {}
func (t *trial) Finished(invocation.Record) { t.handed++ }

func revision(id string) *deploy.Revision {
	return &deploy.Revision{ID: id, Agent: &agent.Agent{ID: "a"}}
}

func split() deploy.Split {
	fresh := revision("new")
	return deploy.Split{
		AgentID: "a", Shares: []deploy.Share{{Revision: fresh, Percent: 10}, {Revision: revision("old"), Percent: 90}},
		Fresh: []*deploy.Revision{fresh}, CanaryUntil: time.Now().Add(5 * time.Minute),
	}
}

// pass lets so much of the test's time go by.
func (t *trial) pass(d time.Duration) {
	t.mu.Lock()
	t.mu.Unlock() //nolint:staticcheck // what the test did is before what the trial does
	<-time.After(d)
	synctest.Wait()
	t.mu.Lock()
	t.mu.Unlock() //nolint:staticcheck // and that before what the test does next
}

// begin begins a trial; refuse is what its first split ends with.
func begin(refuse error) *trial {
	t := &trial{began: time.Now(), refuse: refuse}
	t.Watch = canary.New(canary.Options{
		Split: func(_ context.Context, _ string, shares, from []deploy.Share) error {
			t.mu.Lock()
			defer t.mu.Unlock()
			if len(from) != 2 {
				return deploy.ErrTrafficChanged
			}
			t.splits = append(t.splits, shares)
			err := t.refuse
			t.refuse = nil
			return err
		},
		Decided: func(v canary.Verdict) {
			t.mu.Lock()
			defer t.mu.Unlock()
			t.verdicts, t.at = append(t.verdicts, v), time.Since(t.began)
		},
	})
	t.calls = t.Record(t)
	t.Switched(split())
	return t
}

func (t *trial) call(n int, revision string, took time.Duration, status invocation.Status, code string) {
	rec := invocation.Record{AgentID: "a", Revision: revision, Status: status, Timings: invocation.Timings{Total: took}}
	if code != "" {
		rec.Error = json.RawMessage(`{"code":"` + code + `"}`)
	}
	for range n {
		t.calls.Finished(rec)
	}
}

func (t *trial) outcome(tb testing.TB) (id string, percent int, why string) {
	tb.Helper()
	if len(t.verdicts) != 1 || len(t.splits) == 0 {
		tb.Fatalf("verdicts %v after splits %v, want one", t.verdicts, t.splits)
	}
	last := t.splits[len(t.splits)-1]
	if len(last) != 1 {
		tb.Fatalf("split to %v, want one revision", last)
	}
	return last[0].ID, last[0].Percent, t.verdicts[0].Why
}

const ms = time.Millisecond

// trials are calls, who gets all calls then, and why.
var trials = map[string]struct {
	calls func(t *trial)
	gets  string
	why   string
}{
	"no call": {func(*trial) {}, "new", ""},
	"as good as before": {func(t *trial) {
		t.call(90, "old", 10*ms, invocation.Succeeded, "")
		t.call(10, "new", 10*ms, invocation.Succeeded, "")
	}, "new", ""},
	"one failure": {func(t *trial) {
		t.call(90, "old", 10*ms, invocation.Succeeded, "")
		t.call(9, "new", 10*ms, invocation.Succeeded, "")
		t.call(1, "new", 10*ms, invocation.FailedS, "EXECUTION_ERROR")
	}, "new", ""},
	"bad input and hang-ups": {func(t *trial) {
		t.call(90, "old", 10*ms, invocation.Succeeded, "")
		t.call(10, "new", 10*ms, invocation.FailedS, "VALIDATION_ERROR")
		t.call(10, "new", 10*ms, invocation.CanceledS, "CANCELED")
	}, "new", ""},
	"failures": {func(t *trial) {
		t.call(90, "old", 10*ms, invocation.Succeeded, "")
		t.call(10, "new", 10*ms, invocation.FailedS, "EXECUTION_ERROR")
	}, "old", "10 of its 10 calls failed, against 0 of 90"},
	"calls that never end": {func(t *trial) {
		t.call(90, "old", 10*ms, invocation.Succeeded, "")
		t.call(10, "new", time.Minute, invocation.TimedOut, "TIMEOUT_ERROR")
	}, "old", "10 of its 10 calls failed"},
	"slow": {func(t *trial) {
		t.call(90, "old", 10*ms, invocation.Succeeded, "")
		t.call(10, "new", 30*ms, invocation.Succeeded, "")
	}, "old", "99th percentile"},
}

func TestATrialIsDecided(t *testing.T) {
	t.Parallel()
	for name, c := range trials {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				x := begin(nil)
				defer x.Close()
				c.calls(x)
				handed := x.handed
				x.pass(4 * time.Minute)
				if c.why == "" && len(x.verdicts) > 0 {
					t.Fatalf("decided after %v: %v", x.at, x.verdicts)
				}
				x.pass(2 * time.Minute)
				id, percent, why := x.outcome(t)
				if id != c.gets || percent != 100 || !strings.Contains(why, c.why) || (why == "") != (c.why == "") {
					t.Errorf("%d%% went to %q, because %q; want all to %q, because %q", percent, id, why, c.gets, c.why)
				}
				if want := 3 * time.Second; c.why != "" && x.at != want {
					t.Errorf("decided after %v, want the first look, at %v", x.at, want)
				}
				x.call(1, "old", ms, invocation.Succeeded, "")
				if x.handed != handed+1 {
					t.Errorf("%d calls were recorded, want %d", x.handed, handed+1)
				}
			})
		})
	}
}

func TestOthersEndATrial(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*trial){
		"stop":           func(x *trial) { x.End("a") },
		"another switch": func(x *trial) { s := split(); s.Fresh, s.CanaryUntil = nil, time.Time{}; x.Switched(s) },
		"close":          func(x *trial) { x.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				x := begin(nil)
				defer x.Close()
				x.call(90, "old", ms, invocation.Succeeded, "")
				x.call(90, "new", ms, invocation.FailedS, "EXECUTION_ERROR")
				end(x)
				x.pass(time.Hour)
				if len(x.splits)+len(x.verdicts) > 0 {
					t.Errorf("splits %v, verdicts %v after the end", x.splits, x.verdicts)
				}
			})
		})
	}
}

func TestATrialTakesThePlaceOfAnother(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		x := begin(nil)
		defer x.Close()
		x.pass(4 * time.Minute)
		x.Switched(split())
		x.pass(4 * time.Minute)
		if len(x.verdicts) > 0 {
			t.Fatalf("the first trial was decided after %v", x.at)
		}
		x.pass(2 * time.Minute)
		x.outcome(t)
		if want := 9 * time.Minute; x.at != want {
			t.Errorf("decided after %v, want %v", x.at, want)
		}
	})
}

func TestASplitThatFailsIsTriedAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		x := begin(errors.New("disk full"))
		defer x.Close()
		x.pass(time.Hour)
		if id, _, _ := x.outcome(t); id != "new" || len(x.splits) != 2 {
			t.Errorf("splits %v, want two to the new revision", x.splits)
		}
	})
}

func TestATrialWhoseTrafficChangedHasNoVerdict(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		x := begin(nil)
		defer x.Close()
		s := split()
		x.Begin(s.Fresh[0], slices.Concat(s.Shares, s.Shares), s.CanaryUntil)
		x.pass(time.Hour)
		if len(x.verdicts) > 0 {
			t.Errorf("verdicts %v, want none", x.verdicts)
		}
	})
}

func TestATrialWhoseTimeIsOverIsDecidedAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		x := begin(nil)
		defer x.Close()
		s := split()
		x.Begin(s.Fresh[0], s.Shares, time.Now().Add(-time.Hour))
		x.pass(time.Second)
		if id, _, _ := x.outcome(t); id != "new" {
			t.Errorf("%q got all calls, want the new revision", id)
		}
	})
}
