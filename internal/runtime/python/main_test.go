package python

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// system returns this machine's python3, by asking it.
func system(t testing.TB) *Interpreter {
	t.Helper()
	in, err := Find(t.Context(), FindOptions{Path: os.Getenv("PATH")})
	if err != nil {
		t.Skipf("no Python 3.9+ on this machine: %v", err)
	}
	return in
}

// venv makes a virtual environment in dir and returns dir.
func venv(t testing.TB, dir string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), system(t).Path, "-m", "venv", "--without-pip", dir).CombinedOutput()
	if err != nil {
		t.Skipf("this Python makes no virtual environments: %v\n%s", err, out)
	}
	return dir
}

// program writes an executable shell script.
func program(t testing.TB, dir, name, body string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	write(t, path, "#!/bin/sh\n"+body+"\n")
	if err := os.Chmod(path, 0o755); err != nil {
		t.Fatal(err)
	}
	return path
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

// answers is what a Python of the given name and version prints when asked.
func answers(name, version string) string {
	return "printf '" + name + `\n` + version + `\n\n/p\n/p\n/p/bin/python3\nx-linux-x\n'`
}
