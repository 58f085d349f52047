package app

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/runagent/runagent/internal/watch"
)

// folder is an agent's folder whose reloads take a while and may write files.
type folder struct {
	changes chan watch.Change
	writes  []string // by each reload, when it begins

	mu   sync.Mutex // guards all that follows
	seen seen
}

// seen is what became of the changes.
type seen struct {
	reloads  [][]string
	whole    int // reloads that were not ended
	warnings []string
}

func follow(t *testing.T, writes ...string) *folder {
	f := &folder{changes: make(chan watch.Change), writes: writes}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		follower{f.reload, f.warn}.run(ctx, f.changes)
	}()
	t.Cleanup(func() { cancel(); <-ended })
	return f
}

func (f *folder) reload(ctx context.Context, changed []string) bool {
	f.mu.Lock()
	f.seen.reloads = append(f.seen.reloads, changed)
	f.mu.Unlock()
	for _, path := range f.writes {
		go f.change(ctx, path)
	}
	select {
	case <-ctx.Done():
		return false
	case <-time.After(5 * time.Second):
		f.mu.Lock()
		defer f.mu.Unlock()
		f.seen.whole++
		return true
	}
}

func (f *folder) warn(text string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.seen.warnings = append(f.seen.warnings, text)
}

func (f *folder) change(ctx context.Context, path string) {
	select {
	case <-ctx.Done():
	case f.changes <- watch.Change{Code: true, Paths: []string{path}}:
	}
}

// save changes a file, lets the time pass and returns what was seen so far.
func (f *folder) save(t *testing.T, path string, pass time.Duration) seen {
	f.change(t.Context(), path)
	<-time.After(pass)
	synctest.Wait()
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.seen
}

func TestTheNewestChangeCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := follow(t)
		f.save(t, "a.py", time.Second)
		f.save(t, "b.py", time.Minute)
		got := f.save(t, "a.py", time.Minute)
		want := [][]string{{"a.py"}, {"a.py", "b.py"}, {"a.py"}}
		if !slices.EqualFunc(got.reloads, want, slices.Equal[[]string]) || got.whole != 2 {
			t.Errorf("reloads = %v, %d whole, want %v, 2 whole", got.reloads, got.whole, want)
		}
	})
}

func TestWhatReloadsWriteThemselvesIsFollowedSlowly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := follow(t, "gen.py")
		before := f.save(t, "main.py", 10*time.Minute)
		if n := len(before.reloads); n < patience || n > 50 || before.whole == 0 {
			t.Errorf("%d reloads in ten minutes, %d of them whole", n, before.whole)
		}
		if len(before.warnings) != 1 || !strings.HasPrefix(before.warnings[0], "gen.py has changed") {
			t.Errorf("warnings = %q, want one of gen.py", before.warnings)
		}
		after := f.save(t, "main.py", 0).reloads[len(before.reloads):]
		if len(after) != 1 || !slices.Contains(after[0], "main.py") {
			t.Errorf("a save of another file is not brought in at once: %v", after)
		}
	})
}

func TestSavesInHasteAreAllBroughtIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := follow(t)
		for range 30 {
			f.save(t, "main.py", time.Second)
		}
		delayed := f.save(t, "main.py", time.Minute)
		if delayed.whole == 0 || len(delayed.warnings) != 1 {
			t.Errorf("the last save is not in service: %d whole reloads, warnings %q", delayed.whole, delayed.warnings)
		}
		later := f.save(t, "main.py", 0)
		if len(later.reloads) != len(delayed.reloads)+1 {
			t.Errorf("a save in the calm is not brought in at once: %d reloads, then %d", len(delayed.reloads), len(later.reloads))
		}
	})
}
