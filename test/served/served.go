// Package served runs the real binary's serve on a copy of a sample agent, for
// tests that call it from outside as a user would.
package served

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience bounds every wait: far more than a slow machine needs.
const patience = 60 * time.Second

// Options says how an agent is served. The zero value serves it as it is.
type Options struct {
	// Sample is the folder under test/agents to copy; "" starts with an empty folder.
	Sample string
	// Files are written into the copy before it is served.
	Files map[string]string
	// Dir serves this folder instead of a copy.
	Dir string
	// Home is RUNAGENT_HOME; "" means a new folder.
	Home string
	// Args follow `runagent serve DIR`; a free port is chosen unless they name one.
	Args []string
	// OwnPort leaves the port to serve, as without --port.
	OwnPort bool
	// Env is added to the environment, as NAME=value.
	Env []string
	// Wrap is a command that executes the program, such as "setpriv …".
	Wrap []string
}

// Agent is a folder that is being served. The test that started it ends it.
type Agent struct {
	// ID is the agent's folder name, which is the agent_id of the samples.
	ID string
	// Dir is the folder, a copy the test may write to; Home is RUNAGENT_HOME.
	Dir, Home string
	// URL is where it answers, without a slash at the end.
	URL string

	t    testing.TB
	cmd  *exec.Cmd
	out  *output
	done chan struct{} // closed when the process has ended
	err  error         // of the process; read after done
}

// Start serves an agent and returns when it answers.
func Start(t testing.TB, o Options) *Agent {
	t.Helper()
	a := Launch(t, o)
	a.WaitOutput(`/api/v1/agents/[^/\s']+/run|API: http`) // the last of the curl lines that it prints when ready, or what follows them
	a.URL = strings.TrimPrefix(a.WaitOutput(`at http://\S+:\d+`), "at ")
	return a
}

// Launch starts `runagent serve` and does not wait for it.
func Launch(t testing.TB, o Options) *Agent {
	t.Helper()
	a := &Agent{t: t, Dir: o.Dir, Home: o.Home, out: newOutput(), done: make(chan struct{})}
	if a.Dir == "" {
		a.Dir = Copy(t, o.Sample, o.Files)
	}
	if a.Home == "" {
		a.Home = t.TempDir()
	}
	a.ID = filepath.Base(a.Dir)
	args := append([]string{"serve", a.Dir}, o.Args...)
	if !o.OwnPort && !slices.Contains(o.Args, "--port") {
		args = append(args, "--port", "0")
	}
	argv := append(slices.Concat(o.Wrap, []string{Binary(t)}), args...)
	a.cmd = exec.Command(argv[0], argv[1:]...)
	a.cmd.Env = append(os.Environ(), "RUNAGENT_HOME="+a.Home, "RUNAGENT_CACHE_DIR="+a.Home, "NO_COLOR=1")
	a.cmd.Env = append(a.cmd.Env, "GORACE=halt_on_error=1 exitcode=66 atexit_sleep_ms=10") // a race is a failure wherever it happens
	a.cmd.Env = append(a.cmd.Env, o.Env...)
	a.cmd.Stdout, a.cmd.Stderr = a.out, a.out
	a.cmd.WaitDelay = time.Second // who inherited our pipe must not hold up the end
	if err := a.cmd.Start(); err != nil {
		t.Fatalf("start runagent serve: %v", err)
	}
	go func() {
		a.err = a.cmd.Wait()
		a.out.end()
		close(a.done)
	}()
	t.Cleanup(a.end)
	return a
}

// end is the test's clean-up: a gentle stop, then a hard one.
func (a *Agent) end() {
	_ = a.cmd.Process.Signal(syscall.SIGTERM) // it may have ended before
	select {
	case <-a.done:
	case <-time.After(20 * time.Second):
		a.t.Errorf("serve did not end within 20 s of SIGTERM")
		_ = a.cmd.Process.Kill()
		<-a.done
	}
	if a.t.Failed() {
		a.t.Logf("runagent serve said:\n%s", a.Output())
	}
}

// During is a as a part of its test sees it: what fails, fails that part. The
// agent lives until the end of the test that started it.
func (a *Agent) During(t testing.TB) *Agent {
	part := *a
	part.t = t
	return &part
}

// PID is the server's process.
func (a *Agent) PID() int { return a.cmd.Process.Pid }

// Signal sends sig to the server.
func (a *Agent) Signal(sig syscall.Signal) {
	a.t.Helper()
	if err := a.cmd.Process.Signal(sig); err != nil {
		a.t.Fatalf("send %v to the server: %v", sig, err)
	}
}

// Wait returns the exit code once the server has ended; -1 when killed.
func (a *Agent) Wait() int {
	a.t.Helper()
	select {
	case <-a.done:
	case <-time.After(patience):
		a.t.Fatal("the server did not end")
	}
	var exit *exec.ExitError
	if a.err != nil && !errors.As(a.err, &exit) && !errors.Is(a.err, exec.ErrWaitDelay) {
		a.t.Fatalf("wait for the server: %v", a.err)
	}
	return a.cmd.ProcessState.ExitCode()
}

// Output is all that the server wrote so far, stdout and stderr together.
func (a *Agent) Output() string { return a.out.text() }

// WaitOutput waits until the output matches pattern and returns the match.
func (a *Agent) WaitOutput(pattern string) string {
	a.t.Helper()
	ctx, cancel := context.WithTimeout(a.t.Context(), patience)
	defer cancel()
	found, err := a.out.wait(ctx, regexp.MustCompile(pattern))
	if err != nil {
		a.t.Fatalf("no %q in the output of serve: %v", pattern, err)
	}
	return found
}

// Write writes a file of the agent, as an editor that saves it.
func (a *Agent) Write(name, text string) {
	a.t.Helper()
	if err := os.WriteFile(filepath.Join(a.Dir, name), []byte(text), 0o644); err != nil {
		a.t.Fatal(err)
	}
}

// Port is the port of URL.
func (a *Agent) Port() int {
	a.t.Helper()
	port, err := strconv.Atoi(a.URL[strings.LastIndex(a.URL, ":")+1:])
	if err != nil {
		a.t.Fatalf("port of %s: %v", a.URL, err)
	}
	return port
}

// Copy copies test/agents/sample and adds files; the folder keeps the name.
func Copy(t testing.TB, sample string, files map[string]string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "agent")
	if sample != "" {
		dir = filepath.Join(filepath.Dir(dir), sample)
		if err := os.CopyFS(dir, os.DirFS(filepath.Join(root(t), "test", "agents", sample))); err != nil {
			t.Fatalf("copy the sample agent %s: %v", sample, err)
		}
	}
	for name, text := range files {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// Run runs `runagent args…` to its end and returns exit code, stdout and stderr.
func Run(t testing.TB, home string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, Binary(t), args...)
	cmd.Env = append(os.Environ(), "RUNAGENT_HOME="+home, "RUNAGENT_CACHE_DIR="+home, "NO_COLOR=1")
	var out, talk bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &talk
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("runagent %s: %v", strings.Join(args, " "), err)
	}
	return cmd.ProcessState.ExitCode(), out.String(), talk.String()
}

// Binary builds the program with the race detector (see RaceFlags), once per test process,
// and returns its path. Other test processes share it. RUNAGENT_E2E_BINARY
// names one that is there already.
func Binary(t testing.TB) string {
	t.Helper()
	if there := os.Getenv("RUNAGENT_E2E_BINARY"); there != "" {
		return there
	}
	path, err := build(root(t))
	if err != nil {
		t.Fatal(err)
	}
	return path
}

var build = once(func(root string) (string, error) {
	dir := filepath.Join(root, ".tools", "e2e")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("make the folder of the binary: %w", err)
	}
	lock, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return "", fmt.Errorf("open the lock of the binary: %w", err)
	}
	defer lock.Close()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return "", fmt.Errorf("lock the binary: %w", err)
	}
	path := filepath.Join(dir, "runagent")
	race, err := RaceFlags()
	if err != nil {
		return "", err
	}
	args := append([]string{"build", "-ldflags", "-X main.version=0.0.0-e2e", "-o", path}, race...)
	cmd := exec.Command("go", append(args, "./cmd/runagent")...)
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build runagent: %w\n%s", err, out)
	}
	return path, nil
})

// once remembers f's answer to its first question; all askers ask the same.
func once(f func(string) (string, error)) func(string) (string, error) {
	var first sync.Once
	var path string
	var err error
	return func(root string) (string, error) {
		first.Do(func() { path, err = f(root) })
		return path, err
	}
}

// root is the module's folder: the nearest upwards that holds go.mod.
func root(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for ; dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
	}
	t.Fatal("no go.mod above the working directory")
	return ""
}
