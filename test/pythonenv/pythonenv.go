// Package pythonenv gives tests a Python with real, pinned packages. An
// environment is installed once and kept in the module's .tools folder, named
// by what is in it.
package pythonenv

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// For returns the path of a Python that has the requirements, written as in a
// requirements.txt. What is not there yet is installed where
// RUNAGENT_TEST_NETWORK is set, as `make test` does; elsewhere the test is
// skipped.
func For(t testing.TB, requirements ...string) string {
	t.Helper()
	python, err := ensure(requirements, os.Getenv("RUNAGENT_TEST_NETWORK") != "")
	if errors.Is(err, errAbsent) {
		t.Skipf("%v: set RUNAGENT_TEST_NETWORK=1 to install", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return python
}

// Locked is For with what a lock file names: a requirements.txt of which every
// line that is neither blank nor a comment is a pinned requirement.
func Locked(t testing.TB, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var requirements []string
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			requirements = append(requirements, line)
		}
	}
	return For(t, requirements...)
}

// errAbsent says that requirements are not installed and must not be.
var errAbsent = errors.New("not installed")

// ensure installs the requirements unless they are there, if it may. Other
// processes that want the same wait.
func ensure(requirements []string, mayInstall bool) (string, error) {
	root, err := moduleRoot()
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256([]byte(strings.Join(slices.Sorted(slices.Values(requirements)), "\n")))
	dir := filepath.Join(root, ".tools", "pythonenv", hex.EncodeToString(sum[:8]))
	release, err := lockDir(dir)
	if err != nil {
		return "", err
	}
	defer release()
	python, whole := filepath.Join(dir, "bin", "python"), filepath.Join(dir, "installed")
	if _, err := os.Stat(whole); err == nil {
		return python, nil
	}
	if !mayInstall {
		return "", fmt.Errorf("%s: %w", strings.Join(requirements, ", "), errAbsent)
	}
	if err := install(dir, python, requirements); err != nil {
		return "", err
	}
	return python, os.WriteFile(whole, nil, 0o644)
}

// lockDir keeps other processes from making dir until release is called.
func lockDir(dir string) (release func(), err error) {
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return nil, fmt.Errorf("make a folder for tests: %w", err)
	}
	lock, err := os.OpenFile(dir+".lock", os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("open the lock of %s: %w", dir, err)
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		lock.Close()
		return nil, fmt.Errorf("lock %s: %w", dir, err)
	}
	return func() { lock.Close() }, nil
}

// install makes the environment anew: with uv where it is on PATH, else pip.
func install(dir, python string, requirements []string) error {
	if err := os.RemoveAll(dir); err != nil {
		return fmt.Errorf("remove half an environment: %w", err)
	}
	steps := [][]string{
		{"python3", "-m", "venv", dir},
		append([]string{python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"}, requirements...),
	}
	if uv, err := exec.LookPath("uv"); err == nil {
		steps = [][]string{
			{uv, "venv", "--quiet", "--python", "python3", dir},
			append([]string{uv, "pip", "install", "--quiet", "--python", python}, requirements...),
		}
	}
	for _, step := range steps {
		if out, err := exec.Command(step[0], step[1:]...).CombinedOutput(); err != nil {
			return fmt.Errorf("install %s for tests: %s: %w\n%s", strings.Join(requirements, ", "), strings.Join(step[:3], " "), err, out)
		}
	}
	return nil
}

// moduleRoot is the nearest folder upwards that holds go.mod.
func moduleRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("find the working directory: %w", err)
	}
	for ; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", fmt.Errorf("no go.mod above the working directory")
		}
	}
}
