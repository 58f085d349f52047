package watch

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

func TestEnvFileOutside(t *testing.T) {
	t.Parallel()
	outside := &folder{t: t, dir: t.TempDir()}
	outside.write("prod.env", "A=1")
	file := outside.path("prod.env")
	f := newFolder(t, Options{EnvFile: file}, "agent.py", ".env")
	f.write(".env", "not read")
	outside.write("other.env", "not read")
	outside.write("prod.env", "A=2")
	resolved, err := filepath.EvalSymlinks(file)
	f.must(err)
	if got := f.expect(resolved); !got.Env || got.Code {
		t.Errorf("change = %+v, want the env file", got)
	}
}

// TestInclude follows the parts of the requirements wherever they lie, for as
// long as they are parts.
func TestInclude(t *testing.T) {
	t.Parallel()
	for _, way := range []struct {
		name string
		open func() (*notifier, error)
	}{{"told by the kernel", openNotifier}, {"polled", func() (*notifier, error) { return nil, errors.New("no notifier") }}} {
		t.Run(way.name, func(t *testing.T) {
			t.Parallel()
			parent, err := filepath.EvalSymlinks(t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			shared, later := filepath.Join(parent, "common", "base.txt"), filepath.Join(parent, "common", "later.txt")
			outer := &folder{t: t, dir: parent}
			outer.write("common/base.txt", "first")
			f := newFolderIn(t, filepath.Join(parent, "agent"), Options{}, way.open, "agent.py", "constraints.txt", ".deps/dev.txt")
			f.watcher.Include([]string{f.path("constraints.txt"), shared, later, f.path(".deps/dev.txt"), filepath.Join(parent, "nowhere", "x.txt")})

			hidden := f.path(".deps/dev.txt")
			for _, c := range []struct{ file, told string }{
				{f.path("constraints.txt"), "constraints.txt"}, {shared, shared}, {later, later}, {hidden, hidden},
			} {
				if err := os.WriteFile(c.file, []byte("second"), 0o600); err != nil {
					t.Fatal(err)
				}
				if got, want := f.next(), (Change{Requirements: true, Paths: []string{c.told}}); !equal(got, want) {
					t.Errorf("after %s: %+v, want %+v", c.file, got, want)
				}
			}
			outer.write("common/other.txt", "nobody asked")
			f.quiet()

			f.watcher.Include([]string{later})
			outer.write("common/base.txt", "third")
			f.write("constraints.txt", "third")
			f.quiet()
			outer.write("common/later.txt", "third")
			f.expect(later)
		})
	}
}
