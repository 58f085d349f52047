package python

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// maxModules bounds a list; the largest agents seen load a fifth of that.
const maxModules = 20_000

// polluting are packages known to leave threads, sockets or epoll descriptors
// behind when imported. A zygote finds such out by itself, but each one found
// costs a zygote.
var polluting = map[string]string{
	"lancedb": "leaves a thread and an event loop behind at import",
}

// junk are modules that an import must not or need not bring into a zygote:
// they do something when imported, or belong to the process that loaded them.
var junk = []string{
	"__main__", "__mp_main__", "boot", "runagent_shim", "runagent_context", "sitecustomize", "usercustomize",
	"antigravity", "this", "idlelib", "turtle", "turtledemo", "tkinter", "lib2to3", "test", "_virtualenv",
}

var dottedName = regexp.MustCompile(`^[\pL_][\pL\pN_]*(\.[\pL_][\pL\pN_]*)*$`)

// ImportList is what a zygote imports for one agent in one environment, as
// learned from its instances. Its methods return what is new about it.
type ImportList struct {
	// Modules were loaded in an instance when it was ready.
	Modules []string `json:"modules"`
	// Later are others, which calls have loaded.
	Later []string `json:"later,omitempty"`
	// Excluded maps what must not be imported before a fork to the reason.
	Excluded map[string]string `json:"excluded,omitempty"`
}

// Wanted are the modules to import: those seen, without junk, what is
// excluded, and what lies below an excluded package.
func (l ImportList) Wanted() []string {
	var wanted []string
	seen := map[string]bool{}
	for _, module := range slices.Concat(l.Modules, l.Later) {
		if len(wanted) == maxModules {
			break
		}
		if seen[module] || !importable(module) || l.excludes(module) {
			continue
		}
		seen[module] = true
		wanted = append(wanted, module)
	}
	return wanted
}

// Learn returns a list that holds modules in place of l's, and whether a
// zygote would import something else by it. What calls have loaded before stays.
func (l ImportList) Learn(modules []string) (ImportList, bool) {
	learned := ImportList{Modules: without(modules, l.Later), Excluded: l.Excluded}
	learned.Modules = learned.Wanted()
	learned.Later = l.Later
	return learned, !sameNames(l.Wanted(), learned.Wanted())
}

// LearnLater returns a list that also holds what a call has loaded, and whether
// a zygote would import something else by it.
func (l ImportList) LearnLater(modules []string) (ImportList, bool) {
	learned := ImportList{Modules: without(modules, slices.Concat(l.Modules, l.Later)), Excluded: l.Excluded}
	more := learned.Wanted()
	learned.Modules, learned.Later = l.Modules, slices.Concat(l.Later, more)
	if excess := len(learned.Modules) + len(learned.Later) - maxModules; excess > 0 {
		learned.Later = learned.Later[:max(0, len(learned.Later)-excess)]
	}
	return learned, len(learned.Later) > len(l.Later)
}

// ForgetLater returns a list that excludes all that calls have loaded, and
// whether there was any.
func (l ImportList) ForgetLater(why string) (ImportList, bool) {
	forgotten := ImportList{Modules: l.Modules, Excluded: maps.Clone(l.Excluded)}
	if forgotten.Excluded == nil {
		forgotten.Excluded = map[string]string{}
	}
	for _, module := range l.Later {
		// Excluding a package excludes what lies below, which may be needed.
		if !slices.ContainsFunc(l.Modules, func(m string) bool { return strings.HasPrefix(m, module+".") }) {
			forgotten.Excluded[module] = why
		}
	}
	return forgotten, len(l.Later) > 0
}

// without returns names but for those in others.
func without(names, others []string) []string {
	known := make(map[string]bool, len(others))
	for _, name := range others {
		known[name] = true
	}
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool { return known[name] })
}

func sameNames(a, b []string) bool {
	slices.Sort(a)
	slices.Sort(b)
	return slices.Equal(a, b)
}

// Exclude returns a list that remembers not to import module, and whether
// that is new.
func (l ImportList) Exclude(module, why string) (ImportList, bool) {
	if _, known := l.Excluded[module]; known {
		return l, false
	}
	excluded := maps.Clone(l.Excluded)
	if excluded == nil {
		excluded = map[string]string{}
	}
	excluded[module] = why
	return ImportList{Modules: l.Modules, Later: l.Later, Excluded: excluded}, true
}

func (l ImportList) excludes(module string) bool {
	for name := module; name != ""; name = parent(name) {
		if _, ok := l.Excluded[name]; ok {
			return true
		}
		if _, ok := polluting[name]; ok {
			return true
		}
	}
	return false
}

func importable(module string) bool {
	top, _, _ := strings.Cut(module, ".")
	return len(module) <= 255 && !slices.Contains(junk, top) && dottedName.MatchString(module)
}

func parent(module string) string {
	i := strings.LastIndexByte(module, '.')
	if i < 0 {
		return ""
	}
	return module[:i]
}

// ImportStore keeps import lists under RUNAGENT_HOME. It is safe for
// concurrent use, also by several processes: the last Save wins whole.
type ImportStore struct {
	dir string
}

// NewImportStore returns the store in home.
func NewImportStore(home string) *ImportStore {
	return &ImportStore{dir: filepath.Join(home, "imports")}
}

// ImportKey names the list of one agent in one environment, given by the
// digest of what was built or by the prefix of what was found.
func ImportKey(agentID, environment string, version Version) string {
	sum := sha256.Sum256([]byte(strings.Join([]string{agentID, environment, version.String()}, "\x00")))
	return hex.EncodeToString(sum[:16])
}

// keepLists is how long a list is kept that nobody loads.
const keepLists = 30 * 24 * time.Hour

// Collect removes the lists that nobody has loaded for 30 days before now, and what
// a Save that was killed has left. Who still needs one learns it again.
func (s *ImportStore) Collect(now time.Time) error {
	entries, err := os.ReadDir(s.dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("read import lists: %w", err)
	}
	var errs []error
	for _, entry := range entries {
		if info, err := entry.Info(); err == nil && now.Sub(info.ModTime()) > keepLists {
			errs = append(errs, os.Remove(filepath.Join(s.dir, entry.Name())))
		}
	}
	return errors.Join(errs...)
}

// Load returns the list kept under key, and whether there is one. One that
// can't be read as a list is none: it is learned again.
func (s *ImportStore) Load(key string) (list ImportList, kept bool, err error) {
	now := time.Now()
	_ = os.Chtimes(s.path(key), now, now) // else it is only removed sooner
	text, err := os.ReadFile(s.path(key))
	if errors.Is(err, fs.ErrNotExist) {
		return ImportList{}, false, nil
	}
	if err != nil {
		return ImportList{}, false, fmt.Errorf("read import list: %w", err)
	}
	if json.Unmarshal(text, &list) != nil {
		return ImportList{}, false, nil //nolint:nilerr // learned again, as the doc says
	}
	return list, true, nil
}

// Save keeps list under key. A crash leaves the old or the new list whole.
func (s *ImportStore) Save(key string, list ImportList) error {
	text, err := json.Marshal(list)
	if err != nil {
		return fmt.Errorf("write import list: %w", err)
	}
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return fmt.Errorf("write import list: %w", err)
	}
	temp, err := os.CreateTemp(s.dir, ".list-*")
	if err != nil {
		return fmt.Errorf("write import list: %w", err)
	}
	defer os.Remove(temp.Name())
	_, err = temp.Write(text)
	if err := errors.Join(err, temp.Close()); err != nil {
		return fmt.Errorf("write import list: %w", err)
	}
	if err := os.Rename(temp.Name(), s.path(key)); err != nil {
		return fmt.Errorf("write import list: %w", err)
	}
	return nil
}

func (s *ImportStore) path(key string) string {
	return filepath.Join(s.dir, key+".json")
}
