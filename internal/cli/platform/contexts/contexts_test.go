package contexts

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestLoginsAreKept(t *testing.T) {
	t.Parallel()
	home := filepath.Join(t.TempDir(), "new")
	if c, err := Load(home); err != nil || c.Current != "" {
		t.Fatalf("%+v, %v", c, err)
	}
	for _, url := range []string{"http://a", "http://b"} {
		if err := Add(home, url, "key of "+url); err != nil {
			t.Fatal(err)
		}
	}
	c, err := Load(home)
	if err != nil || c.Current != "http://b" || c.Keys["http://a"] != "key of http://a" || len(c.Keys) != 2 {
		t.Errorf("%+v, %v", c, err)
	}
	info, err := os.Stat(filepath.Join(home, fileName))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if entries, _ := os.ReadDir(home); len(entries) != 1 {
		t.Errorf("%v was left", entries)
	}
}

func TestABrokenFileIsNamed(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	if err := os.WriteFile(filepath.Join(home, fileName), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(home); err == nil || !strings.Contains(err.Error(), fileName) {
		t.Errorf("got %v", err)
	}
	if err := Add(home, "http://a", "k"); err == nil {
		t.Error("a broken file was overwritten")
	}
}

func TestUseAndRemove(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	for _, url := range []string{"http://one", "http://two"} {
		if err := Add(home, url, "key of "+url); err != nil {
			t.Fatal(err)
		}
	}
	check := func(current string, names ...string) {
		t.Helper()
		c, err := Load(home)
		if err != nil || c.Current != current || !slices.Equal(c.Names(), names) {
			t.Errorf("%+v, %v, want %q among %q", c, err, current, names)
		}
	}
	check("http://two", "http://one", "http://two")
	if err := Use(home, "http://one"); err != nil {
		t.Fatal(err)
	}
	check("http://one", "http://one", "http://two")
	if err := Remove(home, "http://two"); err != nil {
		t.Fatal(err)
	}
	check("http://one", "http://one")
	if err := Remove(home, "http://one"); err != nil {
		t.Fatal(err)
	}
	check("")
}
