package load

import (
	"errors"
	"sync"
	"testing"
	"time"
)

// fake answers every call after a while.
type fake struct {
	wait   time.Duration
	err    error
	closed *sync.WaitGroup
}

func (f *fake) Call(*Shot) ([]byte, Timing, error) {
	<-time.After(f.wait)
	return []byte("answer"), Timing{First: time.Now()}, f.err
}

func (f *fake) Close() error {
	f.closed.Done()
	return nil
}

func load(t *testing.T, f fake, check func([]byte) error) (Outcome, []string) {
	t.Helper()
	var closed sync.WaitGroup
	closed.Add(4)
	f.closed = &closed
	var story []string
	out := Run(Options{
		Clients: 4, Warm: 20 * time.Millisecond, Window: 200 * time.Millisecond,
		Caller:  func(int) Caller { c := f; return &c },
		Shot:    func(client, _ int) *Shot { return &Shot{Label: []string{"even", "odd"}[client%2], Check: check} },
		Started: func() { story = append(story, "started") },
		Ended:   func() { story = append(story, "ended") },
	})
	closed.Wait()
	return out, story
}

func TestRunCountsWhatTheWindowHeld(t *testing.T) {
	t.Parallel()
	out, story := load(t, fake{wait: 50 * time.Millisecond}, func(body []byte) error {
		if string(body) != "answer" {
			return errors.New("another body")
		}
		return nil
	})
	if out.Errors != 0 || out.Calls < 4 || out.Calls != len(out.Latencies["even"])+len(out.Latencies["odd"]) || len(out.First) != out.Calls {
		t.Errorf("Run = %d calls, %d errors, latencies of %d and %d, first items %d",
			out.Calls, out.Errors, len(out.Latencies["even"]), len(out.Latencies["odd"]), len(out.First))
	}
	// 4 clients of at least 50 ms a call can't do more than 80 a second.
	if out.Rate <= 0 || out.Rate > 80 {
		t.Errorf("Rate = %.1f, want up to 80", out.Rate)
	}
	if len(story) != 2 || story[0] != "started" {
		t.Errorf("hooks ran as %v", story)
	}
}

func TestRunReportsWrongAnswers(t *testing.T) {
	t.Parallel()
	bad := errors.New("not what was asked")
	if out, _ := load(t, fake{wait: time.Millisecond}, func([]byte) error { return bad }); !errors.Is(out.Err, bad) || out.Calls != 0 {
		t.Errorf("a wrong body: %d calls, error %v", out.Calls, out.Err)
	}
	if out, _ := load(t, fake{wait: time.Millisecond, err: bad}, nil); !errors.Is(out.Err, bad) || out.Errors == 0 {
		t.Errorf("a failed call: %d errors, %v", out.Errors, out.Err)
	}
}

func TestPercentile(t *testing.T) {
	t.Parallel()
	var sorted []time.Duration
	for i := range 100 {
		sorted = append(sorted, time.Duration(i))
	}
	for p, want := range map[float64]time.Duration{0: 0, 50: 50, 99: 99, 100: 99} {
		if got := Percentile(sorted, p); got != want {
			t.Errorf("Percentile(%v) = %d, want %d", p, got, want)
		}
	}
	if got := Percentile(nil, 50); got != 0 {
		t.Errorf("Percentile of nothing = %d", got)
	}
}
