package watch

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

const (
	// vanishGrace is how long a file may be gone or empty during a save.
	vanishGrace = 60 * time.Millisecond
	// hashedWhole is up to which size content is compared; a larger file,
	// which only a glob brings in, is compared by size and time.
	hashedWhole = 16 << 20
)

// digest is what a file's content is compared by.
type digest [sha256.Size]byte

// unreadable is the digest of a file that is there and can't be read.
var unreadable = digest{1}

// file is what is known of one file.
type file struct {
	digest digest
	stat   fs.FileInfo
}

// follower has the kernel tell about folders, by their full paths.
type follower interface {
	follow(dir string)
	unfollow(dir string)
}

// tree is what is known of a folder's files.
type tree struct {
	root   string // resolved
	stat   fs.FileInfo
	open   bool // whether root can be read
	rules  rules
	kernel follower
	warn   func(text string)

	files  map[string]file
	dirs   map[string]bool
	fading map[string]time.Time // since when a known file is gone or empty
	warned map[string]bool
}

func newTree(root string, r rules, kernel follower, warn func(string)) *tree {
	return &tree{
		root: root, rules: r, kernel: kernel, warn: warn,
		files: map[string]file{}, dirs: map[string]bool{}, fading: map[string]time.Time{}, warned: map[string]bool{},
	}
}

// learn takes what is there as known.
func (t *tree) learn() {
	t.stat, _ = os.Stat(t.root)
	t.open = readable(t.root)
	for rel := range t.scan(".") {
		t.files[rel], _ = t.read(rel)
	}
}

// meet takes the file as known as it is now, unless it was known before.
func (t *tree) meet(name string) {
	if _, known := t.files[name]; known {
		return
	}
	if f, there := t.read(name); there {
		t.files[name] = f
	}
}

// relative returns the name of an absolute path inside the folder.
func (t *tree) relative(full string) (string, bool) {
	rel, err := filepath.Rel(t.root, full)
	if err != nil || !filepath.IsLocal(rel) {
		return "", false
	}
	return filepath.ToSlash(rel), true
}

func (t *tree) full(rel string) string {
	if filepath.IsAbs(rel) {
		return rel
	}
	return filepath.Join(t.root, filepath.FromSlash(rel))
}

// matters reports whether an event about rel can be about a file of the agent
// or a folder of such. It must be cheap: agents write files all day.
func (t *tree) matters(rel string, created bool) bool {
	if rel == "." || t.dirs[rel] {
		return true
	}
	if inIgnored(rel) {
		return false
	}
	if t.rules.class(rel) != none {
		return true
	}
	if !created {
		return false
	}
	stat, err := os.Stat(t.full(rel))
	return err == nil && stat.IsDir() && !ignoredDir(filepath.Base(rel))
}

// moved reports whether given no longer leads to the folder that is watched,
// or whether that can be read has changed: the kernel does not tell.
func (t *tree) moved(given string) bool {
	stat, err := os.Stat(given)
	if err != nil || t.stat == nil {
		return (err == nil) != (t.stat != nil)
	}
	return !os.SameFile(stat, t.stat) || readable(given) != t.open
}

// readable reports whether the folder dir can be read now.
func readable(dir string) bool {
	f, err := os.Open(dir)
	if err != nil {
		return false
	}
	_ = f.Close() // nothing was written
	return true
}

// reopen follows given to the folder that is there now.
func (t *tree) reopen(given string) {
	root, err := filepath.EvalSymlinks(given)
	if err == nil {
		t.root = root
	}
	t.stat, err = os.Stat(t.root)
	if err != nil {
		t.stat = nil
	}
	t.open = readable(t.root)
}

// forget ends the watches of the folder rel and all below. The kernel's watch
// goes with a folder that is moved, under its old name: it must be gone before
// the folder is followed under the new one.
func (t *tree) forget(rel string) {
	if !t.dirs[rel] {
		return
	}
	for dir := range t.dirs {
		if within(dir, rel) {
			t.kernel.unfollow(t.full(dir))
			delete(t.dirs, dir)
		}
	}
}

// refresh looks at rel, a file or folder, again. It returns the files whose
// content changed, and those that must be looked at once more.
func (t *tree) refresh(rel string, now time.Time, trustTimes bool) (changed, unsure []string) {
	candidates := map[string]bool{}
	stat, err := os.Stat(t.full(rel))
	switch {
	case err == nil && stat.IsDir():
		candidates = t.scan(rel)
	case t.rules.class(rel) != none:
		candidates[rel] = true
	}
	for known := range t.files {
		if within(known, rel) {
			candidates[known] = true
		}
	}
	for _, name := range slices.Sorted(maps.Keys(candidates)) {
		switch t.compare(name, now, trustTimes) {
		case differs:
			changed = append(changed, name)
		case fades:
			unsure = append(unsure, name)
		case same:
		}
	}
	return changed, unsure
}

// verdict is what comparing a file with what is known of it says.
type verdict int

const (
	same verdict = iota
	differs
	fades // gone or empty, perhaps only during a save
)

func (t *tree) compare(name string, now time.Time, trustTimes bool) verdict {
	before, known := t.files[name]
	if trustTimes && known && before.stat != nil {
		stat, err := os.Stat(t.full(name))
		if err == nil && stat.Size() == before.stat.Size() && stat.ModTime().Equal(before.stat.ModTime()) && os.SameFile(stat, before.stat) {
			return same
		}
	}
	after, there := t.read(name)
	if known && (!there || after.empty() && !before.empty()) && t.fadesStill(name, now) {
		return fades
	}
	delete(t.fading, name)
	switch {
	case !there && !known:
		return same
	case !there:
		delete(t.files, name)
		return differs
	}
	t.files[name] = after
	if known && after.digest == before.digest {
		return same
	}
	return differs
}

// fadesStill reports whether name has been gone or empty for so short a time
// that a save may still be going on.
func (t *tree) fadesStill(name string, now time.Time) bool {
	since, ok := t.fading[name]
	if !ok {
		t.fading[name] = now
		return true
	}
	return now.Sub(since) < vanishGrace
}

func (f file) empty() bool { return f.stat != nil && f.stat.Size() == 0 }

// scan follows the folder rel and all below, and returns the files there that
// matter. A folder is followed before it is read, so that nothing falls between.
func (t *tree) scan(rel string) map[string]bool {
	found := map[string]bool{}
	walk := walker{
		enter: func(dir string) error {
			t.dirs[dir] = true
			t.kernel.follow(t.full(dir))
			return nil
		},
		file: func(name string) error {
			if t.rules.class(name) != none {
				found[name] = true
			}
			return nil
		},
		unreadable: func(dir string, err error) {
			for known := range t.files { // not seen is not the same as gone
				if within(known, dir) {
					found[known] = true
				}
			}
			t.warnOnce(dir, fmt.Sprintf("can't read the folder %s: %v", t.full(dir), cause(err)))
		},
	}
	if err := walk.walk(t.root, rel); errors.Is(err, errTooManyFolders) {
		t.warnOnce("folders", fmt.Sprintf("%s holds more than %d folders; changes in the rest are not seen", t.root, maxFolders))
	}
	return found
}

func (t *tree) warnOnce(about, text string) {
	if !t.warned[about] {
		t.warned[about] = true
		t.warn(text)
	}
}

// read returns what a file holds now, and whether it is there.
func (t *tree) read(name string) (file, bool) {
	in, err := os.Open(t.full(name))
	if errors.Is(err, fs.ErrNotExist) {
		return file{}, false
	}
	if err != nil {
		return file{digest: unreadable}, true
	}
	defer in.Close()
	stat, err := in.Stat()
	if err != nil || !stat.Mode().IsRegular() {
		return file{}, false
	}
	h := sha256.New()
	if stat.Size() > hashedWhole {
		fmt.Fprintf(h, "%d %d", stat.Size(), stat.ModTime().UnixNano())
	} else if _, err := io.Copy(h, in); err != nil {
		return file{digest: unreadable, stat: stat}, true
	}
	return file{digest: digest(h.Sum(nil)), stat: stat}, true
}

// within reports whether name is rel or lies below it.
func within(name, rel string) bool {
	if rel == "." {
		return !filepath.IsAbs(name)
	}
	return name == rel || strings.HasPrefix(name, rel+"/")
}

// cause is err without the path that the sentence around it names already.
func cause(err error) error {
	var pathErr *fs.PathError
	if errors.As(err, &pathErr) {
		return pathErr.Err
	}
	return err
}
