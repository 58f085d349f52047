package backoff

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

func TestWaitGrowsAndStartsAnew(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var w Wait
		for _, want := range []time.Duration{100, 200, 400, 800, 1600, 3200, 6400, 10000, 10000} {
			began := time.Now()
			if !w.Sleep(t.Context()) {
				t.Fatal("the wait was cut short")
			}
			if got := time.Since(began); got != want*time.Millisecond {
				t.Errorf("waited %v, want %v", got, want*time.Millisecond)
			}
		}
		w.Reset()
		if !w.Fresh() {
			t.Error("not fresh after Reset")
		}
	})
}

func TestWaitEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if (&Wait{}).Sleep(ctx) {
		t.Error("a wait outlived its context")
	}
}
