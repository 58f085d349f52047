package folders

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/runagent/runagent/internal/build"
)

// keepLocks is how old a lock must be that no revision has: a deploy under way
// may be about to keep it.
const keepLocks = 24 * time.Hour

// Taken is what the data folder takes on the disk. A file with several names
// counts once; one that vanishes meanwhile, nothing.
func (f Folders) Taken() int64 {
	type inode struct{ device, number uint64 }
	var total int64
	seen := map[inode]bool{}
	_ = filepath.WalkDir(f.Data, func(_ string, d fs.DirEntry, err error) error {
		if err != nil {
			return nil //nolint:nilerr // it is gone
		}
		info, err := d.Info()
		if err != nil {
			return nil //nolint:nilerr // it is gone
		}
		stat, ok := info.Sys().(*syscall.Stat_t)
		if !ok {
			return nil
		}
		if stat.Nlink > 1 && !d.IsDir() {
			id := inode{uint64(stat.Dev), stat.Ino} //nolint:unconvert // signed on other systems
			if seen[id] {
				return nil
			}
			seen[id] = true
		}
		total += stat.Blocks * 512
		return nil
	})
	return total
}

// Cache is the folder of downloaded packages: without it the next environment
// only takes longer.
func (f Folders) Cache() string { return filepath.Join(f.Data, "cache") }

// Locks is the folder of locks.
func (f Folders) Locks() string { return filepath.Join(f.Data, "locks") }

// Lockfile is the file of one of them.
func (f Folders) Lockfile(digest string) string { return build.LockFile(f.Data, digest) }

// RemoveLocksBut removes the locks that are none of the given ones.
func (f Folders) RemoveLocksBut(keep []string, now time.Time) error {
	entries, err := os.ReadDir(f.Locks())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read data folder: %w", err)
	}
	var errs []error
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || now.Sub(info.ModTime()) < keepLocks || slices.Contains(keep, strings.TrimSuffix(e.Name(), ".txt")) {
			continue
		}
		errs = append(errs, os.Remove(filepath.Join(f.Locks(), e.Name())))
	}
	return errors.Join(errs...)
}
