// Package backup copies what a platform can't be made again from into one
// file, while it runs, and makes a platform's data folder from such a file:
// the state, the bundles and the locks, but no calls, environments or files of agents,
// and no master key, which opens the secrets in it.
package backup

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/runagent/runagent/internal/app/platform/folders"
	"github.com/runagent/runagent/internal/bundle"
	"github.com/runagent/runagent/internal/fault"
	"github.com/runagent/runagent/internal/store/state"
)

// stateName is the state's name in a data folder, and in a backup, which
// begins with it.
const stateName = "state.db"

// Where bundles and locks are in a backup.
const (
	bundlesDir = "bundles"
	locksDir   = "locks"
)

// anySize lets any bundle in: the platform that took it had its own limits.
var anySize = bundle.Limits{Packed: 1 << 50, Bytes: 1 << 50, Files: 1 << 30}

// Write writes a backup of the platform in the folder data into the new file,
// and returns how many bundles it holds.
func Write(ctx context.Context, data, file string) (bundles int, err error) {
	temp, err := os.MkdirTemp(filepath.Dir(file), ".runagent-backup-*")
	if err != nil {
		return 0, fmt.Errorf("back up: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(temp)) }()
	copied := filepath.Join(temp, stateName)
	if err := state.Snapshot(ctx, filepath.Join(data, stateName), copied); err != nil {
		return 0, fmt.Errorf("back up: %w", err)
	}
	digests, locks, err := digestsIn(ctx, copied)
	if err != nil {
		return 0, fmt.Errorf("back up: %w", err)
	}
	whole := filepath.Join(temp, "backup")
	if err := write(ctx, whole, copied, folders.Folders{Data: data}, digests, locks); err != nil {
		return 0, fmt.Errorf("back up: %w", err)
	}
	// A link never goes over a file that is there.
	if err := os.Link(whole, file); errors.Is(err, fs.ErrExist) {
		return 0, fault.New(fault.Conflict, "%s exists; a backup never goes over a file", file).WithSuggestion("Choose another name.")
	} else if err != nil {
		return 0, fmt.Errorf("back up: %w", err)
	}
	return len(digests), folders.Sync(filepath.Dir(file))
}

// digestsIn are the bundles and locks that the state in a file needs. It is a
// copy, so that opening it may bring it forward.
func digestsIn(ctx context.Context, file string) (bundles, locks []string, err error) {
	db, err := state.Open(file, time.Now)
	if err != nil {
		return nil, nil, err
	}
	bundles, err = db.Digests(ctx)
	if err == nil {
		locks, err = db.Locks(ctx)
	}
	return bundles, locks, errors.Join(err, db.Close())
}

// write writes the state and the bundles into the file whole.
func write(ctx context.Context, whole, copied string, from folders.Folders, digests, locks []string) (err error) {
	out, err := os.OpenFile(whole, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Sync(), out.Close()) }()
	archive := tar.NewWriter(out)
	if err := add(archive, copied, stateName); err != nil {
		return err
	}
	for _, digest := range digests {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err := add(archive, from.Bundle(digest), path.Join(bundlesDir, bundle.FileName(digest))); err != nil {
			return err
		}
	}
	for _, digest := range locks {
		// One that is gone is made again, with the versions of then.
		if err := add(archive, from.Lockfile(digest), path.Join(locksDir, digest+".txt")); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return archive.Close()
}

func add(archive *tar.Writer, file, name string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if err := archive.WriteHeader(&tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o600, Size: info.Size(), ModTime: info.ModTime()}); err != nil {
		return err
	}
	_, err = io.Copy(archive, f)
	return err
}

// Restore makes the data folder of a platform, which must be empty or not
// exist, from the backup in file. Every bundle is checked.
func Restore(ctx context.Context, file, data string) (bundles int, err error) {
	if found, err := os.ReadDir(data); err == nil && len(found) > 0 {
		return 0, fault.New(fault.Conflict, "%s is not empty; a backup never goes over what is there", data).WithSuggestion("Choose another folder.")
	}
	in, err := os.Open(file)
	if err != nil {
		return 0, fmt.Errorf("restore: %w", err)
	}
	defer in.Close()
	to := folders.Folders{Data: data}
	release, err := to.Lock()
	if err != nil {
		return 0, err
	}
	defer release()
	defer func() {
		if err != nil { // all that is there is ours
			err = errors.Join(err, os.RemoveAll(data))
		}
	}()
	if err := to.Make(); err != nil {
		return 0, err
	}
	if bundles, err = unpack(ctx, tar.NewReader(in), to); err != nil {
		return 0, fmt.Errorf("restore %s: %w", file, err)
	}
	digests, _, err := digestsIn(ctx, filepath.Join(data, stateName))
	if err != nil {
		return 0, fmt.Errorf("restore %s: %w", file, err)
	}
	for _, digest := range digests {
		if _, err := os.Stat(to.Bundle(digest)); err != nil {
			return 0, fault.New(fault.Validation, "the backup %s is not whole: the bundle %s is missing", file, digest)
		}
	}
	return bundles, nil
}

// unpack takes the entries of a backup, and nothing else.
func unpack(ctx context.Context, archive *tar.Reader, to folders.Folders) (bundles int, err error) {
	for first := true; ; first = false {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) && !first {
			return bundles, nil
		}
		switch {
		case err != nil:
			return bundles, fault.New(fault.Validation, "this is not a whole backup: %w", err)
		case ctx.Err() != nil:
			return bundles, context.Cause(ctx)
		case first != (h.Name == stateName) || h.Typeflag != tar.TypeReg:
			return bundles, fault.New(fault.Validation, "this is not a backup of a platform: it holds %q", h.Name)
		case first:
			err = placeState(archive, filepath.Join(to.Data, stateName))
		case path.Dir(h.Name) == locksDir:
			err = placeLock(archive, h.Name, to)
		default:
			bundles++
			err = placeBundle(archive, h.Name, to)
		}
		if err != nil {
			return bundles, err
		}
	}
}

func placeBundle(archive io.Reader, name string, to folders.Folders) error {
	dir, base := path.Split(name)
	digest := bundle.DigestOf(base)
	if dir != bundlesDir+"/" || !bundle.ValidDigest(digest) {
		return fault.New(fault.Validation, "this is not a backup of a platform: it holds %q", name)
	}
	_, err := to.Store(archive, digest, 0, anySize)
	return err
}

// maxLock bounds a lock.
const maxLock = 16 << 20

func placeLock(archive io.Reader, name string, to folders.Folders) error {
	digest := strings.TrimSuffix(path.Base(name), ".txt")
	text, err := io.ReadAll(io.LimitReader(archive, maxLock))
	if err != nil {
		return err
	}
	if sum := sha256.Sum256(text); hex.EncodeToString(sum[:]) != digest {
		return fault.New(fault.Validation, "this is not a whole backup: the lock %q was changed", name)
	}
	if err := os.MkdirAll(to.Locks(), 0o700); err != nil {
		return err
	}
	return os.WriteFile(to.Lockfile(digest), text, 0o600)
}

// magic is how an SQLite file begins. Anything shorter would be taken for a
// new one.
const magic = "SQLite format 3\x00"

func placeState(content io.Reader, file string) error {
	head := make([]byte, len(magic))
	if _, err := io.ReadFull(content, head); err != nil || string(head) != magic {
		return fault.New(fault.Validation, "this is not a backup of a platform: its state is no database")
	}
	content = io.MultiReader(bytes.NewReader(head), content)
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, content)
	return errors.Join(err, f.Sync(), f.Close())
}
