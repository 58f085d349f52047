package shim

import (
	"bytes"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

func TestEmbeddedFilesAreTheTrackedOnes(t *testing.T) {
	t.Parallel()
	out, err := exec.Command("git", "ls-files", "--cached", "python").Output()
	if err != nil {
		t.Skipf("no git checkout to compare with: %v", err)
	}
	var tracked []string
	for name := range strings.Lines(string(out)) {
		name = strings.TrimSpace(name)
		if strings.HasSuffix(name, ".py") && !strings.HasPrefix(name, "python/tests/") {
			tracked = append(tracked, strings.TrimPrefix(name, "python/"))
		}
	}
	var embedded []string
	err = each(files, func(name string, _ []byte) error {
		embedded = append(embedded, name)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(tracked)
	slices.Sort(embedded)
	if !slices.Equal(embedded, tracked) {
		t.Errorf("embedded files %q, tracked %q", embedded, tracked)
	}
}

func TestExtract(t *testing.T) {
	t.Parallel()

	t.Run("writes_every_file_and_is_idempotent", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		root := extract(t, dir)
		checkTree(t, root)
		if again := extract(t, dir); again != root {
			t.Errorf("second root %q, want %q", again, root)
		}
		checkOnlyRoot(t, root)
	})

	t.Run("repairs_a_root_without_its_boot_file", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		root := extract(t, dir)
		if err := os.Remove(filepath.Join(root, Boot)); err != nil {
			t.Fatal(err)
		}
		extract(t, dir)
		checkTree(t, root)
	})

	t.Run("stands_many_at_once", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		roots := make([]string, 16)
		var wg sync.WaitGroup
		for i := range roots {
			wg.Go(func() {
				root, err := Extract(dir)
				if err != nil {
					t.Errorf("extract: %v", err)
				}
				roots[i] = root
			})
		}
		wg.Wait()
		for _, root := range roots {
			if root != roots[0] {
				t.Errorf("root %q, want %q", root, roots[0])
			}
		}
		checkTree(t, roots[0])
		checkOnlyRoot(t, roots[0])
	})

	t.Run("says_which_directory_is_not_writable", func(t *testing.T) {
		t.Parallel()
		file := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Extract(file); err == nil || !strings.Contains(err.Error(), file) {
			t.Errorf("error %v, want one that names %s", err, file)
		}
	})
}

func extract(t *testing.T, dir string) string {
	t.Helper()
	root, err := Extract(dir)
	if err != nil {
		t.Fatalf("extract: %v", err)
	}
	return root
}

// checkTree compares what is on disk with what is embedded.
func checkTree(t *testing.T, root string) {
	t.Helper()
	want := map[string][]byte{}
	if err := each(files, func(name string, data []byte) error {
		want[name] = data
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		name, _ := filepath.Rel(root, path)
		got, err := os.ReadFile(path)
		if data, ok := want[filepath.ToSlash(name)]; !ok || !bytes.Equal(got, data) {
			t.Errorf("%s is not as embedded", name)
		}
		delete(want, filepath.ToSlash(name))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for name := range want {
		t.Errorf("%s was not written", name)
	}
}

// checkOnlyRoot checks that no draft was left beside root.
func checkOnlyRoot(t *testing.T, root string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(root))
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != 1 {
		t.Errorf("%d entries beside the root, want it alone", len(entries))
	}
}
