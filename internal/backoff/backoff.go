// Package backoff waits longer after each failure.
package backoff

import (
	"context"
	"time"
)

// The bounds of one wait.
const (
	shortest = 100 * time.Millisecond
	longest  = 10 * time.Second
)

// Wait is the series of waits between tries: 100 ms, doubled up to 10 s. Its
// zero value is ready; it has one owner.
type Wait struct{ next time.Duration }

// Reset starts anew, after a success.
func (w *Wait) Reset() { w.next = 0 }

// Fresh reports whether there was no failure since the start or Reset.
func (w *Wait) Fresh() bool { return w.next == 0 }

// Fail counts a failure without waiting.
func (w *Wait) Fail() { w.next = min(max(2*w.next, shortest), longest) }

// Sleep counts a failure, waits, and reports whether ctx still lives.
func (w *Wait) Sleep(ctx context.Context) bool {
	w.Fail()
	t := time.NewTimer(w.next)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
