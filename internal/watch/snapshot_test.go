package watch

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/runagent/runagent/internal/fault"
)

func newSources(t testing.TB, files ...string) *folder {
	t.Helper()
	f := &folder{t: t, dir: t.TempDir()}
	for _, name := range files {
		f.write(name, "first "+name)
	}
	return f
}

func (f *folder) snapshot(dest string) string {
	f.t.Helper()
	path, err := Snapshot(f.t.Context(), f.dir, dest)
	if err != nil {
		f.t.Fatal(err)
	}
	return path
}

// holds lists the files below dir.
func holds(t testing.TB, dir string) []string {
	t.Helper()
	var names []string
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			rel, _ := filepath.Rel(dir, path)
			names = append(names, rel)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func TestEditedNamesWhatBothSnapshotsHaveOtherwise(t *testing.T) {
	t.Parallel()
	f, dest := newSources(t, "agent.py", "pkg/mod.py", "same.py", "gone.py"), t.TempDir()
	before := f.snapshot(dest)
	f.write("agent.py", "other")
	f.write("pkg/mod.py", strings.ToUpper("first pkg/mod.py")) // of the same length
	f.write("new.py", "new")
	if err := os.Remove(filepath.Join(f.dir, "gone.py")); err != nil {
		t.Fatal(err)
	}
	after := f.snapshot(dest)
	got, err := Edited(after, before)
	if want := []string{"agent.py", "pkg/mod.py"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("got %v, %v, want %v", got, err, want)
	}
	if got, err := Edited(after, filepath.Join(dest, "pruned")); err != nil || got != nil {
		t.Errorf("beside none: got %v, %v", got, err)
	}
}

func TestSnapshotHoldsTheSourcesAsTheyWere(t *testing.T) {
	t.Parallel()
	f := newSources(t, "agent.py", "pkg/__init__.py", "pkg/sub/mod.py", "data.csv", ".env", "__pycache__/x.py", ".venv/y.py", "venv/pyvenv.cfg", "venv/z.py", ".#agent.py")
	dest := t.TempDir()
	first := f.snapshot(dest)
	if got, want := holds(t, first), []string{"agent.py", "pkg/__init__.py", "pkg/sub/mod.py"}; !slices.Equal(got, want) {
		t.Errorf("snapshot holds %v, want %v", got, want)
	}
	if again := f.snapshot(dest); again != first {
		t.Errorf("the same sources gave %s and %s", first, again)
	}
	f.write("agent.py", "second")
	second := f.snapshot(dest)
	if second == first {
		t.Fatal("a change gave the same snapshot")
	}
	for path, want := range map[string]string{first: "first agent.py", second: "second"} {
		if text, err := os.ReadFile(filepath.Join(path, "agent.py")); err != nil || string(text) != want {
			t.Errorf("%s/agent.py = %q, %v, want %q", path, text, err, want)
		}
	}
	one, err1 := os.Stat(filepath.Join(first, "pkg/sub/mod.py"))
	two, err2 := os.Stat(filepath.Join(second, "pkg/sub/mod.py"))
	if err := errors.Join(err1, err2); err != nil || !os.SameFile(one, two) {
		t.Errorf("an unchanged file was copied again (%v)", err)
	}
	f.write("agent.py", "first agent.py")
	if back := f.snapshot(dest); back != first {
		t.Errorf("back to the first sources gave %s, want %s", back, first)
	}
}

func TestSnapshotMendsACutBlob(t *testing.T) {
	t.Parallel()
	f, dest := newSources(t, "agent.py"), t.TempDir()
	f.must(os.RemoveAll(f.snapshot(dest)))
	for _, blob := range holds(t, filepath.Join(dest, blobs)) {
		f.must(os.Truncate(filepath.Join(dest, blobs, blob), 3)) // as a crash may leave it
	}
	text, err := os.ReadFile(filepath.Join(f.snapshot(dest), "agent.py"))
	if err != nil || string(text) != "first agent.py" {
		t.Errorf("agent.py = %q, %v", text, err)
	}
}

func TestSnapshotIsBounded(t *testing.T) {
	t.Parallel()
	many := newSources(t)
	for i := range maxSources + 1 {
		many.write(fmt.Sprintf("m%d.py", i), "x")
	}
	big := newSources(t)
	big.write("big.py", strings.Repeat("x", maxSourceBytes+1))
	for _, f := range []*folder{many, big} {
		if _, err := Snapshot(t.Context(), f.dir, t.TempDir()); fault.CodeOf(err) != fault.Validation {
			t.Errorf("err = %v, want VALIDATION_ERROR", err)
		}
	}
}

func TestSnapshotEndsWithItsContext(t *testing.T) {
	t.Parallel()
	cause := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(cause)
	if _, err := Snapshot(ctx, newSources(t, "agent.py").dir, t.TempDir()); !errors.Is(err, cause) {
		t.Errorf("err = %v, want the cause", err)
	}
	if _, err := Snapshot(t.Context(), filepath.Join(t.TempDir(), "gone"), t.TempDir()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("err = %v, want that the folder is missing", err)
	}
}

func TestSnapshotsAtOnce(t *testing.T) {
	t.Parallel()
	f, dest := newSources(t, "agent.py", "pkg/mod.py"), t.TempDir()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			path, err := Snapshot(t.Context(), f.dir, dest)
			if err != nil || len(holds(t, path)) != 2 {
				t.Errorf("Snapshot = %s, %v", path, err)
			}
		})
	}
	wg.Wait()
	if entries, err := os.ReadDir(dest); err != nil || len(entries) != 2 {
		t.Errorf("%d entries are left, %v, want the snapshot and the blobs", len(entries), err)
	}
}

func TestPruneSnapshots(t *testing.T) {
	t.Parallel()
	f, dest := newSources(t, "agent.py", "same.py"), t.TempDir()
	old := f.snapshot(dest)
	f.write("agent.py", "second")
	kept := f.snapshot(dest)
	if err := PruneSnapshots(dest, kept); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(old); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%s is still there (%v)", old, err)
	}
	if got := holds(t, kept); len(got) != 2 {
		t.Errorf("the kept one holds %v", got)
	}
	if got := holds(t, filepath.Join(dest, blobs)); len(got) != 2 {
		t.Errorf("%d blobs are left, want 2", len(got))
	}
	if err := PruneSnapshots(filepath.Join(dest, "gone")); err != nil {
		t.Errorf("prune nothing: %v", err)
	}
}
