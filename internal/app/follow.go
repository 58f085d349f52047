package app

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/runagent/runagent/internal/watch"
)

const (
	// soon is how long after a reload a change may be the reload's own doing.
	soon = 2 * time.Second
	// patience is how many reloads in a row may each have changed a file before
	// they are delayed, and slowest the longest delay.
	patience = 10
	slowest  = 30 * time.Second

	repeatedly = "%s has changed with each of the last %d reloads. If the agent writes it while it is imported, have it written elsewhere " +
		"(RUNAGENT_DATA_DIR), or under a name that is no source; until then its changes wait for up to %v"
)

// follower brings changes of a folder into service, one at a time.
type follower struct {
	// reload brings in what has changed, and reports whether that is dealt with,
	// well or badly. It is ended by its context.
	reload func(ctx context.Context, changed []string) bool
	warn   func(text string)
}

// run follows changes until ctx ends. A change that comes while one is being
// brought in ends that one: the newest counts. Files that change with each
// reload, as those do that an agent writes while it is imported, are followed
// ever more slowly, and no reload is ended for them: it would never be over.
func (f follower) run(ctx context.Context, changes <-chan watch.Change) {
	var changed, waiting []string // what is being brought in, and what is still to be
	repeated := repeats{counts: map[string]int{}}
	done := make(chan bool, 1)
	abort, running := func() {}, false
	defer func() {
		abort()
		if running {
			<-done
		}
	}()
	delay := time.NewTimer(0)
	delay.Stop()
	begin := func() {
		abort()
		if running && <-done {
			changed = nil
		}
		delay.Stop()
		changed = slices.Compact(slices.Sorted(slices.Values(append(changed, waiting...))))
		waiting = nil
		reloading, cancel := context.WithCancel(ctx)
		abort, running = cancel, true
		go func(paths []string) { done <- f.reload(reloading, paths) }(slices.Clone(changed)) // begin or the end waits for it
	}
	for {
		select {
		case <-ctx.Done():
			return
		case dealt := <-done:
			running = false
			if dealt {
				changed = nil
			}
			repeated.ended = time.Now()
		case <-delay.C:
			if running {
				delay.Reset(soon) // until it is over
			} else {
				begin()
			}
		case c, ok := <-changes:
			if !ok {
				return
			}
			delayed := len(waiting) > 0
			waiting = append(waiting, c.Paths...)
			wait, first := repeated.note(c.Paths, running)
			if first {
				f.warn(fmt.Sprintf(repeatedly, strings.Join(c.Paths, ", "), patience, slowest))
			}
			switch {
			case wait == 0:
				begin()
			case !delayed:
				delay.Reset(wait)
			}
		}
	}
}

// repeats counts reloads that each have changed the same file.
type repeats struct {
	counts map[string]int // by path
	ended  time.Time      // the last reload
}

// note takes a change and returns how long to wait before it is brought in, 0
// for all but files that keep changing, and whether this one begins to be delayed.
func (r *repeats) note(paths []string, running bool) (wait time.Duration, first bool) {
	own := running || time.Since(r.ended) < soon
	least := 1 << 30
	for _, path := range paths {
		if !own {
			delete(r.counts, path)
		}
		r.counts[path]++
		least = min(least, r.counts[path])
	}
	if least <= patience {
		return 0, false
	}
	return min(time.Second<<min(least-patience-1, 10), slowest), least == patience+1
}
