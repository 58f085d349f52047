package build

import (
	"archive/zip"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/runagent/runagent/internal/runtime/python"
)

// TestMain lets this binary stand for another process that builds.
func TestMain(m *testing.M) {
	if dir := os.Getenv("BUILD_AND_BE_KILLED"); dir != "" {
		buildAndBeKilled(dir)
		return
	}
	goleak.VerifyTestMain(m)
}

// system returns this machine's python3.
func system(t testing.TB) *python.Interpreter {
	t.Helper()
	in, err := python.Find(t.Context(), python.FindOptions{Path: os.Getenv("PATH")})
	if err != nil {
		t.Skipf("no Python 3.9+ on this machine: %v", err)
	}
	return in
}

// withVenv skips the test where Python can't make environments with pip.
func withVenv(t testing.TB) *python.Interpreter {
	t.Helper()
	in := system(t)
	if err := exec.CommandContext(t.Context(), in.Path, "-c", "import venv, ensurepip").Run(); err != nil {
		t.Skip("this Python has no venv and ensurepip")
	}
	return in
}

// realUV returns uv, or skips the test.
func realUV(t testing.TB) string {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	uv := FindUV("", filepath.Join(root, ".tools", "bin")+":"+os.Getenv("PATH"))
	if uv == "" {
		t.Skip("no uv on this machine; `make uv` installs it")
	}
	return uv
}

// network skips the test unless packages may be fetched.
func network(t testing.TB) {
	t.Helper()
	if os.Getenv("RUNAGENT_TEST_NETWORK") == "" {
		t.Skip("installs from the package index; `make test` and RUNAGENT_TEST_NETWORK=1 run it")
	}
}

// offline is an environment in which installers ask no index.
func offline() []string {
	return []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME"), "PIP_NO_INDEX=1", "UV_NO_INDEX=1", "UV_OFFLINE=1",
	}
}

// online is the environment of this process.
func online() []string { return os.Environ() }

// lines collects what a Builder tells.
type lines struct {
	mu  sync.Mutex
	all []string
}

func (l *lines) tell(line string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = append(l.all, line)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.all, "\n")
}

func write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// wheel writes a package that installs without any build or index, and
// returns its file name. requires is a line of metadata, or "".
func wheel(t testing.TB, dir, name, version, requires string) string {
	t.Helper()
	file := fmt.Sprintf("%s-%s-py3-none-any.whl", name, version)
	out, err := os.Create(filepath.Join(dir, file))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	archive := zip.NewWriter(out)
	info := fmt.Sprintf("%s-%s.dist-info/", name, version)
	metadata := fmt.Sprintf("Metadata-Version: 2.1\nName: %s\nVersion: %s\n", name, version)
	if requires != "" {
		metadata += "Requires-Dist: " + requires + "\n"
	}
	for _, entry := range [][2]string{
		{name + ".py", "VERSION = '" + version + "'\n"},
		{info + "METADATA", metadata},
		{info + "WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"},
		{info + "RECORD", name + ".py,,\n" + info + "METADATA,,\n" + info + "WHEEL,,\n" + info + "RECORD,,\n"},
	} {
		w, err := archive.Create(entry[0])
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(entry[1])); err != nil {
			t.Fatal(err)
		}
	}
	if err := archive.Close(); err != nil {
		t.Fatal(err)
	}
	return file
}

// fakeUV writes a program in uv's place. Its `venv` makes a real environment
// without packages; install is what its other commands do.
func fakeUV(t testing.TB, install string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "uv")
	script := "#!/bin/sh\nif [ \"$1\" = venv ]; then\n  for last; do :; done\n  exec '" + system(t).Path +
		"' -m venv --without-pip \"$last\"\nfi\n" + install + "\n"
	write(t, path, script)
	if err := os.Chmod(path, 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

// runs executes code in an environment and returns what it prints.
func runs(t testing.TB, env *Env, code string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), env.Python.Path, "-c", code).CombinedOutput()
	if err != nil {
		t.Fatalf("python -c %q: %v\n%s", code, err, out)
	}
	return strings.TrimSpace(string(out))
}

// folders lists the environments under home.
func folders(t testing.TB, home string) []string {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(home, "envs"))
	if err != nil && !missing(err) {
		t.Fatal(err)
	}
	var names []string
	for _, entry := range entries {
		if entry.IsDir() {
			names = append(names, entry.Name())
		}
	}
	return names
}

// buildAndBeKilled builds in dir until the test ends this process.
func buildAndBeKilled(dir string) {
	ctx := context.Background()
	in, err := python.Find(ctx, python.FindOptions{Path: os.Getenv("PATH")})
	if err == nil {
		b := New(Options{Home: filepath.Join(dir, "home"), UV: os.Getenv("BUILD_UV"), Environ: os.Environ()})
		_, err = b.Build(ctx, Request{Dir: filepath.Join(dir, "agent"), Python: in})
	}
	fmt.Fprintln(os.Stderr, "not killed:", err)
	os.Exit(1)
}
