// Package e2e holds user stories: each *.txtar is one, told with the real
// binary, built with the race detector.
//
// A story runs in a folder of its own with its own RUNAGENT_HOME, no user's
// settings and no colours. Beyond testscript's commands it has:
//
//	serve [-name N] [args…]          start `runagent serve --port 0 args…` and wait until it is ready;
//	                                 sets $N_URL and $N_ID ($URL and $ID without -name)
//	platform [-name N] start args…   start `runagent platform start args…`, on any port unless they say
//	                                 otherwise, and wait until it is ready; sets $N_URL and $N_KEY
//	interrupt [-name N] [SIGNAL]     send SIGINT, or the signal, and wait for the end
//	http [-timeout D] [-status S] METHOD URL [BODY | @FILE] [HEADER: VALUE…]
//	                                 do a request; its body becomes stdout, status and headers stderr
//	waithttp URL [TEXT [HEADER: VALUE…]]
//	                                 ask until the answer is 200 and holds TEXT
//	waitout NAME TEXT                wait until what serve NAME printed holds TEXT
//	waitfile FILE TEXT               wait until the file holds TEXT
//	waitgone PATTERN                 wait until no file's name matches
//
// The condition [python] is true where there is a Python 3.9 or newer, then in
// $PYTHON; [python-client] where a Python has the published client, then in
// $CLIENT_PYTHON; [uv] where uv is on PATH. A server gets the variables of the story that its
// environment usually has, and those that $SERVE_ENV names.
//
// Every wait ends with the story's own deadline; nothing sleeps and hopes.
package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/runagent/runagent/test/served"
)

// waitLimit bounds each wait of a story.
const waitLimit = 60 * time.Second

func TestMain(m *testing.M) { os.Exit(run(m)) }

// run builds the binary once, for all stories.
func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "runagent-e2e")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	if err := build(dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	path := dir + string(os.PathListSeparator) + os.Getenv("PATH")
	if err := os.Setenv("PATH", path); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// build leaves the binary in dir, with the race detector where this machine has
// the C compiler that it needs: see served.RaceFlags. RUNAGENT_E2E_BINARY names one that is there already.
func build(dir string) error {
	target := filepath.Join(dir, "runagent")
	if binary := os.Getenv("RUNAGENT_E2E_BINARY"); binary != "" {
		return os.Symlink(binary, target)
	}
	race, err := served.RaceFlags()
	if err != nil {
		return err
	}
	args := append([]string{"build", "-ldflags", "-X main.version=0.0.0-e2e", "-o", target}, race...)
	out, err := exec.Command("go", append(args, "../../cmd/runagent")...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("build runagent: %w\n%s", err, out)
	}
	return nil
}

func TestStories(t *testing.T) {
	t.Parallel()
	repository, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	found := findPrograms()
	testscript.Run(t, testscript.Params{
		Dir:                 ".",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Condition:           found.condition,
		Setup:               func(env *testscript.Env) error { return setup(env, repository, found) },
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"serve":     cmdServe,
			"platform":  cmdPlatform,
			"interrupt": cmdInterrupt,
			"http":      cmdHTTP,
			"waithttp":  cmdWaitHTTP,
			"waitout":   cmdWaitOut,
			"waitfile":  cmdWaitFile,
			"waitgone":  cmdWaitGone,
		},
	})
}

// setup gives a story an environment of its own.
func setup(env *testscript.Env, repository string, found programs) error {
	home := filepath.Join(env.WorkDir, ".home")
	if err := os.MkdirAll(home, 0o755); err != nil {
		return err
	}
	env.Setenv("HOME", home)
	env.Setenv("RUNAGENT_HOME", filepath.Join(env.WorkDir, ".runagent"))
	env.Setenv("NO_COLOR", "1")
	env.Setenv("REPO", repository)
	env.Setenv("AGENTS", filepath.Join(repository, "test", "agents"))
	env.Setenv("EXAMPLES", filepath.Join(repository, "examples"))
	// What was installed once serves all stories and later runs too.
	for _, name := range []string{"UV_CACHE_DIR", "PIP_CACHE_DIR", "PIP_INDEX_URL", "UV_INDEX_URL", "UV_DEFAULT_INDEX", "PIP_CONFIG_FILE", "SSL_CERT_FILE", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"} {
		if value := os.Getenv(name); value != "" {
			env.Setenv(name, value)
		}
	}
	if os.Getenv("UV_CACHE_DIR") == "" {
		if cache, err := os.UserCacheDir(); err == nil {
			env.Setenv("UV_CACHE_DIR", filepath.Join(cache, "uv"))
		}
	}
	for name, c := range conditions {
		env.Setenv(c.variable, found[name])
	}
	// A race is a failure wherever it happens.
	env.Setenv("GORACE", "halt_on_error=1 exitcode=66 atexit_sleep_ms=10")
	env.Values[serversKey{}] = newServers()
	env.Defer(func() { env.Values[serversKey{}].(*servers).killAll() })
	return nil
}
