package watch

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
)

// Bounds on a folder; beyond them the rest is not looked at.
const (
	maxDepth   = 32
	maxFolders = 5_000
)

// errTooManyFolders ends a walk of a folder that holds more than code.
var errTooManyFolders = errors.New("too many folders")

// walker goes through a folder and those below it, but for ignored ones and
// virtual environments. Links to folders are followed, each folder once.
type walker struct {
	// enter is called for each folder before it is read, file for each file
	// and link to one. Paths are relative to the start, slash-separated.
	enter func(rel string) error
	file  func(rel string) error
	// unreadable is told of a folder that can't be read; the walk goes on.
	unreadable func(rel string, err error)

	seen    map[string]bool
	folders int
}

// walk goes through root/rel. A folder that is not there holds nothing.
func (w *walker) walk(root, rel string) error {
	w.seen = map[string]bool{}
	return w.dir(root, rel, 0)
}

func (w *walker) dir(root, rel string, depth int) error {
	full := filepath.Join(root, filepath.FromSlash(rel))
	resolved, err := filepath.EvalSymlinks(full)
	if err != nil || w.seen[resolved] || depth > maxDepth {
		return nil //nolint:nilerr // it has gone since its parent was read
	}
	w.seen[resolved] = true
	if w.folders++; w.folders > maxFolders {
		return errTooManyFolders
	}
	if err := w.enter(rel); err != nil {
		return err
	}
	entries, err := os.ReadDir(full)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		w.unreadable(rel, err)
		return nil
	}
	for _, entry := range entries {
		if err := w.entry(root, path.Join(rel, entry.Name()), entry, depth); err != nil {
			return err
		}
	}
	return nil
}

func (w *walker) entry(root, rel string, entry fs.DirEntry, depth int) error {
	mode := entry.Type()
	if mode&fs.ModeSymlink != 0 {
		stat, err := os.Stat(filepath.Join(root, filepath.FromSlash(rel)))
		if err != nil {
			return nil //nolint:nilerr // a link to nowhere is no file
		}
		mode = stat.Mode()
	}
	switch {
	case mode.IsRegular():
		return w.file(rel)
	case mode.IsDir() && !ignoredDir(entry.Name()) && !virtualEnv(filepath.Join(root, filepath.FromSlash(rel))):
		return w.dir(root, rel, depth+1)
	}
	return nil
}

// virtualEnv reports whether dir is a virtual environment, by whatever name.
func virtualEnv(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, "pyvenv.cfg"))
	return err == nil
}
