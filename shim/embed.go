// Package shim holds the small programs that run inside an instance, and
// writes them to disk for an interpreter to start.
package shim

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
)

// Explicit globs: a directory pattern would silently leave out files whose
// names start with an underscore, such as __init__.py.
//
//go:embed python/*.py python/runagent_shim/*.py python/runagent_shim/adapters/*.py
var files embed.FS

// Boot is the file, below the root that Extract returns, that an interpreter
// is started with.
const Boot = "boot.py"

// Extract writes the Python shim below dir and returns its root, which holds
// Boot. The root is named by its content: what is there already is kept, and
// processes that extract at the same time do not disturb one another.
func Extract(dir string) (root string, err error) {
	digest, err := digestOf(files)
	if err != nil {
		return "", fmt.Errorf("digest the shim: %w", err)
	}
	root = filepath.Join(dir, "shim", digest)
	if _, err := os.Stat(filepath.Join(root, Boot)); err == nil {
		return root, nil
	}
	if err := os.MkdirAll(filepath.Dir(root), 0o755); err != nil {
		return "", fmt.Errorf("extract the shim: %w", err)
	}
	draft, err := os.MkdirTemp(filepath.Dir(root), ".draft-*")
	if err != nil {
		return "", fmt.Errorf("extract the shim: %w", err)
	}
	defer func() { _ = os.RemoveAll(draft) }()
	if err := write(draft); err != nil {
		return "", fmt.Errorf("extract the shim: %w", err)
	}
	return root, publish(draft, root)
}

// publish gives draft its final name. A directory that another process has
// put there in the meantime has the same content and wins; one without Boot
// is what a crash or a cleaner left, and is replaced.
func publish(draft, root string) error {
	err := os.Rename(draft, root)
	if err == nil {
		return nil
	}
	if _, statErr := os.Stat(filepath.Join(root, Boot)); statErr == nil {
		return nil
	}
	if err := os.RemoveAll(root); err != nil {
		return fmt.Errorf("replace a broken copy of the shim: %w", err)
	}
	if err := os.Rename(draft, root); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("publish the shim: %w", err)
	}
	return nil
}

// write copies the embedded tree to dir.
func write(dir string) error {
	return each(files, func(name string, data []byte) error {
		target := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
			return err
		}
		return os.WriteFile(target, data, 0o644)
	})
}

// digestOf names the tree by its paths and contents.
func digestOf(tree fs.FS) (string, error) {
	sum := sha256.New()
	err := each(tree, func(name string, data []byte) error {
		_, err := fmt.Fprintf(sum, "%s %d\n%s", name, len(data), data)
		return err
	})
	return hex.EncodeToString(sum.Sum(nil))[:16], err
}

// each calls f for every file in order of name, with its path below python/.
func each(tree fs.FS, f func(name string, data []byte) error) error {
	return fs.WalkDir(tree, "python", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		data, err := fs.ReadFile(tree, path.Clean(name))
		if err != nil {
			return err
		}
		return f(name[len("python/"):], data)
	})
}
