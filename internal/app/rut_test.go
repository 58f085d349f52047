package app

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestRutTellsAnAgentThatWritesItselfFromItsAuthor by when the file was written.
func TestRutTellsAnAgentThatWritesItselfFromItsAuthor(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	written := func(at time.Time) {
		path := filepath.Join(dir, "gen.py")
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, at, at); err != nil {
			t.Fatal(err)
		}
	}
	began := time.Now()
	during, after, ended := began.Add(time.Second), began.Add(3*time.Second), began.Add(2*time.Second)
	r := rut{dir: dir}
	reload := func(whole bool, write time.Time) (stuck, news bool) {
		r.began = began
		r.ends(reloaded{whole, ended})
		written(write)
		return r.stuck([]string{"gen.py"})
	}

	for i := 1; i <= rutAfter+1; i++ {
		if stuck, news := reload(true, during); stuck != (i >= rutAfter) || news != (i == rutAfter) {
			t.Errorf("import %d: stuck %v, news %v", i, stuck, news)
		}
	}
	if stuck, _ := reload(true, after); stuck {
		t.Error("a save after the import is not followed")
	}
	for i := 1; i < rutAfter; i++ {
		if stuck, _ := reload(true, during); stuck {
			t.Errorf("import %d after a save: stuck", i)
		}
	}

	// A long import that its own write breaks off is let through in the end.
	reload(true, after)
	for i := 1; i <= rutAfter; i++ {
		if stuck, _ := reload(false, during); stuck || r.patient() != (i == rutAfter) {
			t.Errorf("broken reload %d: stuck %v, patient %v", i, stuck, r.patient())
		}
	}
	for range rutAfter {
		if !r.patient() {
			t.Error("not patient any more")
		}
		reload(true, during)
	}
	if stuck, _ := reload(true, during); !stuck {
		t.Error("a long import is reloaded for ever")
	}
}
