package build

import (
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
)

// use marks the environment as used by this Builder until Close, so that no
// other removes it. The mark is a lock that is shared, on a file whose time is
// that of the last use; the kernel takes it back however this process dies.
func (b *Builder) use(ctx context.Context, key string, tell func(string)) error {
	b.mu.Lock()
	_, held := b.used[key]
	b.mu.Unlock()
	if held {
		return nil
	}
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
	if b.used[key] != nil { // another call was faster
		return file.Close()
	}
	b.used[key] = file
	return nil
}

// Close ends the use of all environments that Build gave. It does not end
// those that build.
func (b *Builder) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	var errs []error
	for key, file := range b.used {
		touch(file.Name())
		errs = append(errs, file.Close())
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

// Collect removes the environments that nobody has used for 14 days before
// now, the three used last aside, and returns their keys. One that a living
// Builder uses, of whatever process, stays.
func (b *Builder) Collect(now time.Time) (removed []string, err error) {
	b.mu.Lock()
	for _, file := range b.used {
		touch(file.Name())
	}
	b.mu.Unlock()
	all, err := b.idle()
	if err != nil || len(all) <= keepNewest {
		return nil, err
	}
	var errs []error
	for _, env := range all[keepNewest:] {
		if now.Sub(env.used) < keepUnused {
			continue
		}
		gone, err := b.remove(env)
		if gone {
			removed = append(removed, env.key)
		}
		errs = append(errs, err)
	}
	return removed, errors.Join(errs...)
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
		if !entry.IsDir() || strings.HasPrefix(entry.Name(), ".") {
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
