// Package watch sees what an author changes in an agent's folder, and keeps
// copies of its sources. It reports only changes of content, and only of
// files that an agent is made of, since agents write into their own folders.
package watch

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/fsnotify/fsnotify"
)

const (
	// defaultDebounce gathers what one save does to a file, and is short
	// enough that nobody notices.
	defaultDebounce = 20 * time.Millisecond
	// checkEvery is how often the folder itself is looked at: its own removal
	// and return are not always told.
	checkEvery = 500 * time.Millisecond
)

// Options says what matters beside the files that always do.
type Options struct {
	// Globs are further patterns relative to the folder; a match is code.
	Globs []string
	// Requirements is the manifest's `requirements`, relative to the folder.
	Requirements string
	// EnvFile is read instead of the folder's .env, if it is set.
	EnvFile string
	// Debounce is how long files must have been still; 0 means 20 ms.
	Debounce time.Duration
	// Warn is told, in a sentence, what can't be seen; nil tells nobody.
	Warn func(text string)
}

// Change is what an author did. At least one of the four is true.
type Change struct {
	Code, Manifest, Requirements, Env bool
	// Paths are the changed files, sorted and relative to the folder; one
	// outside is absolute. What was removed is among them.
	Paths []string
}

// Watcher watches one folder. Its one owner calls Run and reads Changes.
type Watcher struct {
	o        Options
	given    string // the folder as it was named
	tree     *tree
	notify   *notifier // nil: the folder is polled
	polling  bool
	env      string          // as the rules name the env file
	included []string        // what Include named last
	outside  map[string]bool // files that are followed one by one, by their full paths

	include chan inclusion
	ended   chan struct{} // Run has returned
	changes chan Change
	dirty   map[string]bool // paths to look at again
	since   time.Time       // when the first of them was noted
}

// New starts to watch dir: changes from now on will be told. Run must be
// called to receive them, and to free what New took.
func New(dir string, o Options) (*Watcher, error) {
	return newWatcher(dir, o, openNotifier)
}

func newWatcher(dir string, o Options, open func() (*notifier, error)) (*Watcher, error) {
	given, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("watch %s: %w", dir, err)
	}
	root, err := filepath.EvalSymlinks(given)
	if err != nil {
		return nil, fmt.Errorf("watch %s: %w", dir, err)
	}
	if o.Debounce == 0 {
		o.Debounce = defaultDebounce
	}
	if o.Warn == nil {
		o.Warn = func(string) {}
	}
	w := &Watcher{
		o: o, given: given, dirty: map[string]bool{}, outside: map[string]bool{},
		include: make(chan inclusion), ended: make(chan struct{}), changes: make(chan Change),
	}
	if w.env, err = envPath(root, o.EnvFile); err != nil {
		return nil, err
	}
	r, err := newRules(o, w.env)
	if err != nil {
		return nil, err
	}
	w.tree = newTree(root, r, w, o.Warn)
	w.notify, err = open()
	if err != nil {
		w.poll(err)
	}
	w.tree.learn()
	w.followFiles()
	w.meetFiles()
	return w, nil
}

// Changes is where Run tells what changed. What happens while nobody reads is
// gathered into one Change. It is closed when Run returns.
func (w *Watcher) Changes() <-chan Change { return w.changes }

// Run watches until ctx ends, which is no error.
func (w *Watcher) Run(ctx context.Context) error {
	defer close(w.changes)
	defer close(w.ended)
	defer func() { w.notify.close() }()
	check := time.NewTicker(checkEvery)
	defer check.Stop()
	settle := time.NewTimer(time.Hour)
	defer settle.Stop()
	var pending Change
	for {
		var out chan<- Change
		if len(pending.Paths) > 0 {
			out = w.changes
		}
		select {
		case <-ctx.Done():
			return nil
		case event := <-w.notify.eventsOrNil():
			if w.note(event) {
				settle.Reset(w.still())
			}
		case err := <-w.notify.errorsOrNil():
			w.lost(err)
			settle.Reset(w.still())
		case <-check.C:
			if w.polling || w.tree.moved(w.given) {
				w.mark(".")
				settle.Reset(0)
			}
		case <-settle.C:
			pending.add(w.settle())
			if len(w.dirty) > 0 {
				settle.Reset(w.o.Debounce)
			}
		case in := <-w.include:
			w.included = in.files
			w.followFiles()
			w.meetFiles()
			close(in.done)
		case out <- pending:
			pending = Change{}
		}
	}
}

// note marks what event is about, and reports whether it matters.
func (w *Watcher) note(event fsnotify.Event) bool {
	if event.Op == fsnotify.Chmod {
		return false
	}
	if w.outside[event.Name] {
		w.mark(event.Name)
		return true
	}
	rel, ok := w.tree.relative(event.Name)
	if !ok || !w.tree.matters(rel, event.Has(fsnotify.Create)) {
		return false
	}
	w.mark(rel)
	return true
}

func (w *Watcher) mark(rel string) {
	if len(w.dirty) == 0 {
		w.since = time.Now()
	}
	w.dirty[rel] = true
}

// still is how long to wait for more: the debounce, but no more than four in
// all, or a file that is written all the time would hide the others.
func (w *Watcher) still() time.Duration {
	left := 4*w.o.Debounce - time.Since(w.since)
	return max(0, min(w.o.Debounce, left))
}

// lost looks at everything again: the kernel dropped events, or could not
// watch any more.
func (w *Watcher) lost(err error) {
	if !errors.Is(err, fsnotify.ErrEventOverflow) {
		w.poll(err)
	}
	w.mark(".")
}

// settle looks at what is marked and returns what really changed. What has
// only just vanished or become empty is marked again: many editors save so.
func (w *Watcher) settle() Change {
	marked := w.dirty
	w.dirty = map[string]bool{}
	for rel := range marked {
		w.tree.forget(rel)
	}
	if marked["."] {
		w.tree.reopen(w.given)
		w.followFiles()
		for full := range w.outside {
			marked[full] = true
		}
	}
	now := time.Now()
	var change Change
	for rel := range marked {
		changed, unsure := w.tree.refresh(rel, now, w.polling)
		for _, rel := range changed {
			change.add(w.changeOf(rel))
		}
		for _, rel := range unsure {
			w.mark(rel)
		}
	}
	return change
}

func (w *Watcher) changeOf(rel string) Change {
	c := Change{Paths: []string{rel}}
	switch w.tree.rules.class(rel) {
	case code:
		c.Code = true
	case manifest:
		c.Manifest = true
	case requirements:
		c.Requirements = true
	case environment:
		c.Env = true
	case none:
		return Change{}
	}
	return c
}

// add makes c say what both say.
func (c *Change) add(o Change) {
	c.Code = c.Code || o.Code
	c.Manifest = c.Manifest || o.Manifest
	c.Requirements = c.Requirements || o.Requirements
	c.Env = c.Env || o.Env
	c.Paths = append(c.Paths, o.Paths...)
	slices.Sort(c.Paths)
	c.Paths = slices.Compact(c.Paths)
}

// follow has the kernel tell about dir. When it can't, the whole is polled.
func (w *Watcher) follow(dir string) {
	if w.polling || w.notify == nil {
		return
	}
	err := w.notify.add(dir)
	if err == nil || gone(err) {
		return
	}
	w.poll(err)
}

// unfollow ends what follow began.
func (w *Watcher) unfollow(dir string) {
	if w.notify != nil {
		_ = w.notify.remove(dir) // the kernel may have ended it already
	}
}

// poll falls back to looking at all files again and again.
func (w *Watcher) poll(err error) {
	if w.polling {
		return
	}
	w.polling = true
	w.notify.close()
	w.notify = nil
	hint := ""
	if exhausted(err) {
		hint = " (raise fs.inotify.max_user_watches or max_user_instances with sysctl)"
	}
	w.o.Warn(fmt.Sprintf("the system can't watch this folder: %s%s; it is looked at every %s instead",
		strings.TrimSpace(err.Error()), hint, checkEvery))
}
