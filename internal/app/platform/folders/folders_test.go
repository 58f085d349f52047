package folders

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

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

func newFolders(t *testing.T) Folders {
	t.Helper()
	f := Folders{t.TempDir()}
	if err := f.Make(); err != nil {
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

func TestUsageCountsSharedFilesOnce(t *testing.T) {
	t.Parallel()
	f := Folders{Data: t.TempDir()}
	for name, size := range map[string]int{
		"bundles/a": 10, "code/r/main.py": 20, "envs/e/lib": 300, "data/a/kept": 4000, "state.db": 50000, "history.db-wal": 1, "lock": 7,
	} {
		path := filepath.Join(f.Data, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, make([]byte, size), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Link(filepath.Join(f.Data, "envs/e/lib"), filepath.Join(f.Data, "envs/lib")); err != nil {
		t.Fatal(err)
	}
	u, err := f.Usage(t.Context())
	if err != nil || u.Bundles != 10 || u.Code != 20 || u.Environments != 300 || u.Data != 4000 || u.Databases != 50001 || u.Free <= 0 {
		t.Errorf("%+v, %v", u, err)
	}
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
		if _, err := f.Store(bytes.NewReader(try.body), try.digest, 0, bundle.Limits{}); fault.CodeOf(err) != fault.Validation {
			t.Errorf("%s: %v", name, err)
		}
	}
	if got := inside(t, f.Bundles()); got != "" {
		t.Errorf("left %q", got)
	}
	for range 2 {
		if sum, err := f.Store(bytes.NewReader(text), digest, 0, bundle.Limits{}); err != nil || sum.Files != 1 {
			t.Fatalf("%+v, %v", sum, err)
		}
	}
	if got := inside(t, f.Bundles()); got != bundle.FileName(digest) {
		t.Errorf("left %q", got)
	}
}

func TestCodeIsUnpackedOnce(t *testing.T) {
	t.Parallel()
	f := newFolders(t)
	text, digest := packed(t, "x = 1")
	if _, err := f.Unpack(t.Context(), "r1", digest, bundle.Limits{}); fault.CodeOf(err) != fault.NotFound {
		t.Errorf("got %v", err)
	}
	if _, err := f.Store(bytes.NewReader(text), digest, 0, bundle.Limits{}); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		dir, err := f.Unpack(t.Context(), "r1", digest, bundle.Limits{})
		if err != nil || inside(t, dir) != "main.py" {
			t.Errorf("%s, %v", dir, err)
		}
	}
	stopped := errors.New("stopped")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(stopped)
	if _, err := f.Unpack(ctx, "r2", digest, bundle.Limits{}); !errors.Is(err, stopped) {
		t.Errorf("got %v", err)
	}
	if err := os.WriteFile(f.Bundle(digest), []byte("rotten"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Unpack(t.Context(), "r3", digest, bundle.Limits{}); err == nil {
		t.Error("a bundle that was changed on the disk was unpacked")
	}
	if got := inside(t, f.Codes()); got != "r1" {
		t.Errorf("left %q", got)
	}
	for keep, want := range map[string]string{"r9": "[r1]", "r1": "[]"} {
		if got, err := f.CodeBut(map[string]bool{keep: true}); err != nil || fmt.Sprint(got) != want {
			t.Errorf("besides %s there are %v, %v, want %s", keep, got, err, want)
		}
	}
	if err := f.RemoveBundles([]string{digest, digest}); err != nil || inside(t, f.Bundles()) != "" {
		t.Errorf("left %q, %v", inside(t, f.Bundles()), err)
	}
}

// broken is a body whose connection breaks after its text.
type broken struct{ io.Reader }

func (b broken) Read(into []byte) (int, error) {
	n, err := b.Reader.Read(into)
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

func TestAnUploadGoesOnWhereItBrokeOff(t *testing.T) {
	t.Parallel()
	f := newFolders(t)
	text, digest := packed(t, "x = 1")
	half := int64(len(text) / 2)
	if _, err := f.Store(broken{bytes.NewReader(text[:half])}, digest, 0, bundle.Limits{}); !errors.Is(err, io.ErrUnexpectedEOF) || f.Uploaded(digest) != half {
		t.Fatalf("%v, %d are there", err, f.Uploaded(digest))
	}
	// A worse try takes nothing away, and nobody begins beyond what is there.
	if _, err := f.Store(broken{bytes.NewReader(text[:3])}, digest, 0, bundle.Limits{}); err == nil || f.Uploaded(digest) != half {
		t.Errorf("%v, %d are there", err, f.Uploaded(digest))
	}
	if _, err := f.Store(bytes.NewReader(text[half+1:]), digest, half+1, bundle.Limits{}); fault.CodeOf(err) != fault.Conflict || f.Uploaded(digest) != half {
		t.Errorf("%v, %d are there", err, f.Uploaded(digest))
	}
	// A server that was killed meanwhile has kept it, too.
	more, err := f.begin(digest, half)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := more.Write(text[half : half+2]); err != nil {
		t.Fatal(err)
	}
	more.Close()
	if err := f.Make(); err != nil || f.Uploaded(digest) != half+2 {
		t.Errorf("%v, %d are there", err, f.Uploaded(digest))
	}
	// Going on may also begin before the end of what is there.
	sum, err := f.Store(bytes.NewReader(text[half:]), digest, half, bundle.Limits{})
	if err != nil || sum.Digest != digest || inside(t, f.Bundles()) != bundle.FileName(digest) {
		t.Errorf("%+v, %v, left %q", sum, err, inside(t, f.Bundles()))
	}
}

func TestABeginningOfAnotherBundleIsThrownAway(t *testing.T) {
	t.Parallel()
	f := newFolders(t)
	text, digest := packed(t, "x = 1")
	if _, err := f.Store(broken{strings.NewReader("nonsense")}, digest, 0, bundle.Limits{}); err == nil || f.Uploaded(digest) != 8 {
		t.Fatalf("%v, %d are there", err, f.Uploaded(digest))
	}
	if _, err := f.Store(bytes.NewReader(text[8:]), digest, 8, bundle.Limits{}); fault.CodeOf(err) != fault.Validation || f.Uploaded(digest) != 0 {
		t.Errorf("%v, %d are there", err, f.Uploaded(digest))
	}
	if _, err := f.Store(bytes.NewReader(text), digest, 0, bundle.Limits{Packed: int64(len(text)) - 1}); fault.CodeOf(err) != fault.PayloadTooLarge {
		t.Errorf("got %v", err)
	}
	if got := inside(t, f.Bundles()); got != "" {
		t.Errorf("left %q", got)
	}
}

func TestAFullDiskIsNoBrokenUpload(t *testing.T) {
	t.Parallel()
	full, err := os.OpenFile("/dev/full", os.O_RDWR, 0)
	if err != nil {
		t.Skip("there is no /dev/full here")
	}
	defer full.Close()
	if broke, err := receive(full, strings.NewReader("some"), bundle.Limits{}); broke || !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("broke %v, %v: what has come would be kept", broke, err)
	}
}

func TestBeginningsThatNobodyGoesOnWithAreRemoved(t *testing.T) {
	t.Parallel()
	f := newFolders(t)
	_, digest := packed(t, "x = 1")
	if _, err := f.Store(broken{strings.NewReader("some")}, digest, 0, bundle.Limits{}); err == nil {
		t.Fatal("it was taken")
	}
	if err := f.RemoveParts(time.Now()); err != nil || f.Uploaded(digest) != 4 {
		t.Errorf("%v, %d are there", err, f.Uploaded(digest))
	}
	if err := f.RemoveParts(time.Now().Add(2 * keepParts)); err != nil || inside(t, f.Bundles()) != "" {
		t.Errorf("%v, left %q", err, inside(t, f.Bundles()))
	}
}

func TestWhatKilledInstallersLeaveIsRemoved(t *testing.T) {
	t.Parallel()
	f := newFolders(t)
	for _, dir := range []string{"uv/.tmpA/x", "uv/builds-v0/.tmpB/bin", "uv/wheels-v8/pypi"} {
		if err := os.MkdirAll(filepath.Join(f.Cache(), dir), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Make(); err != nil {
		t.Fatal(err)
	}
	uv := filepath.Join(f.Cache(), "uv")
	if got := inside(t, uv) + ", " + inside(t, filepath.Join(uv, "builds-v0")); got != "builds-v0 wheels-v8, " {
		t.Errorf("left %q", got)
	}
}

func TestLocksGoWithTheirRevisions(t *testing.T) {
	t.Parallel()
	f := newFolders(t)
	for _, name := range []string{"a.txt", "b.txt"} {
		if err := errors.Join(os.MkdirAll(f.Locks(), 0o700), os.WriteFile(filepath.Join(f.Locks(), name), nil, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.RemoveLocksBut([]string{"a"}, time.Now()); err != nil || inside(t, f.Locks()) != "a.txt b.txt" {
		t.Errorf("%v, left %q: a deploy may be about to keep one", err, inside(t, f.Locks()))
	}
	if err := f.RemoveLocksBut([]string{"a"}, time.Now().Add(2*keepLocks)); err != nil || inside(t, f.Locks()) != "a.txt" {
		t.Errorf("%v, left %q", err, inside(t, f.Locks()))
	}
}

func TestTakenCountsAFileOfTwoNamesOnce(t *testing.T) {
	t.Parallel()
	f := newFolders(t)
	before := f.Taken()
	one := filepath.Join(f.Codes(), "one")
	if err := os.WriteFile(one, make([]byte, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Link(one, filepath.Join(f.Codes(), "two")); err != nil {
		t.Fatal(err)
	}
	if got := f.Taken() - before; got < 1<<20 || got >= 2<<20 {
		t.Errorf("%d bytes more are taken, want about %d", got, 1<<20)
	}
}

func TestOneDataFolderOnePlatform(t *testing.T) {
	t.Parallel()
	f := Folders{filepath.Join(t.TempDir(), "new")}
	release, err := f.Lock()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Lock(); fault.CodeOf(err) != fault.Conflict {
		t.Errorf("got %v", err)
	}
	release()
	again, err := f.Lock()
	if err != nil {
		t.Fatal(err)
	}
	again()
}
