package watch

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/runagent/runagent/internal/fault"
)

// Bounds on the sources of one agent.
const (
	maxSources     = 5_000
	maxSourceBytes = 50 << 20
)

// blobs is the folder, beside the snapshots, that holds each content once.
const blobs = "blobs"

// source is one file of a snapshot.
type source struct {
	rel    string
	digest string
}

// Snapshot copies the Python sources of the agent in dir into dest, and
// returns the folder of the copy, named by the content: the same sources give
// the same folder. Files that did not change since an earlier snapshot are
// linked, not copied. A folder that exists under its final name is whole.
//
// Folders that a Watcher passes over are left out. Sources beyond 5,000 files
// or 50 MiB are a *fault.Error.
func Snapshot(ctx context.Context, dir, dest string) (string, error) {
	root, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return "", fmt.Errorf("snapshot %s: %w", dir, err)
	}
	if err := os.MkdirAll(filepath.Join(dest, blobs), 0o700); err != nil {
		return "", fmt.Errorf("snapshot %s: %w", dir, err)
	}
	sources, err := keepSources(ctx, root, dest)
	if err != nil {
		return "", fmt.Errorf("snapshot %s: %w", dir, err)
	}
	final := filepath.Join(dest, nameOf(sources))
	if _, err := os.Stat(final); err == nil {
		return final, nil
	}
	if err := assemble(sources, dest, final); err != nil {
		return "", fmt.Errorf("snapshot %s: %w", dir, err)
	}
	return final, nil
}

// Edited returns the sources in snapshot that the one at before has, too, with
// other content. A snapshot that is gone has none.
func Edited(snapshot, before string) ([]string, error) {
	var edited []string
	err := filepath.WalkDir(snapshot, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() || filepath.Ext(path) != ".py" {
			return err
		}
		rel, err := filepath.Rel(snapshot, path)
		if err != nil {
			return err
		}
		same, err := sameContent(path, filepath.Join(before, rel))
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err == nil && !same {
			edited = append(edited, filepath.ToSlash(rel))
		}
		return err
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("compare snapshots: %w", err)
	}
	return edited, nil
}

// sameContent compares two files, which are one where links are to be had.
func sameContent(one, other string) (bool, error) {
	a, err := os.Stat(one)
	if err != nil {
		return false, err
	}
	b, err := os.Stat(other)
	if err != nil || os.SameFile(a, b) || a.Size() != b.Size() {
		return err == nil && os.SameFile(a, b), err
	}
	left, err := os.ReadFile(one)
	if err != nil {
		return false, err
	}
	right, err := os.ReadFile(other)
	return bytes.Equal(left, right), err
}

// PruneSnapshots removes the snapshots in dest but those at the paths in keep,
// and the contents that only they held.
func PruneSnapshots(dest string, keep ...string) error {
	entries, err := os.ReadDir(dest)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("prune snapshots: %w", err)
	}
	for _, entry := range entries {
		path := filepath.Join(dest, entry.Name())
		if entry.Name() == blobs || slices.Contains(keep, path) {
			continue
		}
		if err := os.RemoveAll(path); err != nil {
			return fmt.Errorf("prune snapshots: %w", err)
		}
	}
	return pruneBlobs(dest)
}

// keepSources brings the content of every source under root into the blobs.
func keepSources(ctx context.Context, root, dest string) ([]source, error) {
	var sources []source
	size := int64(0)
	walk := walker{
		enter: func(string) error {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			return nil
		},
		file: func(rel string) error {
			if !sourceFile(rel) {
				return nil
			}
			text, err := readSource(filepath.Join(root, filepath.FromSlash(rel)))
			if errors.Is(err, fs.ErrNotExist) {
				return nil // removed since its folder was read
			}
			if err != nil {
				return fmt.Errorf("read %s: %w", rel, err)
			}
			if size += int64(len(text)); size > maxSourceBytes || len(sources) == maxSources {
				return tooLarge(root)
			}
			digest, err := keepBlob(dest, text)
			sources = append(sources, source{rel: rel, digest: digest})
			return err
		},
		unreadable: func(string, error) {}, // the Watcher tells
	}
	err := walk.walk(root, ".")
	if errors.Is(err, errTooManyFolders) {
		return nil, tooLarge(root)
	}
	return sources, err
}

func tooLarge(root string) error {
	return fault.New(fault.Validation, "%s holds over %d Python files or %d MiB of them", root, maxSources, maxSourceBytes>>20).
		WithSuggestion("keep the agent in a folder of its own, and what it needs in a virtual environment")
}

// readSource reads a file, but no more than would be refused anyway.
func readSource(path string) ([]byte, error) {
	in, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	return io.ReadAll(io.LimitReader(in, maxSourceBytes+1))
}

// keepBlob writes text under the name of its digest unless it is there.
func keepBlob(dest string, text []byte) (string, error) {
	sum := sha256.Sum256(text)
	digest := hex.EncodeToString(sum[:])
	path := filepath.Join(dest, blobs, digest)
	if stat, err := os.Stat(path); err == nil && stat.Size() == int64(len(text)) {
		return digest, nil
	}
	temp, err := os.CreateTemp(filepath.Join(dest, blobs), ".new-*")
	if err != nil {
		return "", fmt.Errorf("keep a source: %w", err)
	}
	defer os.Remove(temp.Name())
	_, err = temp.Write(text)
	if err := errors.Join(err, temp.Chmod(0o400), temp.Close()); err != nil {
		return "", fmt.Errorf("keep a source: %w", err)
	}
	if err := os.Rename(temp.Name(), path); err != nil {
		return "", fmt.Errorf("keep a source: %w", err)
	}
	return digest, nil
}

// nameOf is the digest of names and contents. The walk gives them in order.
func nameOf(sources []source) string {
	h := sha256.New()
	for _, s := range sources {
		fmt.Fprintf(h, "%q %s\n", s.rel, s.digest)
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// assemble links the sources together in a folder, which gets its name last.
func assemble(sources []source, dest, final string) error {
	temp, err := os.MkdirTemp(dest, ".new-*")
	if err != nil {
		return fmt.Errorf("assemble: %w", err)
	}
	defer os.RemoveAll(temp)
	made := map[string]bool{}
	for _, s := range sources {
		path := filepath.Join(temp, filepath.FromSlash(s.rel))
		if parent := filepath.Dir(path); !made[parent] {
			if err := os.MkdirAll(parent, 0o700); err != nil {
				return fmt.Errorf("assemble: %w", err)
			}
			made[parent] = true
		}
		if err := linkOrCopy(filepath.Join(dest, blobs, s.digest), path); err != nil {
			return fmt.Errorf("assemble %s: %w", s.rel, err)
		}
	}
	err = os.Rename(temp, final)
	if errors.Is(err, fs.ErrExist) || err != nil && isDir(final) {
		return nil // another process was as quick
	}
	if err != nil {
		return fmt.Errorf("assemble: %w", err)
	}
	return nil
}

// linkOrCopy links, and copies where links are not to be had.
func linkOrCopy(from, to string) error {
	if os.Link(from, to) == nil {
		return nil
	}
	text, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, text, 0o400)
}

func isDir(path string) bool {
	stat, err := os.Stat(path)
	return err == nil && stat.IsDir()
}

// pruneBlobs removes the contents that the snapshots left in dest don't hold.
func pruneBlobs(dest string) error {
	held := map[string]bool{}
	err := filepath.WalkDir(dest, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && entry.Name() == blobs {
			return filepath.SkipDir
		}
		if entry.Type().IsRegular() && strings.HasSuffix(path, ".py") {
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			sum := sha256.Sum256(text)
			held[hex.EncodeToString(sum[:])] = true
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("prune snapshots: %w", err)
	}
	entries, err := os.ReadDir(filepath.Join(dest, blobs))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("prune snapshots: %w", err)
	}
	for _, entry := range entries {
		if !held[entry.Name()] {
			if err := os.Remove(filepath.Join(dest, blobs, entry.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return fmt.Errorf("prune snapshots: %w", err)
			}
		}
	}
	return nil
}
