package cli

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/runagent/runagent/internal/agent"
	"github.com/runagent/runagent/internal/app"
	"github.com/runagent/runagent/internal/cli/terminal"
)

// runServe runs the serve command and returns what app would have been told.
func runServe(t testing.TB, environ []string, args ...string) (app.ServeOptions, error) {
	t.Helper()
	var told app.ServeOptions
	p := &Program{Version: "1.2.3", Out: &strings.Builder{}, Err: &strings.Builder{}, Environ: append([]string{"HOME=/u"}, environ...)}
	cmd := newServeCommand(p, func(_ context.Context, o app.ServeOptions) error {
		told = o
		return nil
	})
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	cmd.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usagef("%w", err) })
	cmd.SetArgs(args)
	err := cmd.ExecuteContext(t.Context())
	return told, err
}

func TestServeDefaults(t *testing.T) {
	t.Parallel()
	o, err := runServe(t, nil)
	if err != nil {
		t.Fatal(err)
	}
	if o.Dir != "." || o.Host != "127.0.0.1" || o.Port != 8450 || o.PortGiven || o.Instances != 1 || o.NoReload ||
		o.ShutdownTimeout != 10*time.Second || o.Keep != app.DefaultKeep() || o.Home != "/u/.runagent" || o.Version != "1.2.3" {
		t.Errorf("options = %+v", o)
	}
	if o.Console == nil || o.Log == nil || len(o.Environ) == 0 {
		t.Errorf("options lack console, log or environment: %+v", o)
	}
}

func TestServeFlagBeatsEnvironment(t *testing.T) {
	t.Parallel()
	environ := []string{"RUNAGENT_HOST=::1", "RUNAGENT_PORT=9000", "RUNAGENT_LOG_FORMAT=json"}
	o, err := runServe(t, environ, "agent")
	if err != nil {
		t.Fatal(err)
	}
	if _, isLog := o.Console.(terminal.LogConsole); o.Dir != "agent" || o.Host != "::1" || o.Port != 9000 || !o.PortGiven || !isLog {
		t.Errorf("from the environment: %+v", o)
	}
	if o, err = runServe(t, nil, "--host", "[::1]"); err != nil || o.Host != "::1" {
		t.Errorf("with brackets: %q, %v", o.Host, err)
	}
	o, err = runServe(t, environ, "--host", "localhost", "--port", "0", "--log-format", "text", "--watch", "*.md", "--watch", "p/**",
		"--keep", "2d,5", "--no-reload", "--instances", "3", "--cors-origin", "http://localhost:3000", "--shutdown-timeout", "1m")
	if err != nil {
		t.Fatal(err)
	}
	if _, isText := o.Console.(*terminal.Console); o.Host != "localhost" || o.Port != 0 || !o.PortGiven || !isText || !o.NoReload ||
		o.Instances != 3 || strings.Join(o.Watch, " ") != "*.md p/**" || o.ShutdownTimeout != time.Minute ||
		o.Keep != (app.KeepRules{Age: 48 * time.Hour, Count: 5}) || o.CORSOrigins[0] != "http://localhost:3000" {
		t.Errorf("from flags: %+v", o)
	}
}

// TestServeTakesTheManifestForItsFolder: a path that was completed one name too
// far serves the agent, and its saves are followed.
func TestServeTakesTheManifestForItsFolder(t *testing.T) {
	o, err := runServe(t, nil, filepath.Join("bot", agent.ManifestName))
	if err != nil || o.Dir != "bot" {
		t.Errorf("folder %q, %v", o.Dir, err)
	}
}

func TestServeRefuses(t *testing.T) {
	t.Parallel()
	tests := []struct {
		args string
		want string
	}{
		{"--host 0.0.0.0", "add --insecure"},
		{"--host ::", "add --insecure"},
		{"--host example.com", "add --insecure"},
		{"--port -1", "--port is -1"},
		{"--port x", "invalid argument"},
		{"--instances 0", "--instances is 0"},
		{"--shutdown-timeout -1s", "can't be negative"},
		{"--log-format xml", `--log-format is "xml"`},
		{"--cors-origin *", "not an origin"},
		{"--cors-origin http://a/path", "not an origin"},
		{"--keep 0", "is no age"},
		{"a b", `unexpected argument "b"`},
	}
	for _, tt := range tests {
		_, err := runServe(t, nil, strings.Fields(tt.args)...)
		var usage *usageError
		if !errors.As(err, &usage) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("serve %s: %v, want wrong usage with %q", tt.args, err, tt.want)
		}
	}
	if _, err := runServe(t, nil, "--insecure", "--host", "0.0.0.0"); err != nil {
		t.Errorf("--insecure: %v", err)
	}
	if _, err := runServe(t, nil, "--env-file", filepath.Join(t.TempDir(), "no")); err == nil || !strings.Contains(err.Error(), "--env-file") {
		t.Errorf("--env-file of no file: %v", err)
	}
}
