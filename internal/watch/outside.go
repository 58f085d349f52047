package watch

import (
	"fmt"
	"path/filepath"
)

// inclusion is what Include hands to Run.
type inclusion struct {
	files []string
	done  chan struct{}
}

// Include says which files the requirements consist of, by their absolute
// paths, wherever they lie: when it has returned, a change of one is a change
// of the requirements. It takes the place of what was said before. Run must be
// running, or have ended.
func (w *Watcher) Include(files []string) {
	in := inclusion{files, make(chan struct{})}
	select {
	case w.include <- in:
		<-in.done
	case <-w.ended:
	}
}

// envPath returns how the rules name the env file, "" standing for .env:
// relative to root when it lies there, else by its full path.
func envPath(root, file string) (string, error) {
	if file == "" {
		return ".env", nil
	}
	full, err := resolve(file)
	if err != nil {
		return "", fmt.Errorf("watch %s: %w", file, err)
	}
	return nameIn(root, full), nil
}

// resolve returns a file's absolute path. Its folder must exist; links on the
// way there are followed, as the kernel names what it tells of.
func resolve(file string) (string, error) {
	abs, err := filepath.Abs(file)
	if err != nil {
		return "", err
	}
	dir, err := filepath.EvalSymlinks(filepath.Dir(abs))
	if err != nil {
		return "", err
	}
	return filepath.Join(dir, filepath.Base(abs)), nil
}

// nameIn returns the name of a file in the folder root, or its full path when
// it lies elsewhere or where nobody looks.
func nameIn(root, full string) string {
	if rel, err := filepath.Rel(root, full); err == nil && filepath.IsLocal(rel) && !inIgnored(filepath.ToSlash(rel)) {
		return filepath.ToSlash(rel)
	}
	return full
}

// followFiles follows the files that are named one by one: an env file
// elsewhere, and what the requirements include.
func (w *Watcher) followFiles() {
	included, outside := map[string]bool{}, map[string]bool{}
	for _, file := range w.included {
		full, err := resolve(file)
		if err != nil {
			continue // its folder is not there; whoever reads the file says so
		}
		name := nameIn(w.tree.root, full)
		included[name] = true
		if filepath.IsAbs(name) {
			outside[name] = true
		}
	}
	if filepath.IsAbs(w.env) {
		outside[w.env] = true
	}
	folders := map[string]bool{}
	for full := range outside {
		folders[filepath.Dir(full)] = true
	}
	for full := range w.outside {
		if dir := filepath.Dir(full); !folders[dir] {
			w.unfollow(dir)
		}
	}
	for dir := range folders {
		w.follow(dir)
	}
	w.tree.rules.included, w.outside = included, outside
}

// meetFiles takes those files as known as they are now.
func (w *Watcher) meetFiles() {
	for name := range w.tree.rules.included {
		w.tree.meet(name)
	}
	for full := range w.outside {
		w.tree.meet(full)
	}
}
