package build

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

const (
	// keepUnused is how long an environment is kept that nobody uses.
	keepUnused = 14 * 24 * time.Hour
	// keepNewest is how many are kept however long nobody has used them, so
	// that who comes back finds theirs.
	keepNewest = 3
	usedSuffix = ".used"
	// scratchSuffix ends the names of folders for temporary files, and
	// keepScratch is how old one must be that nobody can be using.
	scratchSuffix = ".tmp"
	keepScratch   = 6 * time.Hour
	// startLimit is longer than it takes from a Build to the first process, for
	// those who don't say Started.
	startLimit = 30 * time.Minute
)

// use marks the environment as used by this Builder until Close, so that no
// other removes it. The mark is a lock that is shared, on a file whose time is
// that of the last use; the kernel takes it back however this process dies.
func (b *Builder) use(ctx context.Context, key string, tell func(string)) error {
	b.mu.Lock()
	if held := b.used[key]; held != nil {
		held.since = time.Now()
		held.starting++
		b.mu.Unlock()
		return nil
	}
	b.mu.Unlock()
	if err := os.MkdirAll(b.envs(), 0o700); err != nil {
		return fmt.Errorf("make the folder: %w", err)
	}
	file, err := os.OpenFile(filepath.Join(b.envs(), key+usedSuffix), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("open: %w", err)
	}
	if err := b.take(ctx, file, syscall.LOCK_SH, "these requirements were just being removed, as nobody used them; waiting for it", tell); err != nil {
		file.Close()
		return err
	}
	touch(file.Name())
	b.mu.Lock()
	defer b.mu.Unlock()
	if held := b.used[key]; held != nil { // another call was faster
		held.starting++
		return file.Close()
	}
	b.used[key] = &usage{file, time.Now(), 1}
	return nil
}

// usage is the mark that an environment is used, since when it is, and how many
// who were given it have not said Started.
type usage struct {
	*os.File
	since    time.Time
	starting int
}

// Started says that one who was given the environment with that key needs it no
// longer, but for processes that Needs names.
func (b *Builder) Started(key string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if held := b.used[key]; held != nil {
		held.starting = max(0, held.starting-1)
	}
}

// Close ends the use of all environments that Build gave. It does not end
// those that build.
func (b *Builder) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	var errs []error
	for key, u := range b.used {
		touch(u.Name())
		errs = append(errs, u.Close())
		delete(b.used, key)
	}
	return errors.Join(errs...)
}

// touch says that a file's environment was used now. If that fails it is only
// removed sooner.
func touch(path string) {
	now := time.Now()
	_ = os.Chtimes(path, now, now)
}

// idle is an environment and when it was last used.
type idle struct {
	key  string
	used time.Time
}

// Needs says which environments are needed, by their keys, where the builder's
// own memory of what it gave is too long: it runs for ever.
type Needs struct {
	// Used have processes. All others are given back, but for those that somebody
	// was given who has not said Started, within 30 minutes.
	Used []string
	// Live are those of revisions that are called: they go only where the disk
	// is short, and are made again when they are called.
	Live []string
	// Short says that the disk is short: while it says so, what is not used is
	// removed however short that has been, the longest first. nil never does.
	Short func() bool
}

// Collect removes the environments that nobody has used for 14 days before
// now, the three used last aside, and returns their keys. One that a living
// Builder uses, of whatever process, stays.
func (b *Builder) Collect(now time.Time) (removed []string, err error) {
	return b.collect(now, Needs{})
}

// CollectBut is Collect where it is known what is needed.
func (b *Builder) CollectBut(now time.Time, needs Needs) (removed []string, err error) {
	b.release(now, needs.Used)
	return b.collect(now, needs)
}

// release gives back the environments that are not among the used ones.
func (b *Builder) release(now time.Time, used []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for key, u := range b.used {
		if !slices.Contains(used, key) && (u.starting == 0 || now.Sub(u.since) > startLimit) {
			_ = u.Close() // the lock goes with the file
			delete(b.used, key)
		}
	}
}

func (b *Builder) collect(now time.Time, needs Needs) (removed []string, err error) {
	b.mu.Lock()
	for _, u := range b.used {
		touch(u.Name())
	}
	b.mu.Unlock()
	all, err := b.idle()
	errs := []error{err, b.sweep(now)}
	drop := func(env idle) {
		gone, err := b.remove(env)
		if gone {
			removed = append(removed, env.key)
		}
		errs = append(errs, err)
	}
	for _, env := range all[min(keepNewest, len(all)):] {
		if now.Sub(env.used) >= keepUnused && live(needs, env) == 0 {
			drop(env)
		}
	}
	slices.SortStableFunc(all, func(x, y idle) int { // the longest unused first, what is live last
		return cmp.Or(cmp.Compare(live(needs, x), live(needs, y)), x.used.Compare(y.used))
	})
	for _, env := range all {
		if needs.Short == nil || !needs.Short() {
			break
		}
		if !slices.Contains(removed, env.key) {
			drop(env)
		}
	}
	return removed, errors.Join(errs...)
}

func live(needs Needs, env idle) int {
	if slices.Contains(needs.Live, env.key) {
		return 1
	}
	return 0
}

// sweep removes what belongs to no environment: temporary folders of those who
// were killed, and what is known of requirements that nobody has asked for.
func (b *Builder) sweep(now time.Time) error {
	entries, err := os.ReadDir(b.envs())
	if missing(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read environments: %w", err)
	}
	var errs []error
	for _, entry := range entries {
		name := entry.Name()
		age := time.Duration(0)
		if info, err := entry.Info(); err == nil {
			age = now.Sub(info.ModTime())
		}
		switch {
		case scratch(name) && age > keepScratch,
			(strings.HasSuffix(name, resolvedSuffix) || strings.HasSuffix(name, failedSuffix)) && age > keepUnused:
			errs = append(errs, os.RemoveAll(filepath.Join(b.envs(), name)))
		}
	}
	return errors.Join(errs...)
}

// scratch reports whether a name is that of something temporary.
func scratch(name string) bool {
	return strings.HasPrefix(name, ".") || strings.HasSuffix(name, scratchSuffix)
}

// idle returns all environments, the one used last first.
func (b *Builder) idle() ([]idle, error) {
	entries, err := os.ReadDir(b.envs())
	if missing(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read environments: %w", err)
	}
	var all []idle
	for _, entry := range entries {
		if !entry.IsDir() || scratch(entry.Name()) {
			continue
		}
		path := filepath.Join(b.envs(), entry.Name()+usedSuffix)
		stat, err := os.Stat(path)
		if missing(err) { // made before uses were noted: its time begins now
			if err = os.WriteFile(path, nil, 0o600); err == nil {
				stat, err = os.Stat(path)
			}
		}
		if err != nil {
			return nil, fmt.Errorf("look for the last use of environment %s: %w", entry.Name(), err)
		}
		all = append(all, idle{entry.Name(), stat.ModTime()})
	}
	slices.SortFunc(all, func(a, b idle) int { return b.used.Compare(a.used) })
	return all, nil
}

// remove removes an environment unless somebody uses or builds it, or has
// used it since it was looked at.
func (b *Builder) remove(env idle) (bool, error) {
	for _, suffix := range []string{usedSuffix, ".lock"} { // in the order of those who use
		file, err := os.OpenFile(filepath.Join(b.envs(), env.key+suffix), os.O_CREATE|os.O_RDWR, 0o600)
		if err != nil {
			return false, fmt.Errorf("lock environment %s: %w", env.key, err)
		}
		defer file.Close()
		err = syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return false, nil
		}
		if err != nil {
			return false, fmt.Errorf("lock environment %s: %w", env.key, err)
		}
		if stat, err := file.Stat(); err == nil && suffix == usedSuffix && stat.ModTime().After(env.used) {
			return false, nil
		}
	}
	dir := filepath.Join(b.envs(), env.key)
	// Without its marker first: half removed, it must not look whole.
	if err := os.Remove(filepath.Join(dir, marker)); err != nil && !missing(err) {
		return false, fmt.Errorf("remove environment %s: %w", env.key, err)
	}
	if err := os.RemoveAll(dir); err != nil {
		return false, fmt.Errorf("remove environment %s: %w", env.key, err)
	}
	return true, nil
}
