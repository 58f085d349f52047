package garbage

import (
	"context"
	"runtime"
	"testing"
	"time"
)

// Not parallel: the pace is the process's.
func TestPaceFollowsTheLoad(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- Pace(ctx) }()
	deadline := time.Now().Add(time.Minute)
	var keep [][]byte
	for percent() == usual {
		if keep = append(keep, make([]byte, 64<<10)); len(keep) > 64 {
			keep = nil
		}
		if time.Now().After(deadline) {
			t.Fatal("much garbage has not raised the percentage")
		}
	}
	if got := percent(); got > most {
		t.Errorf("%d percent may be garbage, want at most %d", got, most)
	}
	look := time.NewTicker(10 * time.Millisecond) // the runtime signals no change of it
	defer look.Stop()
	for percent() != usual { // hardly anything is allocated: the load is over
		if now := <-look.C; now.After(deadline) {
			t.Fatal("the percentage stays where it is after the load")
		}
	}
	cancel()
	if err := <-done; err != nil {
		t.Errorf("Pace = %v", err)
	}
}

// Not parallel: the pace is the process's.
func TestCalmLetsGoOfTheProgramsPages(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	calmed := make(chan struct{})
	done := make(chan error, 1)
	go func() {
		done <- pace(ctx, func() error { calmed <- struct{}{}; return nil })
	}()
	<-calmed // the start is over
	runtime.GC()
	<-calmed // and so is what a collection has looked up
	cancel()
	for {
		select {
		case <-calmed: // another test's collection
		case err := <-done:
			if err != nil {
				t.Errorf("pace = %v", err)
			}
			return
		}
	}
}

func TestAllowedIsBounded(t *testing.T) {
	t.Parallel()
	for live, want := range map[uint64]int{0: most, 4 << 20: most, 32 << 20: 200, 1 << 30: usual} {
		if got := allowed(live); got != want {
			t.Errorf("allowed(%d) = %d, want %d", live, got, want)
		}
	}
}
