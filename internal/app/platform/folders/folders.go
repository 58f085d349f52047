// Package folders is where a platform keeps what is no row of a table: bundles,
// and the unpacked code of revisions that serve or may serve at once.
package folders

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/runagent/runagent/internal/bundle"
	"github.com/runagent/runagent/internal/fault"
)

// Folders are those in the data folder Data.
type Folders struct{ Data string }

// Bundles is the folder of all bundles.
func (f Folders) Bundles() string { return filepath.Join(f.Data, "bundles") }

// Bundle is the file of a bundle, whose digest is valid.
func (f Folders) Bundle(digest string) string {
	return filepath.Join(f.Bundles(), bundle.FileName(digest))
}

// Codes is the folder of all code.
func (f Folders) Codes() string { return filepath.Join(f.Data, "code") }

// Code is the folder of a revision's code.
func (f Folders) Code(revision string) string { return filepath.Join(f.Codes(), revision) }

// GroupName names the groups of processes of the platform on this folder.
func (f Folders) GroupName() string {
	sum := sha256.Sum256([]byte(f.Data))
	return "runagent-" + hex.EncodeToString(sum[:6])
}

// Make makes the folders, and removes what a server that was killed left
// half-made.
func (f Folders) Make() error {
	for _, dir := range []string{f.Bundles(), f.Codes()} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return fmt.Errorf("make data folder: %w", err)
		}
	}
	f.settleCache()
	return f.settleUploads()
}

// settleCache removes what installers that were killed were just making. What
// can't be removed only takes room.
func (f Folders) settleCache() {
	for _, pattern := range []string{"uv/.tmp*", "uv/*/.tmp*"} {
		left, _ := filepath.Glob(filepath.Join(f.Cache(), pattern))
		for _, path := range left {
			_ = os.RemoveAll(path)
		}
	}
}

// Lock takes the data folder for this process; the kernel gives it back
// however the process ends.
func (f Folders) Lock() (release func(), err error) {
	file, err := f.lockFile()
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = file.Close() // the lock is what matters
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fault.New(fault.Conflict, "another platform is running on the data folder %s", f.Data).
				WithSuggestion("Stop it first, or give this one another folder with --data.")
		}
		return nil, fmt.Errorf("lock data folder: %w", err)
	}
	return func() { _ = file.Close() }, nil
}

// AwaitLock is Lock that waits until another process gives the folder up. When
// ctx ends first, this process must.
func (f Folders) AwaitLock(ctx context.Context) (release func(), err error) {
	file, err := f.lockFile()
	if err != nil {
		return nil, err
	}
	got := make(chan error, 1)
	go func() { got <- syscall.Flock(int(file.Fd()), syscall.LOCK_EX) }()
	select {
	case err := <-got:
		if err != nil {
			_ = file.Close() // the lock is what matters
			return nil, fmt.Errorf("lock data folder: %w", err)
		}
		return func() { _ = file.Close() }, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

func (f Folders) lockFile() (*os.File, error) {
	if err := os.MkdirAll(f.Data, 0o700); err != nil {
		return nil, fmt.Errorf("make data folder: %w", err)
	}
	file, err := os.OpenFile(filepath.Join(f.Data, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock data folder: %w", err)
	}
	return file, nil
}

// Sync brings to the disk what a folder holds by name.
func Sync(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// Unpack makes the folder of a revision's code from its bundle. One that is
// there is whole.
func (f Folders) Unpack(ctx context.Context, revision, digest string, limits bundle.Limits) (dir string, err error) {
	dir = f.Code(revision)
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	packed, err := os.Open(f.Bundle(digest))
	if errors.Is(err, fs.ErrNotExist) {
		return "", fault.New(fault.NotFound, "the bundle %s is not here", digest).WithSuggestion("Upload it first.")
	}
	if err != nil {
		return "", fmt.Errorf("unpack bundle: %w", err)
	}
	defer packed.Close()
	temp := dir + ".new"
	if err := os.RemoveAll(temp); err != nil {
		return "", fmt.Errorf("unpack bundle: %w", err)
	}
	sum, err := bundle.Unpack(until{ctx, packed}, temp, limits)
	if err == nil && sum.Digest != digest {
		err = fmt.Errorf("the bundle %s was changed on the disk", digest)
	}
	if err == nil {
		err = os.Rename(temp, dir)
	}
	if err != nil {
		return "", errors.Join(err, os.RemoveAll(temp))
	}
	return dir, nil
}

// until is a reader whose reads fail once ctx has ended.
type until struct {
	ctx context.Context //nolint:containedctx // of one unpack
	r   io.Reader
}

// Read implements io.Reader.
func (u until) Read(b []byte) (int, error) {
	if u.ctx.Err() != nil {
		return 0, context.Cause(u.ctx)
	}
	return u.r.Read(b)
}

// CodeBut returns which revisions have code here besides those given, and what
// was half unpacked.
func (f Folders) CodeBut(keep map[string]bool) ([]string, error) {
	entries, err := os.ReadDir(f.Codes())
	if err != nil {
		return nil, fmt.Errorf("read data folder: %w", err)
	}
	var others []string
	for _, e := range entries {
		if !keep[e.Name()] {
			others = append(others, e.Name())
		}
	}
	return others, nil
}

// RemoveBundles removes bundles that nothing is made from any more.
func (f Folders) RemoveBundles(digests []string) error {
	var errs []error
	for _, digest := range digests {
		if err := os.Remove(f.Bundle(digest)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
