package platform

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/runagent/runagent/internal/app/platform"
	"github.com/runagent/runagent/internal/auth"
	"github.com/runagent/runagent/internal/cli/platform/contexts"
	"github.com/runagent/runagent/internal/config"
)

// usageError is what a fixture's Desk makes of wrong usage.
type usageError struct{ error }

// fixture is a user with a platform that answers "METHOD path" with a body.
type fixture struct {
	t       *testing.T
	answers map[string]string
	said    []string
	url     string
	key     string
	home    string
	in      string
	started *platform.Options
}

func newFixture(t *testing.T, answers map[string]string) *fixture {
	t.Helper()
	f := &fixture{t: t, answers: answers, key: auth.NewKey(), home: t.TempDir()}
	server := httptest.NewServer(http.HandlerFunc(f.answer))
	t.Cleanup(server.Close)
	f.url = server.URL
	return f
}

func (f *fixture) answer(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	key := r.Method + " " + r.URL.Path
	f.said = append(f.said, key)
	answer, ok := f.answers[key]
	switch {
	case r.Header.Get("Authorization") != "Bearer "+f.key:
		w.WriteHeader(http.StatusUnauthorized)
		answer = `{"error":{"code":"INVALID_API_KEY","message":"the API key is not one of this server's"}}`
	case !ok:
		w.WriteHeader(http.StatusNotFound)
		answer = `{"error":{"code":"NOT_FOUND","message":"not here"}}`
	case answer == "":
		w.WriteHeader(http.StatusNoContent)
	case strings.HasPrefix(answer, "event:"):
		w.Header().Set("Content-Type", "text/event-stream")
	}
	_, _ = io.WriteString(w, answer)
}

// run runs a command line and returns what it printed and its error.
func (f *fixture) run(args ...string) (stdout, stderr string, err error) {
	f.t.Helper()
	var out, talk bytes.Buffer
	d := &Desk{
		In: strings.NewReader(f.in), Out: &out, Err: &talk, Version: "1.2.3",
		Settings: func() (config.Config, error) { return config.Config{Home: f.home}, nil },
		Usage:    func(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} },
		Start: func(_ context.Context, o platform.Options) error {
			f.started = &o
			return nil
		},
	}
	root := &cobra.Command{Use: "runagent", SilenceErrors: true, SilenceUsage: true}
	root.AddCommand(d.Commands()...)
	root.SetArgs(args)
	root.SetOut(&out)
	err = root.ExecuteContext(f.t.Context())
	return out.String(), talk.String(), err
}

func (f *fixture) login() {
	f.t.Helper()
	if err := contexts.Add(f.home, f.url, f.key); err != nil {
		f.t.Fatal(err)
	}
}

// fails runs a command that must fail, and returns what it said.
func (f *fixture) fails(usage bool, says string, args ...string) {
	f.t.Helper()
	_, _, err := f.run(args...)
	if got := (usageError{}); err == nil || errors.As(err, &got) != usage || !strings.Contains(err.Error(), says) {
		f.t.Errorf("%v: got %v, want %q (usage %v)", args, err, says, usage)
	}
}

// folder is one with an agent.
func folder(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	manifest := `{"agent_name": "My Bot", "agent_architecture": {"entrypoints": [{"file": "main.py", "module": "main", "tag": "main"}]}}`
	for name, text := range map[string]string{"runagent.config.json": manifest, "main.py": "def main(): pass\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

const (
	pending = `{"revision":"r-1","number":2,"agent":"my-bot","agent_id":"a","state":"pending"}`
	ready   = `{"revision":"r-1","number":2,"agent":"my-bot","agent_id":"a","state":"ready","percent":100,"digest":"sha256:0","timings_ms":{"build":1,"start":2,"probe":0,"switch":3}}`
	failed  = `{"revision":"r-1","number":2,"agent":"my-bot","agent_id":"a","state":"failed","error":"start: main.py:1: NameError: x","traceback":"Traceback (most recent call last):\n  File \"main.py\", line 1, in <module>\nNameError: x"}`
)

// deploying answers all of a deploy that ends so.
func deploying(end string) map[string]string {
	return map[string]string{
		"POST /v1/agents/my-bot/revisions": pending,
		"GET /v1/agents/a/revisions/r-1/events": "event: deploy\ndata: {\"step\":\"building\"}\n\nevent: deploy\ndata: {\"text\":\"installing things\"}\n\n" +
			"event: deploy\ndata: {\"revision\":" + end + "}\n\n",
	}
}

// takesAll is a platform that takes every bundle.
func (f *fixture) takesAll(digest string) {
	f.answers["POST /v1/bundles/"+digest] = `{"digest":"` + digest + `"}`
}

// digestOf is the digest that a failed upload of the folder names.
func (f *fixture) digestOf(dir string) string {
	f.t.Helper()
	_, _, _ = f.run("deploy", dir)
	for _, said := range f.said {
		if digest, ok := strings.CutPrefix(said, "POST /v1/bundles/"); ok {
			return digest
		}
	}
	f.t.Fatalf("nothing was uploaded: %q", f.said)
	return ""
}

func TestDeployUploadsWhatIsNotThere(t *testing.T) {
	t.Parallel()
	f := newFixture(t, deploying(ready))
	f.login()
	dir := folder(t)
	f.takesAll(f.digestOf(dir))
	out, talk, err := f.run("deploy", dir, "--env", "API_KEY=x", "--env", "DB=postgres://me:word@host/db", "--env", "SITE=http://me@host:80/a:b@c")
	if err != nil || out != "my-bot: revision 2 serves at "+f.url+"/v1/agents/my-bot\n" {
		t.Errorf("%q, %v", out, err)
	}
	for _, want := range []string{"packed 2 files", "uploaded ", "building", "installing things", "warning: API_KEY looks like a secret", "warning: DB looks like a secret"} {
		if !strings.Contains(talk, want) {
			t.Errorf("no %q in %q", want, talk)
		}
	}
	if strings.Contains(talk, "warning: SITE") {
		t.Errorf("warned of an address without a password: %q", talk)
	}
}

func TestADeployNeedsItsCode(t *testing.T) {
	t.Parallel()
	f := newFixture(t, deploying(ready))
	f.login()
	dir := folder(t)
	if err := os.WriteFile(filepath.Join(dir, ".gitignore"), []byte("*.py\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	f.fails(false, "main.py is needed, but .gitignore or .runagentignore leaves main.py out", "deploy", dir)
}

func TestDeployUploadsNothingTwice(t *testing.T) {
	t.Parallel()
	f := newFixture(t, deploying(ready))
	f.login()
	dir := folder(t)
	digest := f.digestOf(dir)
	f.answers["GET /v1/bundles/"+digest] = `{"digest":"` + digest + `"}`
	f.said = nil
	out, _, err := f.run("deploy", dir, "--json")
	for _, want := range []string{`"agent": "my-bot"`, `"uploaded_bytes": 0`, `"number": 2`, `"state": "ready"`, `"switch": 3`, `"pack": `, `"digest": "` + digest} {
		if err != nil || !strings.Contains(out, want) {
			t.Errorf("no %s in %s (%v)", want, out, err)
		}
	}
	for _, said := range f.said {
		if strings.HasPrefix(said, "POST /v1/bundles") {
			t.Error("uploaded again")
		}
	}
	out, _, err = f.run("deploy", dir, "--no-wait")
	if err != nil || out != "my-bot: revision 2 is on its way\n" {
		t.Errorf("%q, %v", out, err)
	}
}

func TestADeployThatFailsShowsTheTraceback(t *testing.T) {
	t.Parallel()
	f := newFixture(t, deploying(failed))
	f.login()
	dir := folder(t)
	f.takesAll(f.digestOf(dir))
	f.fails(false, "revision 2 did not come into service: start: main.py:1: NameError: x\n", "deploy", dir)
	out, _, err := f.run("deploy", dir, "--json")
	if err == nil || !strings.Contains(out, `"state": "failed"`) || !strings.Contains(out, `"error": "start: main.py:1`) {
		t.Errorf("%s, %v", out, err)
	}
	f.answers["GET /v1/agents/a/revisions/r-1/events"] = "event: deploy\ndata: {\"step\":\"building\"}\n\n"
	f.fails(false, "the platform hung up; `runagent revisions my-bot` tells how it went", "deploy", dir)
}

func TestWrongUsage(t *testing.T) {
	t.Parallel()
	f := newFixture(t, map[string]string{})
	f.fails(false, "no platform is known", "status")
	f.fails(false, "no platform is known", "deploy", folder(t))
	f.login()
	dir := folder(t)
	f.fails(true, "not NAME=VALUE", "deploy", dir, "--env", "A")
	f.fails(true, "--canary is 100: it may be 1 to 99 percent", "deploy", dir, "--canary", "100")
	f.fails(true, "--canary is 0: it may be 1 to 99 percent", "deploy", dir, "--canary", "0")
	f.fails(true, "a trial may be a second (1s) to a week (168h)", "deploy", dir, "--canary", "10", "--for", "10ms")
	f.fails(true, "a trial may be a second (1s) to a week (168h)", "deploy", dir, "--canary", "10", "--for", "169h")
	f.fails(true, "ask for one with --canary PERCENT", "deploy", dir, "--for", "5m")
	f.fails(true, "exclude each other", "deploy", dir, "--canary", "10", "--traffic", "10")
	f.fails(true, `unexpected argument "b"`, "deploy", dir, "b")
	f.fails(false, "there is no folder", "deploy", filepath.Join(dir, "nowhere"))
	f.fails(true, "name the agent", "rollback")
	f.fails(true, "add --yes", "delete", "my-bot")
	f.fails(true, "name the platform's URL", "login")
	f.fails(true, "does not look like http://host:port", "login", "localhost")
	f.fails(true, "leave user and password out of the URL", "login", "http://me:secret@localhost")
	f.fails(true, "--target takes a number", "scale", "bot", "--target", "NaN")
	f.fails(true, "hand it over with --key-stdin", "login", f.url)
	f.fails(false, "not here", "revisions", "nobody")
	f.fails(true, "name the secret", "secrets", "set")
	f.fails(true, "name the platform's folder", "platform", "backup", "x")
	f.fails(true, "name the file to write", "platform", "backup")
	f.fails(false, "copy state", "platform", "backup", filepath.Join(dir, "x"), "--data", dir)
	f.fails(true, "name the new folder", "platform", "restore", "x")
	f.fails(false, "never goes over what is there", "platform", "restore", "x", "--data", dir)
	f.fails(false, "holds no secret", "secrets", "set", "KEY")
	f.in = "\xff\xfe"
	f.fails(false, "not UTF-8 text", "secrets", "set", "KEY")
}

func TestLogin(t *testing.T) {
	t.Parallel()
	f := newFixture(t, map[string]string{"GET /v1/agents": `{"agents":[]}`})
	f.in = "ra_short\n"
	f.fails(false, "not a whole API key", "login", f.url, "--key-stdin")
	f.in = auth.NewKey()
	f.fails(false, "log in to "+f.url+": the API key is not one of this server's", "login", f.url, "--key-stdin")
	if c, err := contexts.Load(f.home); err != nil || c.Current != "" {
		t.Errorf("kept %+v, %v", c, err)
	}
	f.in = f.key + "\n"
	if _, _, err := f.run("login", f.url+"/", "--key-stdin"); err != nil {
		t.Fatal(err)
	}
	if c, err := contexts.Load(f.home); err != nil || c.Current != f.url || c.Keys[f.url] != f.key {
		t.Errorf("kept %+v, %v", c, err)
	}
	if _, talk, err := f.run("status"); err != nil || !strings.Contains(talk, "No agent is deployed") {
		t.Errorf("%q, %v", talk, err)
	}
}

func TestLookingAfterAgents(t *testing.T) {
	t.Parallel()
	f := newFixture(t, deploying(ready))
	f.login()
	const agent = `{"agent_id":"a","name":"My Bot","slug":"my-bot","state":"asleep","status":"degraded","version":"1.0.0","entrypoints":[]}`
	for key, answer := range map[string]string{
		"GET /v1/agents": `{"agents":[` + agent + `]}`, "GET /v1/agents/my-bot": agent,
		"GET /v1/agents/my-bot/health":    `{"status":"degraded","checks":[{"name":"instances","status":"degraded","message":"no memory"}]}`,
		"GET /v1/agents/my-bot/revisions": `{"revisions":[` + failed + `,` + ready + `]}`,
		"POST /v1/agents/my-bot/rollback": pending,
		"POST /v1/agents/my-bot/start":    pending,
		"POST /v1/agents/my-bot/stop":     "",
		"GET /v1/secrets":                 `{"secrets":[{"name":"KEY","updated_at":"2026-01-02T03:04:05Z"},{"name":"TOKEN","agent":"my-bot","agent_id":"a","updated_at":"2026-01-02T03:04:05Z"}]}`,
		"PUT /v1/secrets/KEY":             "",
		"DELETE /v1/secrets/KEY":          "",
		"DELETE /v1/agents/my-bot":        "",
	} {
		f.answers[key] = answer
	}
	f.in = "value\r\n"
	const serves = "my-bot: revision 2 serves at"
	tests := []struct{ args, want string }{
		{"status", "my-bot  asleep  degraded  1.0.0"},
		{"status --json", `"slug": "my-bot"`},
		{"status my-bot", "My Bot is asleep (degraded)\n  instances: no memory\n"},
		{"status my-bot --json", `"revisions": [`},
		{"revisions my-bot", "NameError"},
		{"revisions my-bot --json", `"percent": 100`},
		{"rollback my-bot", serves},
		{"rollback my-bot 1", serves},
		{"start my-bot", serves},
		{"stop my-bot", ""},
		{"delete my-bot --yes", ""},
		{"secrets", "Available Commands"},
		{"secrets list", "KEY     (all) "},
		{"secrets list", "TOKEN   my-bot "},
		{"secrets list --json", `"name": "KEY"`},
		{"secrets set KEY", ""},
		{"secrets rm KEY --agent my-bot", ""},
	}
	for _, tt := range tests {
		out, talk, err := f.run(strings.Fields(tt.args)...)
		if err != nil || !strings.Contains(out, tt.want) || out+talk == "" {
			t.Errorf("%s: %v\n%s%s\nwant %q", tt.args, err, out, talk, tt.want)
		}
	}
}

func TestRefOfAFolderIsItsAgent(t *testing.T) {
	t.Chdir(folder(t))
	for ref, want := range map[string]string{"": "my-bot", ".": "my-bot", "other": "other"} {
		if got, err := Ref(ref); err != nil || got != want {
			t.Errorf("Ref(%q) = %q, %v", ref, got, err)
		}
	}
	t.Chdir(t.TempDir())
	if _, err := Ref(""); err == nil {
		t.Error("a folder without an agent has a name")
	}
}

func TestPlatformStart(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	for says, args := range map[string]string{
		"name the folder":       "",
		"not an address":        "--data d --listen 8460",
		"add --insecure":        "--data d --listen :8460",
		"at least 1":            "--data d --build-concurrency 0",
		"more than 0":           "--data d --idle-timeout 0s",
		"--drain-timeout is":    "--data d --drain-timeout -1s",
		"--shutdown-timeout":    "--data d --shutdown-timeout -1s",
		"--log-format is \"x\"": "--data d --log-format x",
	} {
		f.fails(true, says, append([]string{"platform", "start"}, strings.Fields(args)...)...)
	}
	if _, _, err := f.run("platform", "start", "--data", "d", "--listen", "0.0.0.0:0", "--insecure"); err != nil {
		t.Fatal(err)
	}
	o := f.started
	if o == nil || !filepath.IsAbs(o.Data) || !o.Insecure || o.Builds != 2 || o.Version != "1.2.3" {
		t.Fatalf("started with %+v", o)
	}
	var out bytes.Buffer
	c := console{&out, &out}
	c.OnKey("ra_x")
	c.OnKeyFile("/k")
	c.OnReady("http://h:1", 1, 0)
	c.OnStop(0, 0)
	c.OnStop(2, 0)
	for _, want := range []string{"once: ra_x", "written to /k", "with 1 agent ", "runagent login http://h:1", "Stopping.", "for 2 calls"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in %q", want, out.String())
		}
	}
	if out, _, err := f.run("platform"); err != nil || !strings.Contains(out, "start") {
		t.Errorf("%q, %v", out, err)
	}
}
