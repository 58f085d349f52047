package e2e

import (
	"archive/zip"
	"bytes"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// wheelOf is the wheel of version 1.0 of a package that is one file.
func wheelOf(t *testing.T, name, file string, text []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	archive := zip.NewWriter(&out)
	info := name + "-1.0.dist-info/"
	for entry, text := range map[string][]byte{
		file:              text,
		info + "METADATA": []byte("Metadata-Version: 2.1\nName: " + name + "\nVersion: 1.0\n"),
		info + "WHEEL":    []byte("Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"),
		info + "RECORD":   nil,
	} {
		w, err := archive.Create(entry)
		if err == nil {
			_, err = w.Write(text)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := archive.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// privateIndex is the address of an index with that package.
func privateIndex(t *testing.T, token string) string {
	t.Helper()
	wheel := wheelOf(t, "privpkg", "privpkg.py", []byte("SECRET_OF_OURS = 42\n"))
	index := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, password, _ := r.BasicAuth()
		switch {
		case password != token:
			w.Header().Set("WWW-Authenticate", `Basic realm="index"`)
			w.WriteHeader(http.StatusUnauthorized)
		case strings.HasSuffix(r.URL.Path, ".whl"):
			_, _ = w.Write(wheel)
		default:
			w.Header().Set("Content-Type", "text/html")
			_, _ = w.Write([]byte(`<a href="/files/privpkg-1.0-py3-none-any.whl">privpkg-1.0-py3-none-any.whl</a>`))
		}
	}))
	t.Cleanup(index.Close)
	return strings.TrimPrefix(index.URL, "http://")
}

// TestAPrivateIndexTakesItsPasswordFromASecret deploys an agent that requires
// a package of an index which asks for a password.
func TestAPrivateIndexTakesItsPasswordFromASecret(t *testing.T) {
	t.Parallel()
	found := findPrograms()
	for _, name := range []string{"python", "uv"} {
		if ok, err := found.condition(name); err != nil || !ok {
			t.Skipf("%s is not there", name)
		}
	}
	const token = "hush-hush-token"
	index := privateIndex(t, token)
	p := startPlatform(t)
	dir := filepath.Join(p.dir, "agent")
	for name, text := range map[string]string{
		"runagent.config.json": loadManifest, "main.py": "import privpkg\n\ndef main():\n    return privpkg.SECRET_OF_OURS\n",
		"requirements.txt": "--index-url http://me:${IDX_TOKEN}@" + index + "/simple\nprivpkg\n",
	} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	deploy := func() (string, error) {
		out, err := p.command("deploy", dir).CombinedOutput()
		return string(out), err
	}
	if out, err := deploy(); err == nil || !strings.Contains(out, "runagent secrets set") {
		t.Errorf("without the password: %v\n%s", err, out)
	}
	set := p.command("secrets", "set", "IDX_TOKEN")
	set.Stdin = strings.NewReader(token)
	if out, err := set.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	out, err := deploy()
	if err != nil || strings.Contains(out, token) {
		t.Fatalf("with it: %v\n%s", err, out)
	}
	if err := p.call(t.Context()); err != nil {
		t.Error(err)
	}
	locks, err := filepath.Glob(filepath.Join(p.dir, "data", "locks", "*.txt"))
	if err != nil || len(locks) != 1 {
		t.Fatalf("locks %v, %v", locks, err)
	}
	if text, err := os.ReadFile(locks[0]); err != nil || !strings.Contains(string(text), "${IDX_TOKEN}@") || strings.Contains(string(text), token) {
		t.Errorf("the lock is %q, %v", text, err)
	}
}
