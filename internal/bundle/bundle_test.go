package bundle

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/runagent/runagent/internal/fault"
)

// folder writes files by path; a content that begins with "-> " is a link.
func folder(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if target, link := strings.CutPrefix(text, "-> "); link {
			if err := os.Symlink(target, path); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func pack(t testing.TB, dir string, o PackOptions) ([]byte, Summary) {
	t.Helper()
	var out bytes.Buffer
	sum, err := Pack(t.Context(), dir, &out, o)
	if err != nil {
		t.Fatal(err)
	}
	return out.Bytes(), sum
}

// names lists what is below dir.
func names(t testing.TB, dir string) []string {
	t.Helper()
	var found []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			rel, _ := filepath.Rel(dir, path)
			found = append(found, filepath.ToSlash(rel))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestPackAndUnpack(t *testing.T) {
	t.Parallel()
	dir := folder(t, map[string]string{
		"runagent.config.json": "{}", "main.py": "print(1)\n", "lib/a.py": "", "größe/日本.txt": "x",
		"run.sh": "#!/bin/sh\n", "latest": "-> lib/a.py", "lib/up": "-> ../main.py",
		strings.Repeat("long/", 40) + "name.txt": "deep",
	})
	if err := os.Chmod(filepath.Join(dir, "run.sh"), 0o755); err != nil {
		t.Fatal(err)
	}
	packed, sum := pack(t, dir, PackOptions{})
	to := filepath.Join(t.TempDir(), "new")
	got, err := Unpack(bytes.NewReader(packed), to, Limits{})
	if err != nil || got != sum {
		t.Fatalf("unpacked %+v (%v), packed %+v", got, err, sum)
	}
	if want := names(t, dir); !slices.Equal(names(t, to), want) {
		t.Errorf("unpacked %v, want %v", names(t, to), want)
	}
	if info, err := os.Stat(filepath.Join(to, "run.sh")); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("run.sh: %v %v", info.Mode(), err)
	}
	if text, err := os.ReadFile(filepath.Join(to, "lib/up")); err != nil || string(text) != "print(1)\n" {
		t.Errorf("lib/up: %q %v", text, err)
	}
	if checked, err := Check(bytes.NewReader(packed), Limits{}); err != nil || checked != sum {
		t.Errorf("checked %+v (%v)", checked, err)
	}
	if !ValidDigest(sum.Digest) || sum.Files != 8 || sum.Packed != int64(len(packed)) {
		t.Errorf("summary %+v", sum)
	}
}

func TestSameFilesSameDigest(t *testing.T) {
	t.Parallel()
	files := map[string]string{"a.py": "1", "b/c.py": "2", "b.py": "3", "l": "-> a.py"}
	one, two := folder(t, files), folder(t, files)
	if err := os.Chtimes(filepath.Join(two, "a.py"), time.Unix(1, 0), time.Unix(1, 0)); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(two, "b.py"), 0o600); err != nil {
		t.Fatal(err)
	}
	first, sumOne := pack(t, one, PackOptions{})
	second, sumTwo := pack(t, two, PackOptions{})
	if sumOne != sumTwo || !bytes.Equal(first, second) {
		t.Errorf("%+v and %+v", sumOne, sumTwo)
	}
	if err := os.WriteFile(filepath.Join(two, "a.py"), []byte("4"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, other := pack(t, two, PackOptions{}); other.Digest == sumOne.Digest {
		t.Error("another content has the same digest")
	}
}

func TestWhatStaysOut(t *testing.T) {
	t.Parallel()
	dir := folder(t, map[string]string{
		"main.py": "", ".env": "A=1", ".env.local": "A=1", ".env.example": "A=", ".git/HEAD": "x", "sub/.git": "gitdir: x",
		"myenv/pyvenv.cfg": "", "myenv/bin/python": "", "node_modules/x/y.js": "", "__pycache__/main.cpython.pyc": "",
		".gitignore": "*.log\n/out/\n!keep.log\n", "a.log": "", "keep.log": "", "out/x": "", "sub/out/x": "",
		".runagentignore": "notes.md\nsub/deep/**\n", "notes.md": "", "sub/notes.md": "", "sub/deep/x": "",
		"sub/.gitignore": "*.tmp\n!*.log\n", "sub/a.tmp": "", "sub/b.log": "", "a.tmp": "",
		".venv": "-> " + folder(t, map[string]string{"pyvenv.cfg": ""}), "venv": "-> " + folder(t, map[string]string{"pyvenv.cfg": ""}),
		"sub/node_modules": "-> /nowhere", "sub/env": "-> ../myenv",
	})
	packed, _ := pack(t, dir, PackOptions{})
	to := t.TempDir()
	if _, err := Unpack(bytes.NewReader(packed), to, Limits{}); err != nil {
		t.Fatal(err)
	}
	want := []string{".env.example", ".gitignore", ".runagentignore", "a.tmp", "keep.log", "main.py", "sub/.gitignore", "sub/b.log", "sub/out/x"}
	if got := names(t, to); !slices.Equal(got, want) {
		t.Errorf("packed %v\nwant   %v", got, want)
	}
}

func TestPackRefuses(t *testing.T) {
	t.Parallel()
	key := "-----BEGIN " + "PRIVATE KEY-----\n"
	tests := map[string]struct {
		files  map[string]string
		limits Limits
		says   string
	}{
		"a link out":          {map[string]string{"x": "-> /etc/passwd"}, Limits{}, "x is a link that leads out of the folder, to /etc/passwd"},
		"a link above":        {map[string]string{"d/x": "-> ../../y"}, Limits{}, "d/x is a link"},
		"a key by name":       {map[string]string{"id_rsa": ""}, Limits{}, "id_rsa (by its name)"},
		"a key by content":    {map[string]string{"a.py": "K = '''" + key}, Limits{}, "a.py (it holds a private key)"},
		"a file of variables": {map[string]string{"prod.env": "", "example.env": ""}, Limits{}, "uploaded: prod.env (by its name)"},
		"tokens by name":      {map[string]string{".envrc": "", "a/secrets.toml": "", ".git-credentials": ""}, Limits{}, "uploaded: .envrc (by its name), .git-credentials (by its name), a/secrets.toml (by its name)"},
		"a token by content":  {map[string]string{"a.py": "K = 'AIza" + strings.Repeat("x", 35) + "'"}, Limits{}, "a.py (it holds a Google API key)"},
		"too many files":      {map[string]string{"a": "", "b": "", "c": ""}, Limits{Files: 2}, "more than 2 files"},
		"too many bytes":      {map[string]string{"a": strings.Repeat("x", 2<<20)}, Limits{Bytes: 1 << 20}, "larger than 1 MiB"},
		"too large a pack":    {map[string]string{"a": "x"}, Limits{Packed: 10}, "the bundle is larger"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := Pack(t.Context(), folder(t, tt.files), &bytes.Buffer{}, PackOptions{Limits: tt.limits})
			if fault.As(err) == nil || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("got %v, want %q", err, tt.says)
			}
		})
	}
	pipe := folder(t, nil)
	if err := syscall.Mkfifo(filepath.Join(pipe, "fifo"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Pack(t.Context(), pipe, &bytes.Buffer{}, PackOptions{}); err == nil || !strings.Contains(err.Error(), "fifo is neither a file nor a folder") {
		t.Errorf("got %v", err)
	}
	pack(t, folder(t, map[string]string{"id_rsa": key}), PackOptions{AllowSecrets: true})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Pack(ctx, folder(t, nil), &bytes.Buffer{}, PackOptions{}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestPackMissesWhatIsNeeded(t *testing.T) {
	t.Parallel()
	for ignored, says := range map[string]string{
		"*.json\n":    "runagent.config.json is needed, but .gitignore or .runagentignore leaves runagent.config.json out",
		"src/\n":      "src/main.py is needed, but .gitignore or .runagentignore leaves src out",
		"*.md\nlib\n": "",
	} {
		dir := folder(t, map[string]string{".gitignore": ignored, "runagent.config.json": "{}", "src/main.py": "", "a.md": "", "lib/x": ""})
		_, err := Pack(t.Context(), dir, &bytes.Buffer{}, PackOptions{Needed: []string{"runagent.config.json", "src/main.py"}})
		if says == "" && err != nil || says != "" && (fault.CodeOf(err) != fault.Validation || !strings.Contains(err.Error(), says)) {
			t.Errorf("%q: got %v, want %q", ignored, err, says)
		}
	}
}

// archive makes a bundle of entries that Pack would never write.
func archive(t testing.TB, headers ...tar.Header) []byte {
	t.Helper()
	var out bytes.Buffer
	compressed, err := zstd.NewWriter(&out, zstd.WithWindowSize(windowSize))
	if err != nil {
		t.Fatal(err)
	}
	w := tar.NewWriter(compressed)
	for _, h := range headers {
		if h.Typeflag == 0 {
			h.Typeflag = tar.TypeReg
		}
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(make([]byte, h.Size)); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(w.Close(), compressed.Close()); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestUnpackRefuses(t *testing.T) {
	t.Parallel()
	link := func(name, target string) tar.Header {
		return tar.Header{Name: name, Linkname: target, Typeflag: tar.TypeSymlink}
	}
	tests := map[string]struct {
		bundle []byte
		says   string
	}{
		"absolute":       {archive(t, tar.Header{Name: "/etc/x"}), "does not stay inside"},
		"above":          {archive(t, tar.Header{Name: "../x"}), "does not stay inside"},
		"above, hidden":  {archive(t, tar.Header{Name: "a/../../x"}), "does not stay inside"},
		"not clean":      {archive(t, tar.Header{Name: "a//x"}), "does not stay inside"},
		"backslash":      {archive(t, tar.Header{Name: `..\x`}), "does not stay inside"},
		"link out":       {archive(t, link("x", "/etc/passwd")), "leads out"},
		"link above":     {archive(t, link("a/x", "../../y")), "leads out"},
		"through a link": {archive(t, link("a", "b"), tar.Header{Name: "a/x"}), "below what is no folder"},
		"below a file":   {archive(t, tar.Header{Name: "a"}, tar.Header{Name: "a/x"}), "below what is no folder"},
		"twice":          {archive(t, tar.Header{Name: "a"}, tar.Header{Name: "a"}), "twice"},
		"device":         {archive(t, tar.Header{Name: "a", Typeflag: tar.TypeChar}), "neither a file nor a link"},
		"hard link":      {archive(t, tar.Header{Name: "a", Linkname: "/etc/passwd", Typeflag: tar.TypeLink}), "neither a file nor a link"},
		"folder entry":   {archive(t, tar.Header{Name: "a/", Typeflag: tar.TypeDir}), "does not stay inside"},
		"bomb":           {archive(t, tar.Header{Name: "a", Size: 3 << 20}), "larger than 2 MiB"},
		"too many":       {archive(t, tar.Header{Name: "a"}, tar.Header{Name: "b"}, tar.Header{Name: "c"}, tar.Header{Name: "d"}), "more than 3 files"},
		"not compressed": {[]byte("hello, this is no bundle"), "not a whole bundle"},
		"nothing":        {nil, ""},
		"cut":            {archive(t, tar.Header{Name: "a", Size: 1 << 20})[:40], "not a whole bundle"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			parent := t.TempDir()
			_, err := Unpack(bytes.NewReader(tt.bundle), filepath.Join(parent, "in"), Limits{Files: 3, Bytes: 2 << 20})
			if tt.says == "" {
				return
			}
			if fault.As(err) == nil || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("got %v, want %q", err, tt.says)
			}
			for _, left := range names(t, parent) {
				if !strings.HasPrefix(left, "in/") {
					t.Errorf("%s was written outside", left)
				}
			}
		})
	}
}

func TestUnpackOfAHugeZeroStreamStops(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	w, err := zstd.NewWriter(&out, zstd.WithWindowSize(windowSize))
	if err != nil {
		t.Fatal(err)
	}
	zeros := make([]byte, 1<<20)
	for range 64 {
		if _, err := w.Write(zeros); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := Check(&out, Limits{Bytes: 1 << 20, Files: 1}); fault.CodeOf(err) != fault.PayloadTooLarge {
		t.Errorf("got %v", err)
	}
}

func TestValidDigest(t *testing.T) {
	t.Parallel()
	good := "sha256:" + strings.Repeat("0a", 32)
	for text, want := range map[string]bool{good: true, good[1:]: false, good + "0": false, strings.ToUpper(good): false, "sha256:" + strings.Repeat("/.", 32): false} {
		if ValidDigest(text) != want {
			t.Errorf("ValidDigest(%q) = %v", text, !want)
		}
	}
}

func FuzzUnpack(f *testing.F) {
	f.Add(archive(f, tar.Header{Name: "a", Size: 3}, tar.Header{Name: "l", Linkname: "a", Typeflag: tar.TypeSymlink}))
	f.Add(archive(f, tar.Header{Name: "../x"}))
	f.Fuzz(func(t *testing.T, raw []byte) {
		parent := t.TempDir()
		sum, err := Unpack(bytes.NewReader(raw), filepath.Join(parent, "in"), Limits{Files: 8, Bytes: 64 << 10, Packed: 64 << 10})
		for _, left := range names(t, parent) {
			if !strings.HasPrefix(left, "in/") {
				t.Fatalf("%s was written outside", left)
			}
		}
		if err == nil && !ValidDigest(sum.Digest) {
			t.Fatalf("digest %q", sum.Digest)
		}
	})
}
