package watch

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/fsnotify/fsnotify"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// deaf is a kernel that tells nothing.
type deaf struct{}

func (deaf) follow(string)   {}
func (deaf) unfollow(string) {}

func deafly(string) error { return nil }

// folder is an agent's folder under watch.
type folder struct {
	t       testing.TB
	dir     string
	watcher *Watcher
	mu      sync.Mutex
	warned  []string
}

// newFolder makes a folder with files and watches it until the test ends.
func newFolder(t testing.TB, o Options, files ...string) *folder {
	t.Helper()
	return newFolderIn(t, t.TempDir(), o, openNotifier, files...)
}

func newFolderIn(t testing.TB, dir string, o Options, open func() (*notifier, error), files ...string) *folder {
	t.Helper()
	f := &folder{t: t, dir: dir}
	for _, name := range files {
		f.write(name, "first "+name)
	}
	o.Warn = func(text string) {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.warned = append(f.warned, text)
	}
	w, err := newWatcher(dir, o, open)
	if err != nil {
		t.Fatal(err)
	}
	f.watcher = w
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run = %v", err)
		}
	})
	return f
}

func (f *folder) path(name string) string { return filepath.Join(f.dir, filepath.FromSlash(name)) }

func (f *folder) write(name, text string) {
	f.t.Helper()
	f.must(os.MkdirAll(filepath.Dir(f.path(name)), 0o755))
	f.must(os.WriteFile(f.path(name), []byte(text), 0o600))
}

func (f *folder) must(err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatal(err)
	}
}

// next returns the next change.
func (f *folder) next() Change {
	f.t.Helper()
	select {
	case c := <-f.watcher.Changes():
		return c
	case <-time.After(10 * time.Second):
		f.t.Fatal("no change was told")
		return Change{}
	}
}

// expect reads changes until paths have all been told, and nothing else.
func (f *folder) expect(paths ...string) Change {
	f.t.Helper()
	var all Change
	for {
		all.add(f.next())
		for _, p := range all.Paths {
			if !slices.Contains(paths, p) {
				f.t.Fatalf("told of %s, want only %v", p, paths)
			}
		}
		if len(all.Paths) == len(paths) {
			return all
		}
	}
}

// quiet checks that nothing done until now is told: a marker file that is
// saved afterwards must be the only change.
func (f *folder) quiet() {
	f.t.Helper()
	f.write("marker_of_quiet.py", time.Now().String())
	f.expect("marker_of_quiet.py")
}

func (f *folder) warnings() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return strings.Join(f.warned, "\n")
}

func TestChangeSaysWhatChanged(t *testing.T) {
	t.Parallel()
	f := newFolder(t, Options{Globs: []string{"prompts/**/*.md"}, Requirements: "deps/prod.txt"},
		"agent.py", "pkg/deep/mod.py", "runagent.config.json", "requirements.txt", ".env", "prompts/a/b/system.md", "deps/prod.txt")
	for name, want := range map[string]Change{
		"agent.py":              {Code: true},
		"pkg/deep/mod.py":       {Code: true},
		"pkg/new.py":            {Code: true},
		"runagent.config.json":  {Manifest: true},
		"requirements.txt":      {Requirements: true},
		"requirements-dev.txt":  {Requirements: true},
		"pyproject.toml":        {Requirements: true},
		"uv.lock":               {Requirements: true},
		"deps/prod.txt":         {Requirements: true},
		".env":                  {Env: true},
		"prompts/a/b/system.md": {Code: true},
	} {
		f.write(name, "second "+name)
		want.Paths = []string{name}
		if got := f.next(); !equal(got, want) {
			t.Errorf("after %s: %+v, want %+v", name, got, want)
		}
	}
}

func equal(a, b Change) bool {
	return a.Code == b.Code && a.Manifest == b.Manifest && a.Requirements == b.Requirements && a.Env == b.Env && slices.Equal(a.Paths, b.Paths)
}

func TestQuietAboutTheRest(t *testing.T) {
	t.Parallel()
	f := newFolder(t, Options{}, "agent.py", "__pycache__/agent.cpython-311.pyc", ".git/HEAD", "venv/pyvenv.cfg", "data/notes.txt")
	cases := []string{
		"__pycache__/x.py", ".git/hooks/pre.py", ".venv/lib/x.py", "node_modules/a/b.py", "venv/lib/x.py", ".idea/x.py",
		".agent.py.swp", "agent.py~", ".#agent.py", "#agent.py#", "4913", "flycheck_agent.py", "agent.py.tmp123",
		"data/notes.txt", "state.json", "out/result.csv", "sub/requirements.txt", "sub/.env", "sub/runagent.config.json",
	}
	for _, name := range cases {
		f.write(name, "written by someone")
	}
	f.must(os.Chmod(f.path("agent.py"), 0o644))
	f.must(os.Chtimes(f.path("agent.py"), time.Now(), time.Now().Add(time.Hour)))
	f.write("agent.py", "first agent.py") // the same content
	f.must(os.Rename(f.path("data/notes.txt"), f.path("data/moved.txt")))
	f.must(os.RemoveAll(f.path("data")))
	f.quiet()
}

func TestSavesAsEditorsDoThem(t *testing.T) {
	t.Parallel()
	saves := map[string]func(f *folder, text string){
		"in place": func(f *folder, text string) { f.write("agent.py", text) },
		"rename over": func(f *folder, text string) {
			f.write(".agent.py.tmp", text)
			f.must(os.Rename(f.path(".agent.py.tmp"), f.path("agent.py")))
		},
		"backup first, as vim": func(f *folder, text string) {
			f.must(os.Rename(f.path("agent.py"), f.path("agent.py~")))
			f.write("agent.py", text)
			f.must(os.Remove(f.path("agent.py~")))
		},
		"delete and create": func(f *folder, text string) {
			f.must(os.Remove(f.path("agent.py")))
			f.write("agent.py", text)
		},
		"in small writes": func(f *folder, text string) {
			out, err := os.OpenFile(f.path("agent.py"), os.O_WRONLY|os.O_TRUNC, 0)
			f.must(err)
			for _, c := range text {
				_, err := out.WriteString(string(c))
				f.must(err)
			}
			f.must(out.Close())
		},
	}
	for name, save := range saves {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFolder(t, Options{}, "agent.py")
			for i := range 5 {
				save(f, fmt.Sprintf("save %d", i))
				if got := f.next(); !equal(got, Change{Code: true, Paths: []string{"agent.py"}}) {
					t.Fatalf("save %d: %+v, want agent.py once", i, got)
				}
			}
			f.quiet()
		})
	}
}

func TestVanishedDuringASaveIsNoChange(t *testing.T) {
	t.Parallel()
	tr := newTree(t.TempDir(), rules{}, deaf{}, func(string) {})
	f := &folder{t: t, dir: tr.root}
	f.write("agent.py", "text")
	tr.learn()
	begun := time.Now()
	for _, disturb := range []func(){
		func() { f.must(os.Remove(f.path("agent.py"))) },
		func() { f.write("agent.py", "") },
	} {
		disturb()
		if changed, unsure := tr.refresh("agent.py", begun, false); len(changed) != 0 || len(unsure) != 1 {
			t.Errorf("at once: changed %v, unsure %v, want unsure", changed, unsure)
		}
		f.write("agent.py", "text")
		if changed, unsure := tr.refresh("agent.py", begun, false); len(changed)+len(unsure) != 0 {
			t.Errorf("back again: changed %v, unsure %v, want nothing", changed, unsure)
		}
	}
	f.must(os.Remove(f.path("agent.py")))
	tr.refresh("agent.py", begun, false)
	if changed, _ := tr.refresh("agent.py", begun.Add(vanishGrace), false); !slices.Equal(changed, []string{"agent.py"}) {
		t.Errorf("after the grace: changed %v, want agent.py", changed)
	}
}

func TestRemovedFilesAreTold(t *testing.T) {
	t.Parallel()
	f := newFolder(t, Options{}, "agent.py", "pkg/a.py", "pkg/b.py")
	f.must(os.RemoveAll(f.path("pkg")))
	f.expect("pkg/a.py", "pkg/b.py")
	f.must(os.Remove(f.path("agent.py")))
	f.expect("agent.py")
}

func TestNewFoldersAreFollowed(t *testing.T) {
	t.Parallel()
	f := newFolder(t, Options{}, "agent.py")
	f.write("a/b/c/mod.py", "one")
	f.expect("a/b/c/mod.py")
	f.write("a/b/c/mod.py", "two")
	f.expect("a/b/c/mod.py")
	f.must(os.Rename(f.path("a"), f.path("z")))
	f.expect("a/b/c/mod.py", "z/b/c/mod.py")
	f.write("z/b/c/mod.py", "three")
	f.expect("z/b/c/mod.py")
}

func TestFoldersSwapNames(t *testing.T) {
	t.Parallel()
	f := newFolder(t, Options{}, "a/x/mod.py", "b/x/mod.py")
	f.must(os.Rename(f.path("a"), f.path("c")))
	f.must(os.Rename(f.path("b"), f.path("a")))
	f.must(os.Rename(f.path("c"), f.path("b")))
	f.expect("a/x/mod.py", "b/x/mod.py")
	for _, name := range []string{"a/x/mod.py", "b/x/mod.py"} {
		f.write(name, "edited "+name)
		f.expect(name)
	}
}

func TestLinkedFoldersAreFollowed(t *testing.T) {
	t.Parallel()
	shared := &folder{t: t, dir: t.TempDir()}
	shared.write("lib.py", "one")
	dir := t.TempDir()
	shared.must(os.Symlink(shared.dir, filepath.Join(dir, "shared")))
	shared.must(os.Symlink(dir, filepath.Join(dir, "loop")))
	f := newFolderIn(t, dir, Options{}, openNotifier, "agent.py")
	shared.write("lib.py", "two")
	f.expect("shared/lib.py")
}

func TestFolderDeletedAndMadeAgain(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "agent")
	f := newFolderIn(t, dir, Options{}, openNotifier, "agent.py", "runagent.config.json")
	f.must(os.RemoveAll(dir))
	if got := f.expect("agent.py", "runagent.config.json"); !got.Code || !got.Manifest {
		t.Errorf("after the removal: %+v", got)
	}
	f.write("agent.py", "again")
	f.expect("agent.py")
	f.write("agent.py", "and again")
	f.expect("agent.py")
}

func TestFolderReplaced(t *testing.T) {
	t.Parallel()
	parent := t.TempDir()
	dir := filepath.Join(parent, "agent")
	f := newFolderIn(t, dir, Options{}, openNotifier, "agent.py")
	next := &folder{t: t, dir: filepath.Join(parent, "next")}
	next.write("agent.py", "from elsewhere")
	f.must(os.Rename(dir, filepath.Join(parent, "old")))
	f.must(os.Rename(next.dir, dir))
	f.expect("agent.py")
	f.write("agent.py", "edited there")
	f.expect("agent.py")
}

func TestManyChangesAreGathered(t *testing.T) {
	t.Parallel()
	f := newFolder(t, Options{Debounce: 200 * time.Millisecond}, "agent.py")
	var want []string
	for i := range 40 {
		name := fmt.Sprintf("pkg%d/mod.py", i%4) + fmt.Sprint(i) + ".py"
		want = append(want, name)
		f.write(name, "x")
	}
	slices.Sort(want)
	if got := f.next(); !slices.Equal(got.Paths, want) {
		t.Errorf("one change of %d paths, want one of %d", len(got.Paths), len(want))
	}
}

// TestSecondSaveWins saves twice within a second, too close for the time
// stamps of some file systems.
func TestSecondSaveWins(t *testing.T) {
	t.Parallel()
	f := newFolder(t, Options{}, "agent.py")
	stamp := time.Now()
	for i := range 10 {
		f.write("agent.py", fmt.Sprintf("%02d", i)) // the same size
		f.must(os.Chtimes(f.path("agent.py"), stamp, stamp))
		f.expect("agent.py")
	}
}

func TestLatency(t *testing.T) {
	if testing.Short() {
		t.Skip("measures time")
	}
	f := newFolder(t, Options{}, "agent.py")
	var took []time.Duration
	for i := range 21 {
		begun := time.Now()
		f.write("agent.py", fmt.Sprint("save ", i))
		f.expect("agent.py")
		took = append(took, time.Since(begun))
	}
	slices.Sort(took)
	median := took[len(took)/2]
	t.Logf("save to change: median %s, longest %s", median, took[len(took)-1])
	if median > 40*time.Millisecond {
		t.Errorf("median = %s, want at most 40ms", median)
	}
}

func TestPollingWhenTheSystemIsExhausted(t *testing.T) {
	t.Parallel()
	failing := func(fail func(added int) error) func() (*notifier, error) {
		return func() (*notifier, error) {
			n, added := &notifier{remove: func(string) error { return nil }, end: func() error { return nil }}, 0
			n.add = func(string) error { added++; return fail(added) }
			return n, nil
		}
	}
	for name, open := range map[string]func() (*notifier, error){
		"no instance": func() (*notifier, error) { return nil, syscall.EMFILE },
		"no watches":  failing(func(added int) error { return map[bool]error{true: syscall.ENOSPC}[added > 1] }),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFolderIn(t, t.TempDir(), Options{}, open, "agent.py", "pkg/mod.py")
			if !strings.Contains(f.warnings(), "max_user_watches") || strings.Contains(f.warnings(), "\n") {
				t.Errorf("warnings = %q, want one that says what to raise", f.warnings())
			}
			f.write("pkg/mod.py", "second")
			f.expect("pkg/mod.py")
			f.must(os.Chtimes(f.path("pkg/mod.py"), time.Now(), time.Now().Add(time.Hour)))
			f.write("new/a.py", "new")
			f.expect("new/a.py")
			f.must(os.Remove(f.path("agent.py")))
			f.expect("agent.py")
		})
	}
}

func TestOverflowLooksAtEverything(t *testing.T) {
	t.Parallel()
	failures := make(chan error)
	f := newFolderIn(t, t.TempDir(), Options{}, func() (*notifier, error) {
		return &notifier{add: deafly, remove: deafly, end: func() error { return nil }, errors: failures}, nil
	}, "agent.py", "pkg/mod.py")
	f.write("agent.py", "unseen")
	f.write("pkg/mod.py", "unseen")
	failures <- fsnotify.ErrEventOverflow
	f.expect("agent.py", "pkg/mod.py")
	if f.warnings() != "" {
		t.Errorf("warned %q of an overflow, which loses nothing", f.warnings())
	}
	f.write("agent.py", "later")
	failures <- syscall.ENOSPC
	f.expect("agent.py")
	if !strings.Contains(f.warnings(), "can't watch") {
		t.Errorf("warned %q, want that it polls", f.warnings())
	}
}

func TestUnreadableFolderIsNoRemoval(t *testing.T) {
	t.Parallel()
	if os.Geteuid() == 0 {
		runAsNobody(t)
		return
	}
	var warned []string
	tr := newTree(t.TempDir(), rules{}, deaf{}, func(text string) { warned = append(warned, text) })
	f := &folder{t: t, dir: tr.root}
	f.write("pkg/mod.py", "text")
	tr.learn()
	f.must(os.Chmod(f.path("pkg"), 0))
	t.Cleanup(func() { _ = os.Chmod(f.path("pkg"), 0o700) })
	if found := tr.scan("."); !found["pkg/mod.py"] || len(warned) != 1 || !strings.Contains(warned[0], "permission denied") {
		t.Errorf("scan = %v, warned %q, want the file kept and a warning", found, warned)
	}
}

// runAsNobody runs the test again without the rights of root, whom no mode stops.
func runAsNobody(t *testing.T) {
	t.Helper()
	copied := filepath.Join(os.TempDir(), fmt.Sprintf("watch-test-%d", os.Getpid()))
	binary, err := os.ReadFile(os.Args[0])
	if err == nil {
		err = os.WriteFile(copied, binary, 0o755)
	}
	if err != nil {
		t.Skipf("can't copy the test for another user: %v", err)
	}
	t.Cleanup(func() { os.Remove(copied) })
	cmd := exec.CommandContext(t.Context(), copied, "-test.run", "^"+t.Name()+"$")
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("as nobody: %v\n%s", err, out)
	}
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		dir string
		o   Options
	}{
		"no folder": {filepath.Join(t.TempDir(), "gone"), Options{}},
		"bad glob":  {t.TempDir(), Options{Globs: []string{"[a"}}},
		"bad brace": {t.TempDir(), Options{Globs: []string{"*.{a,b"}}},
	} {
		if _, err := New(c.dir, c.o); err == nil {
			t.Errorf("%s: New succeeded", name)
		}
	}
}
