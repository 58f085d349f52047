package cli

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"go.uber.org/goleak"

	"github.com/runagent/runagent/internal/discovery"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fixture is a machine with a discovery database of its own.
type fixture struct {
	t       testing.TB
	home    string
	path    string // PATH
	in      string
	signals chan os.Signal
}

func newFixture(t testing.TB) *fixture {
	t.Helper()
	t.Cleanup(http.DefaultTransport.(*http.Transport).CloseIdleConnections)
	return &fixture{t: t, home: t.TempDir(), path: os.Getenv("PATH"), signals: make(chan os.Signal, 2)}
}

// runagent runs a command line and returns its exit code and what it printed.
func (f *fixture) runagent(args ...string) (code int, stdout, stderr string) {
	f.t.Helper()
	var out, talk bytes.Buffer
	code = Main(args, Program{
		Version: "1.2.3", In: strings.NewReader(f.in), Out: &out, Err: &talk,
		Environ: []string{"HOME=" + f.home, "RUNAGENT_HOME=" + f.home, "PATH=" + f.path},
		Signals: f.signals,
	})
	return code, out.String(), talk.String()
}

// serve announces an agent in a folder of its own, whose server is handler,
// and returns the folder.
func (f *fixture) serve(id, name string, handler http.Handler) string {
	f.t.Helper()
	server := httptest.NewServer(handler)
	f.t.Cleanup(server.Close)
	address, err := url.Parse(server.URL)
	if err != nil {
		f.t.Fatal(err)
	}
	port, err := strconv.Atoi(address.Port())
	if err != nil {
		f.t.Fatal(err)
	}
	dir := f.t.TempDir()
	f.announce(func(db *discovery.DB) error {
		return db.Announce(f.t.Context(), discovery.Row{
			AgentID: id, Name: name, Path: dir, Host: address.Hostname(), Port: port, Framework: "default",
		})
	})
	return dir
}

func (f *fixture) announce(do func(db *discovery.DB) error) {
	f.t.Helper()
	db, err := discovery.Open(filepath.Join(f.home, discovery.FileName))
	if err != nil {
		f.t.Fatal(err)
	}
	defer db.Close()
	if err := do(db); err != nil {
		f.t.Fatal(err)
	}
}

// routes answers with fixed bodies by pattern; a body that starts with
// "event:" is a stream.
func routes(bodies map[string]string) http.Handler {
	mux := http.NewServeMux()
	for pattern, body := range bodies {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, _ *http.Request) {
			if strings.HasPrefix(body, "event:") {
				w.Header().Set("Content-Type", "text/event-stream")
			}
			if strings.HasPrefix(body, `{"error"`) {
				w.WriteHeader(http.StatusInternalServerError)
			}
			_, _ = io.WriteString(w, body)
		})
	}
	return mux
}

func TestExitCodes(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	tests := []struct {
		args   string
		code   int
		stdout string
		stderr string
	}{
		{"", 0, "Usage:", ""},
		{"--help", 0, "Examples:", ""},
		{"help run", 0, "[--KEY VALUE…]", ""},
		{"run --help", 0, "--timeout", ""},
		{"help nothing", 2, "", `there is no command "nothing"`},
		{"srve", 2, "", `did you mean "serve"?`},
		{"version --x", 2, "", "runagent: unknown flag: --x\nSee: runagent version --help\n"},
		{"list one", 2, "", `unexpected argument "one"`},
		{"invocations --status lost", 2, "", `--status is "lost"`},
		{"invocations --limit 0", 2, "", "--limit is 0"},
		{"logs --limit -1", 2, "", "--limit is -1: it may be 1 to 10000"},
		{"logs --help", 0, "up to 10000 (default 100)", ""},
		{"logs nobody", 1, "", `there is no local agent "nobody"; `},
		{"run --timeout -1s", 2, "", "can't be negative"},
		{"run --timeout soon", 2, "", "invalid duration"},
		{"run --tag", 2, "", "flag needs an argument"},
		{"run -x", 2, "", "unknown shorthand flag"},
		{"init --framework cobol", 2, "", `there is no template for "cobol"`},
		{"run nobody", 1, "", `there is no local agent "nobody"`},
		{"run", 1, "", "no agent is being served"},
		{"list", 0, "", "No agent is being served"},
		{"list --json", 0, "[]\n", ""},
		{"version", 0, "runagent 1.2.3 (go", ""},
		{"version --json", 0, `"version": "1.2.3"`, ""},
		{"--version", 0, "runagent 1.2.3\n", ""},
		{"serve nowhere", 1, "", "there is no folder nowhere\n`runagent init nowhere` makes an agent there\n"},
		{"completion zsh", 0, "compdef", ""},
		{"docs", 2, "", "name the folder"},
	}
	for _, tt := range tests {
		code, stdout, stderr := f.runagent(strings.Fields(tt.args)...)
		if code != tt.code || !strings.Contains(stdout, tt.stdout) || !strings.Contains(stderr, tt.stderr) ||
			tt.stdout == "" && stdout != "" || tt.stderr == "" && stderr != "" {
			t.Errorf("runagent %s: code %d, want %d with %q and %q\nstdout: %.300s\nstderr: %.300s",
				tt.args, code, tt.code, tt.stdout, tt.stderr, stdout, stderr)
		}
	}
}

func TestBadSettingIsWrongUsage(t *testing.T) {
	t.Parallel()
	var out, talk bytes.Buffer
	code := Main([]string{"list"}, Program{Out: &out, Err: &talk, Environ: []string{"RUNAGENT_HOME=~/x"}})
	if code != exitUsage || !strings.Contains(talk.String(), `RUNAGENT_HOME is "~/x"`) {
		t.Errorf("code %d, stderr %q", code, talk.String())
	}
}

func TestSignalsStop(t *testing.T) {
	t.Parallel()
	signals := make(chan os.Signal, 2)
	p := &Program{Signals: signals}
	ctx, stop := p.watchSignals()
	defer stop()
	signals <- syscall.SIGTERM
	<-ctx.Done()
	if !errors.Is(context.Cause(ctx), errInterrupted) {
		t.Errorf("cause = %v", context.Cause(ctx))
	}
	select {
	case <-p.hurry:
		t.Error("one signal hurries")
	default:
	}
	signals <- syscall.SIGTERM
	<-p.hurry
}

func TestDocsHaveAPageForEachCommand(t *testing.T) {
	t.Parallel()
	f, dir := newFixture(t), t.TempDir()
	stale := filepath.Join(dir, "runagent_gone.md")
	if err := os.WriteFile(stale, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if code, _, stderr := f.runagent("docs", dir); code != 0 {
		t.Fatalf("code %d: %s", code, stderr)
	}
	for _, cmd := range newRoot(&Program{}).Commands() {
		page, err := os.ReadFile(filepath.Join(dir, "runagent_"+cmd.Name()+".md"))
		switch {
		case cmd.Hidden && err == nil:
			t.Errorf("%s is hidden and has a page", cmd.Name())
		case !cmd.Hidden && err != nil && cmd.Name() != "help":
			t.Errorf("%s has no page: %v", cmd.Name(), err)
		case !cmd.Hidden && cmd.Name() != "help" && cmd.Name() != "completion" && !strings.Contains(string(page), "### Examples"):
			t.Errorf("%s has no example", cmd.Name())
		}
	}
	if _, err := os.Stat(stale); err == nil {
		t.Error("the page of a command that is gone is still there")
	}
}
