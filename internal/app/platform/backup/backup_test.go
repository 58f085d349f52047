package backup

import (
	"archive/tar"
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/runagent/runagent/internal/app/platform/folders"
	"github.com/runagent/runagent/internal/bundle"
	"github.com/runagent/runagent/internal/fault"
	"github.com/runagent/runagent/internal/store/state"
)

// newPlatform makes the data folder of a platform with one revision, whose
// state stays open, as under a server. It returns the bundle's digest, too.
func newPlatform(t *testing.T) (data, digest string) {
	t.Helper()
	data = t.TempDir()
	f := folders.Folders{Data: data}
	if err := f.Make(); err != nil {
		t.Fatal(err)
	}
	db, err := state.Open(filepath.Join(data, stateName), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "main.py"), []byte("x = 1"), 0o600); err != nil {
		t.Fatal(err)
	}
	var packed bytes.Buffer
	sum, err := bundle.Pack(t.Context(), dir, &packed, bundle.PackOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Store(&packed, sum.Digest, 0, bundle.Limits{}); err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{
		db.AddBundle(t.Context(), sum), db.RegisterAgent(t.Context(), state.Agent{ID: "a", Slug: "bot", Name: "Bot"}),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if _, err := db.AddRevision(t.Context(), state.Revision{ID: "r", AgentID: "a", Digest: sum.Digest}); err != nil {
		t.Fatal(err)
	}
	return data, sum.Digest
}

func TestBackupAndRestore(t *testing.T) {
	t.Parallel()
	data, digest := newPlatform(t)
	dir := t.TempDir()
	file, to := filepath.Join(dir, "backup.tar"), filepath.Join(dir, "new")
	if n, err := Write(t.Context(), data, file); err != nil || n != 1 {
		t.Fatalf("%d, %v", n, err)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if _, err := Write(t.Context(), data, file); fault.CodeOf(err) != fault.Conflict {
		t.Errorf("it went over a file: %v", err)
	}
	if n, err := Restore(t.Context(), file, to); err != nil || n != 1 {
		t.Fatalf("%d, %v", n, err)
	}
	if _, err := Restore(t.Context(), file, to); fault.CodeOf(err) != fault.Conflict {
		t.Errorf("it went over a folder: %v", err)
	}
	db, err := state.Open(filepath.Join(to, stateName), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if r, err := db.Revision(t.Context(), "a", "1"); err != nil || r.Digest != digest {
		t.Errorf("%+v, %v", r, err)
	}
	if dir, err := (folders.Folders{Data: to}).Unpack(t.Context(), "r", digest, bundle.Limits{}); err != nil {
		t.Errorf("%s, %v", dir, err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 2 {
		t.Errorf("%v was left, %v", left, err)
	}
}

func TestWhatIsNoBackupIsRefused(t *testing.T) {
	t.Parallel()
	data, digest := newPlatform(t)
	file := filepath.Join(t.TempDir(), "good")
	if _, err := Write(t.Context(), data, file); err != nil {
		t.Fatal(err)
	}
	good, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	archive := func(names ...string) []byte {
		var out bytes.Buffer
		w := tar.NewWriter(&out)
		for _, name := range names {
			if err := w.WriteHeader(&tar.Header{Name: name, Typeflag: tar.TypeReg, Size: 1}); err != nil {
				t.Fatal(err)
			}
			if _, err := w.Write([]byte("x")); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		return out.Bytes()
	}
	for name, text := range map[string][]byte{
		"nothing": nil, "text": []byte("hello"), "cut": good[:len(good)/2], "another archive": archive("a"), "a way out": archive(stateName, "../x"),
		"a bad bundle": archive(stateName, "bundles/"+bundle.FileName(digest)), "twice": archive(stateName, stateName), "no state in it": archive(stateName),
		"an odd name": archive(stateName, "bundles/x.tar.zst"),
	} {
		bad, to := filepath.Join(t.TempDir(), "bad"), filepath.Join(t.TempDir(), "to")
		if err := os.WriteFile(bad, text, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Restore(t.Context(), bad, to); err == nil || !strings.Contains(err.Error(), "bad") {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := os.Stat(to); err == nil {
			t.Errorf("%s: something was left", name)
		}
	}
	if _, err := Write(t.Context(), t.TempDir(), filepath.Join(t.TempDir(), "b")); err == nil {
		t.Error("a folder without a platform was backed up")
	}
}
