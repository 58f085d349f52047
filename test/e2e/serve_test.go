package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// serversKey is where a story keeps its servers.
type serversKey struct{}

// servers holds the servers that a story started, by name.
type servers struct {
	mu     sync.Mutex
	byName map[string]*server
}

func newServers() *servers { return &servers{byName: map[string]*server{}} }

// killAll ends what the story left running.
func (s *servers) killAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, one := range s.byName {
		// Also of a server that has ended: what it started may live on.
		_ = syscall.Kill(-one.cmd.Process.Pid, syscall.SIGKILL)
		<-one.done
	}
}

// server is one running `runagent serve`.
type server struct {
	cmd  *exec.Cmd
	out  *output
	done chan struct{} // closed when the process has ended
	err  error         // of Wait; read after done
}

// output gathers what a server prints and wakes those who wait for some text.
type output struct {
	mu      sync.Mutex
	text    bytes.Buffer
	changed chan struct{}
}

func newOutput() *output { return &output{changed: make(chan struct{})} }

// Write adds to the text.
func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	close(o.changed)
	o.changed = make(chan struct{})
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// wait returns the first match of want, or nil at the end of limit or done.
func (o *output) wait(want *regexp.Regexp, done <-chan struct{}, limit time.Duration) []string {
	timeout := time.NewTimer(limit)
	defer timeout.Stop()
	for ended := false; ; {
		o.mu.Lock()
		match, changed := want.FindStringSubmatch(o.text.String()), o.changed
		o.mu.Unlock()
		if match != nil || ended {
			return match
		}
		select {
		case <-changed:
		case <-done:
			ended = true
		case <-timeout.C:
			return nil
		}
	}
}

var (
	readyURL = regexp.MustCompile(`(?m)at (http://\S+:\d+)`)
	readyID  = regexp.MustCompile(`/api/v1/agents/([^/\s']+)/run`)
)

// splitName takes a leading "-name N" off args.
func splitName(args []string) (name string, rest []string) {
	if len(args) >= 2 && args[0] == "-name" {
		return args[1], args[2:]
	}
	return "", args
}

func cmdServe(ts *testscript.TestScript, neg bool, args []string) {
	if neg {
		ts.Fatalf("a serve that fails is told with exec: ! exec runagent serve …")
	}
	name, rest := splitName(args)
	argv := []string{"serve"}
	if !strings.Contains(" "+strings.Join(rest, " "), " --port") {
		argv = append(argv, "--port", "0")
	}
	one := start(ts, append(argv, rest...))
	all := ts.Value(serversKey{}).(*servers)
	all.mu.Lock()
	all.byName[name] = one
	all.mu.Unlock()
	// The last of the curl lines comes after everything that names the URL.
	id := one.out.wait(readyID, one.done, waitLimit)
	if id == nil {
		ts.Fatalf("serve did not become ready; it printed:\n%s", one.out)
	}
	prefix := ""
	if name != "" {
		prefix = name + "_"
	}
	ts.Setenv(prefix+"URL", readyURL.FindStringSubmatch(one.out.String())[1])
	ts.Setenv(prefix+"ID", id[1])
}

// start runs runagent with argv in a process group of its own.
func start(ts *testscript.TestScript, argv []string) *server {
	binary, err := exec.LookPath("runagent")
	ts.Check(err)
	one := &server{cmd: exec.Command(binary, argv...), out: newOutput(), done: make(chan struct{})}
	one.cmd.Dir = ts.MkAbs(".")
	one.cmd.Env = environ(ts)
	one.cmd.Stdout, one.cmd.Stderr = one.out, one.out
	one.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	// An orphan that holds the pipe must not keep the story waiting.
	one.cmd.WaitDelay = 5 * time.Second
	ts.Check(one.cmd.Start())
	go func() {
		defer close(one.done)
		one.err = one.cmd.Wait()
	}()
	return one
}

// environ is the story's environment as exec hands it on.
func environ(ts *testscript.TestScript) []string {
	names := []string{
		"PATH", "HOME", "RUNAGENT_HOME", "RUNAGENT_CACHE_DIR", "NO_COLOR", "GORACE", "TMPDIR", "VIRTUAL_ENV",
		"UV_CACHE_DIR", "PIP_CACHE_DIR", "PIP_INDEX_URL", "UV_INDEX_URL", "UV_DEFAULT_INDEX", "PIP_CONFIG_FILE",
		"SSL_CERT_FILE", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "OPENAI_API_KEY", "OPENAI_BASE_URL",
	}
	// SERVE_ENV names further variables of the story that a server gets.
	names = append(names, strings.Fields(ts.Getenv("SERVE_ENV"))...)
	var env []string
	for _, name := range names {
		if value := ts.Getenv(name); value != "" {
			env = append(env, name+"="+value)
		}
	}
	return env
}

func find(ts *testscript.TestScript, name string) *server {
	all := ts.Value(serversKey{}).(*servers)
	all.mu.Lock()
	defer all.mu.Unlock()
	one := all.byName[name]
	if one == nil {
		ts.Fatalf("no serve %q was started", name)
	}
	return one
}

var signals = map[string]syscall.Signal{
	"SIGINT": syscall.SIGINT, "SIGTERM": syscall.SIGTERM, "SIGKILL": syscall.SIGKILL,
}

func cmdInterrupt(ts *testscript.TestScript, neg bool, args []string) {
	name, rest := splitName(args)
	signal := syscall.SIGINT
	if len(rest) > 0 {
		known, ok := signals[rest[0]]
		if !ok {
			ts.Fatalf("unknown signal %q", rest[0])
		}
		signal = known
	}
	one := find(ts, name)
	ts.Check(one.cmd.Process.Signal(signal))
	select {
	case <-one.done:
	case <-time.After(waitLimit):
		ts.Fatalf("serve did not end; it printed:\n%s", one.out)
	}
	fmt.Fprint(ts.Stdout(), one.out)
	var exit *exec.ExitError
	failed := errors.As(one.err, &exit)
	if failed != neg && signal != syscall.SIGKILL {
		ts.Fatalf("serve ended with %v; it printed:\n%s", one.cmd.ProcessState, one.out)
	}
}

func cmdWaitOut(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: waitout NAME TEXT (NAME is '' for the one without)")
	}
	one := find(ts, args[0])
	want, err := regexp.Compile("(?m)" + args[1])
	ts.Check(err)
	if one.out.wait(want, one.done, waitLimit) == nil {
		ts.Fatalf("serve did not print %q; it printed:\n%s", args[1], one.out)
	}
}
