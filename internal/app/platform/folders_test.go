package platform

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/runagent/runagent/internal/bundle"
	"github.com/runagent/runagent/internal/fault"
)

// packed is the bundle of a folder with one file.
func packed(t *testing.T, text string) ([]byte, string) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "main.py"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	sum, err := bundle.Pack(t.Context(), dir, &out, bundle.PackOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return out.Bytes(), sum.Digest
}

func newFolders(t *testing.T) folders {
	t.Helper()
	f := folders{t.TempDir()}
	if err := f.make(); err != nil {
		t.Fatal(err)
	}
	return f
}

// inside lists a folder.
func inside(t *testing.T, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return strings.Join(names, " ")
}

func TestBundlesAreStoredWholeOrNotAtAll(t *testing.T) {
	t.Parallel()
	f := newFolders(t)
	text, digest := packed(t, "x = 1")
	_, other := packed(t, "x = 2")
	for name, try := range map[string]struct {
		body   []byte
		digest string
	}{"another digest": {text, other}, "cut": {text[:len(text)/2], digest}, "nothing": {nil, digest}} {
		if _, err := f.store(bytes.NewReader(try.body), try.digest, bundle.Limits{}); fault.CodeOf(err) != fault.Validation {
			t.Errorf("%s: %v", name, err)
		}
	}
	if got := inside(t, f.bundles()); got != "" {
		t.Errorf("left %q", got)
	}
	for range 2 {
		if sum, err := f.store(bytes.NewReader(text), digest, bundle.Limits{}); err != nil || sum.Files != 1 {
			t.Fatalf("%+v, %v", sum, err)
		}
	}
	if got := inside(t, f.bundles()); got != bundle.FileName(digest) {
		t.Errorf("left %q", got)
	}
}

func TestCodeIsUnpackedOnce(t *testing.T) {
	t.Parallel()
	f := newFolders(t)
	text, digest := packed(t, "x = 1")
	if _, err := f.unpack(t.Context(), "r1", digest, bundle.Limits{}); fault.CodeOf(err) != fault.NotFound {
		t.Errorf("got %v", err)
	}
	if _, err := f.store(bytes.NewReader(text), digest, bundle.Limits{}); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		dir, err := f.unpack(t.Context(), "r1", digest, bundle.Limits{})
		if err != nil || inside(t, dir) != "main.py" {
			t.Errorf("%s, %v", dir, err)
		}
	}
	stopped := errors.New("stopped")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(stopped)
	if _, err := f.unpack(ctx, "r2", digest, bundle.Limits{}); !errors.Is(err, stopped) {
		t.Errorf("got %v", err)
	}
	if err := os.WriteFile(f.bundle(digest), []byte("rotten"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := f.unpack(t.Context(), "r3", digest, bundle.Limits{}); err == nil {
		t.Error("a bundle that was changed on the disk was unpacked")
	}
	if got := inside(t, f.codes()); got != "r1" {
		t.Errorf("left %q", got)
	}
	if err := f.removeCodeBut(map[string]bool{"r9": true}); err != nil || inside(t, f.codes()) != "" {
		t.Errorf("left %q, %v", inside(t, f.codes()), err)
	}
	if err := f.removeBundles([]string{digest, digest}); err != nil || inside(t, f.bundles()) != "" {
		t.Errorf("left %q, %v", inside(t, f.bundles()), err)
	}
}

func TestHalfMadeUploadsAreRemoved(t *testing.T) {
	t.Parallel()
	f := newFolders(t)
	if err := os.WriteFile(filepath.Join(f.bundles(), uploadPrefix+"1"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := f.make(); err != nil || inside(t, f.bundles()) != "" {
		t.Errorf("left %q, %v", inside(t, f.bundles()), err)
	}
}

func TestOneDataFolderOnePlatform(t *testing.T) {
	t.Parallel()
	f := folders{filepath.Join(t.TempDir(), "new")}
	release, err := f.lock()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.lock(); fault.CodeOf(err) != fault.Conflict {
		t.Errorf("got %v", err)
	}
	release()
	again, err := f.lock()
	if err != nil {
		t.Fatal(err)
	}
	again()
}

func TestKeyFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "key")
	const key = "ra_aaaaaaaaaaaaaaaaaaaaaaaaaa2bcdbb15" // what it says does not matter to write it
	if got, err := keyFile(path, key); err != nil || got != key {
		t.Fatalf("%q, %v", got, err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if err := os.WriteFile(path, []byte("something else"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := keyFile(path, key); fault.CodeOf(err) != fault.Conflict {
		t.Errorf("a file of someone's was taken: %v", err)
	}
}

func TestAgentsGetLittleOfTheEnvironment(t *testing.T) {
	t.Parallel()
	environ := []string{"PATH=/bin", "HOME=/root", "OPENAI_API_KEY=x", "RUNAGENT_API_KEY=y", "LC_ALL=C", "VIRTUAL_ENV=/v", "RUNAGENT_UV=/uv", "UV_INDEX=z", "PATHOLOGY=1"}
	if got := strings.Join(agentEnviron(environ), " "); got != "PATH=/bin LC_ALL=C" {
		t.Errorf("agents get %q", got)
	}
	if got := strings.Join(buildEnviron(environ), " "); got != "PATH=/bin HOME=/root OPENAI_API_KEY=x LC_ALL=C RUNAGENT_UV=/uv UV_INDEX=z PATHOLOGY=1" {
		t.Errorf("builds get %q", got)
	}
}
