package folders

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/runagent/runagent/api"
)

// Usage is how much of the disk the data folder takes, and how much is left.
// Files that several folders share count once.
func (f Folders) Usage(ctx context.Context) (api.PlatformDisk, error) {
	var u api.PlatformDisk
	entries, err := os.ReadDir(f.Data)
	if err != nil {
		return u, err
	}
	seen := map[uint64]bool{}
	for _, e := range entries {
		size, err := usage(ctx, filepath.Join(f.Data, e.Name()), seen)
		if err != nil {
			return u, err
		}
		switch name := e.Name(); {
		case name == "bundles":
			u.Bundles = size
		case name == "code":
			u.Code = size
		case name == "envs":
			u.Environments = size
		case name == "data":
			u.Data = size
		case strings.Contains(name, ".db"):
			u.Databases += size
		}
	}
	var disk syscall.Statfs_t
	if err := syscall.Statfs(f.Data, &disk); err == nil {
		u.Free = int64(disk.Bavail) * int64(disk.Bsize) //nolint:unconvert // its type differs between systems
	}
	return u, nil
}

func usage(ctx context.Context, path string, seen map[uint64]bool) (total int64, err error) {
	err = filepath.WalkDir(path, func(_ string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // it goes while we look
		}
		if err != nil || ctx.Err() != nil {
			return errors.Join(err, ctx.Err())
		}
		info, err := d.Info()
		if err != nil {
			return nil //nolint:nilerr // as above
		}
		if st, ok := info.Sys().(*syscall.Stat_t); ok && st.Nlink > 1 && !d.IsDir() {
			if seen[uint64(st.Ino)] { //nolint:unconvert // as above
				return nil
			}
			seen[uint64(st.Ino)] = true //nolint:unconvert // as above
		}
		if d.Type().IsRegular() {
			total += info.Size()
		}
		return nil
	})
	return total, err
}
