package build

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// cellar is a Home with environments that were used once.
type cellar struct {
	t    *testing.T
	home string
	now  time.Time
}

func newCellar(t *testing.T) *cellar {
	t.Helper()
	return &cellar{t, t.TempDir(), time.Now()}
}

// put adds an environment that was last used so many days ago.
func (c *cellar) put(key string, days int) {
	c.t.Helper()
	write(c.t, filepath.Join(c.home, "envs", key, marker), "{}")
	c.date(key, days)
}

func (c *cellar) date(key string, days int) {
	c.t.Helper()
	path := filepath.Join(c.home, "envs", key+usedSuffix)
	write(c.t, path, "")
	at := c.now.AddDate(0, 0, -days)
	if err := os.Chtimes(path, at, at); err != nil {
		c.t.Fatal(err)
	}
}

func (c *cellar) builder() *Builder {
	b := New(Options{Home: c.home})
	c.t.Cleanup(func() {
		if err := b.Close(); err != nil {
			c.t.Error(err)
		}
	})
	return b
}

func (c *cellar) use(b *Builder, key string) {
	c.t.Helper()
	if err := b.use(c.t.Context(), key, b.o.Progress); err != nil {
		c.t.Fatal(err)
	}
}

// collect compares what a new Builder removes with want.
func (c *cellar) collect(want ...string) {
	c.t.Helper()
	removed, err := c.builder().Collect(c.now)
	slices.Sort(removed)
	if err != nil || !slices.Equal(removed, want) {
		c.t.Errorf("removed %v, %v, want %v", removed, err, want)
	}
	for _, key := range want {
		if _, err := os.Stat(filepath.Join(c.home, "envs", key)); !missing(err) {
			c.t.Errorf("%s is still there: %v", key, err)
		}
	}
}

func TestCollectRemovesWhatNobodyUses(t *testing.T) {
	t.Parallel()
	c := newCellar(t)
	c.collect() // nothing was ever built
	for key, days := range map[string]int{"a": 1, "b": 13, "c": 13, "d": 13, "e": 15, "f": 100} {
		c.put(key, days)
	}
	c.collect("e", "f")
	c.collect()
}

func TestCollectKeepsTheNewest(t *testing.T) {
	t.Parallel()
	c := newCellar(t)
	for key, days := range map[string]int{"a": 100, "b": 200, "c": 300, "d": 400} {
		c.put(key, days)
	}
	c.collect("d")
}

func TestCollectLeavesWhatIsUsed(t *testing.T) {
	t.Parallel()
	c := newCellar(t)
	for _, key := range []string{"new1", "new2", "new3"} {
		c.put(key, 1)
	}
	c.put("used", 100)
	server := c.builder()
	c.use(server, "used")
	c.date("used", 100) // as if that had been long ago
	c.collect()
	if err := server.Close(); err != nil { // tells of the use until now
		t.Fatal(err)
	}
	c.collect()
	c.date("used", 100)
	c.collect("used")
}

// TestCollectLeavesWhatWasJustUsed: by one who came and went in between.
func TestCollectLeavesWhatWasJustUsed(t *testing.T) {
	t.Parallel()
	c := newCellar(t)
	c.put("old", 100)
	collector := c.builder()
	all, err := collector.idle()
	if err != nil || len(all) != 1 {
		t.Fatal(all, err)
	}
	passer := c.builder()
	c.use(passer, "old")
	if err := passer.Close(); err != nil {
		t.Fatal(err)
	}
	if gone, err := collector.remove(all[0]); gone || err != nil {
		t.Errorf("removed %v, %v", gone, err)
	}
}

func TestCollectStartsTheTimeOfOldOnes(t *testing.T) {
	t.Parallel()
	c := newCellar(t)
	for _, key := range []string{"new1", "new2", "new3", "old"} {
		c.put(key, 1)
	}
	if err := os.Remove(filepath.Join(c.home, "envs", "old"+usedSuffix)); err != nil {
		t.Fatal(err)
	}
	c.collect()
	c.date("old", 20)
	c.collect("old")
}

// TestUseWaitsForTheEndOfARemoval and can be ended.
func TestUseWaitsForTheEndOfARemoval(t *testing.T) {
	t.Parallel()
	c := newCellar(t)
	said := &lines{}
	b := New(Options{Home: c.home, Progress: said.tell})
	remover := c.builder()
	file, err := os.OpenFile(filepath.Join(c.home, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	c.put("key", 1)
	if err := os.Rename(file.Name(), filepath.Join(c.home, "envs", "key"+usedSuffix)); err != nil {
		t.Fatal(err)
	}
	if err := remover.take(t.Context(), file, syscall.LOCK_EX, "", remover.o.Progress); err != nil {
		t.Fatal(err)
	}
	stopped := errors.New("stopped")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(stopped)
	if err := b.use(ctx, "key", b.o.Progress); !errors.Is(err, stopped) || !strings.Contains(said.String(), "were just being removed") {
		t.Errorf("use: %v, said %q", err, said)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	c.use(b, "key")
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestCollectWhereItIsKnownWhatIsNeeded(t *testing.T) {
	t.Parallel()
	c := newCellar(t)
	for key, days := range map[string]int{"a": 1, "b": 2, "c": 3, "live": 90, "used": 90, "old": 90, "given": 90, "ended": 90} {
		c.put(key, days)
	}
	b := c.builder()
	for _, key := range []string{"used", "given", "ended", "ended"} {
		c.use(b, key)
		c.date(key, 90)
	}
	b.Started("ended")
	needs := Needs{Used: []string{"used"}, Live: []string{"live"}}
	collect := func(now time.Time, want ...string) {
		t.Helper()
		removed, err := b.CollectBut(now, needs)
		slices.Sort(removed)
		if err != nil || !slices.Equal(removed, want) {
			t.Errorf("removed %v, %v, want %v", removed, err, want)
		}
	}
	collect(c.now, "old") // what was given just now may be about to start
	b.Started("ended")
	b.Started("none")
	c.date("ended", 90)
	collect(c.now, "ended") // by both who were given it
	// Later what was given and is not used is given back: from then on it ages.
	collect(c.now.Add(2 * startLimit))
	collect(c.now.Add(keepUnused+3*startLimit), "b", "c")
	// Where the disk is short the longest unused go first, what is live last.
	left := 4
	needs.Short = func() bool {
		left--
		return left >= 0
	}
	collect(c.now.Add(keepUnused+3*startLimit), "a", "given", "live")
}

func TestCollectSweepsWhatBelongsToNone(t *testing.T) {
	t.Parallel()
	c := newCellar(t)
	for name, age := range map[string]time.Duration{
		".resolve-1": 2 * keepScratch, ".resolve-2": time.Minute, "k.tmp": 2 * keepScratch, "k" + failedSuffix: 2 * keepUnused, "l" + resolvedSuffix: time.Hour,
	} {
		path := filepath.Join(c.home, "envs", name)
		if strings.HasSuffix(name, failedSuffix) || strings.HasSuffix(name, resolvedSuffix) {
			write(t, path, "x")
		} else if err := os.MkdirAll(path, 0o700); err != nil {
			t.Fatal(err)
		}
		at := c.now.Add(-age)
		if err := os.Chtimes(path, at, at); err != nil {
			t.Fatal(err)
		}
	}
	c.collect()
	entries, err := os.ReadDir(filepath.Join(c.home, "envs"))
	if err != nil || len(entries) != 2 || entries[0].Name() != ".resolve-2" || entries[1].Name() != "l"+resolvedSuffix {
		t.Errorf("left %v, %v", entries, err)
	}
}
