package main

import (
	"testing"
	"time"
)

func TestSettledAfter(t *testing.T) {
	t.Parallel()
	good, bad, stuck := second{9, time.Second}, second{9, 3 * time.Second}, second{}
	for _, one := range []struct {
		what    string
		seconds []second
		want    int
	}{
		{"good from the first", []second{good, good}, 0},
		{"good from the third", []second{bad, bad, good}, 2},
		{"good, then bad", []second{good, bad, good}, 2},
		{"no call began", []second{bad, stuck, good}, 2},
		{"never good", []second{good, bad}, 2},
	} {
		if got := settledAfter(one.seconds, 2*time.Second); got != one.want {
			t.Errorf("%s: settled after %d s, want %d", one.what, got, one.want)
		}
	}
}
