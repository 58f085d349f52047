package cli

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/runagent/runagent/internal/agent"
	"github.com/runagent/runagent/internal/discovery"
)

// echoServer answers an invoke with the body it got as result.
func echoServer() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, `{"invocation_id":"i1","status":"succeeded","result":{"path":%q,"body":%s}}`, r.URL.Path, body)
	})
}

func TestRunSendsTheInput(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	dir := f.serve("id-1", "My Agent", echoServer())
	file := filepath.Join(dir, "in.json")
	if err := os.WriteFile(file, []byte(`{"a": 1.0}`), 0o600); err != nil {
		t.Fatal(err)
	}
	f.in = `["x"]`
	tests := []struct{ args, body string }{
		{"--tag main", `{"entrypoint": "main"}`},
		{"my-agent --message hi --n 2", `{"input": {"message": "hi","n": 2}}`},
		{"id-1 --input @" + file, `{"input": {"a": 1.0}}`},
		{dir + " --input -", `{"input": ["x"]}`},
		{"id-1 --input - --k 1 --timeout 1500ms", `{"input": {"k": 1},"args": ["x"],"timeout_seconds": 1.5}`},
	}
	for _, tt := range tests {
		code, stdout, stderr := f.runagent(append([]string{"run"}, strings.Fields(tt.args)...)...)
		got := strings.Join(strings.Fields(stdout), "")
		want := `{"path":"/v1/agents/id-1/invoke","body":` + strings.Join(strings.Fields(tt.body), "") + "}"
		if code != 0 || got != want || stderr != "" {
			t.Errorf("run %s: code %d, %s, want %s; stderr %s", tt.args, code, got, want, stderr)
		}
	}
}

func TestRunPrintsTheResultAsItCame(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.serve("a", "a", routes(map[string]string{
		"POST /v1/agents/a/invoke": `{"result":{"whole":2.0,"big":123456789012345678901234567890,"text":"<é>"}}`,
	}))
	code, stdout, _ := f.runagent("run", "a")
	want := "{\n  \"whole\": 2.0,\n  \"big\": 123456789012345678901234567890,\n  \"text\": \"<é>\"\n}\n"
	if code != 0 || stdout != want {
		t.Errorf("code %d, got %s, want %s", code, stdout, want)
	}
}

func TestRunStream(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.serve("a", "a", routes(map[string]string{
		"POST /v1/agents/a/stream": "event: start\ndata: {}\n\nevent: chunk\ndata: {\"content\":\"<1>\"}\n\n" +
			"event: chunk\ndata: {\"content\":{\"n\": 2.0}}\n\nevent: done\ndata: {\"chunks\":2,\"result\":null}\n\n",
	}))
	f.serve("b", "b", routes(map[string]string{"POST /v1/agents/b/stream": "event: done\ndata: {\"chunks\":0,\"result\":[1]}\n\n"}))
	f.serve("c", "c", routes(map[string]string{"POST /v1/agents/c/stream": "event: chunk\ndata: {\"content\":1}\n\n"}))
	for args, want := range map[string]string{"run a --stream": "\"<1>\"\n{\"n\":2.0}\n", "run-stream a": "\"<1>\"\n{\"n\":2.0}\n", "run-stream b": "[1]\n"} {
		if code, stdout, stderr := f.runagent(strings.Fields(args)...); code != 0 || stdout != want {
			t.Errorf("%s: code %d, %q, want %q; stderr %s", args, code, stdout, want, stderr)
		}
	}
	code, stdout, stderr := f.runagent("run-stream", "c")
	if code != 1 || stdout != "1\n" || !strings.Contains(stderr, "was cut before its end") {
		t.Errorf("a stream that is cut: code %d, %q, %q", code, stdout, stderr)
	}
}

func TestRunShowsWhatTheAgentRaised(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.serve("a", "a", routes(map[string]string{
		"POST /v1/agents/a/invoke": `{"error":{"code":"EXECUTION_ERROR","message":"ValueError: bad","suggestion":"Look at it.",
			"details":{"type":"ValueError","message":"bad","traceback":"Traceback (most recent call last):\n  x\nValueError: bad\n"}}}`,
	}))
	code, stdout, stderr := f.runagent("run", "a")
	want := "runagent: ValueError: bad\nTraceback (most recent call last):\n  x\nValueError: bad\nLook at it.\n"
	if code != 1 || stdout != "" || stderr != want {
		t.Errorf("code %d, stdout %q, stderr %q, want %q", code, stdout, stderr, want)
	}
}

func TestInterruptEndsTheCall(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	gone := make(chan struct{})
	f.serve("a", "a", http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		f.signals <- syscall.SIGINT
		<-r.Context().Done()
		close(gone)
	}))
	code, _, stderr := f.runagent("run", "a")
	if code != 1 || stderr != "runagent: interrupted\n" {
		t.Errorf("code %d, stderr %q", code, stderr)
	}
	<-gone
}

func TestFindAgent(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.serve("id-1", "Twin", echoServer())
	f.serve("id-2", "Twin", echoServer())
	f.announce(func(db *discovery.DB) error {
		row := discovery.Row{AgentID: "id-3", Name: "Gone", Path: "/gone", Host: "127.0.0.1", Port: 1}
		return errors.Join(db.Announce(t.Context(), row), db.Stopped(t.Context(), "id-3"))
	})
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, agent.ManifestName), []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		ref  string
		code int
		want string
	}{
		{"twin", 2, `"twin" means 2 agents: `},
		{"gone", 1, `agent "Gone" is not being served; start it with `},
		{folder, 1, "is not being served; start it with `runagent serve " + folder},
		{"", 2, "2 agents are being served: name one of "},
	}
	for _, tt := range tests {
		args := []string{"run"}
		if tt.ref != "" {
			args = append(args, tt.ref)
		}
		if code, _, stderr := f.runagent(args...); code != tt.code || !strings.Contains(stderr, tt.want) {
			t.Errorf("run %s: code %d, want %d; stderr %q, want %q", tt.ref, code, tt.code, stderr, tt.want)
		}
	}
}

func TestRunSaysWhenNobodyAnswers(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.announce(func(db *discovery.DB) error {
		return db.Announce(t.Context(), discovery.Row{AgentID: "a", Name: "a", Path: "/a", Host: "127.0.0.1", Port: 1})
	})
	code, _, stderr := f.runagent("run", "a")
	if code != 1 || !strings.Contains(stderr, "agent \"a\" does not answer at http://127.0.0.1:1; start it with `runagent serve /a`") {
		t.Errorf("code %d, stderr %q", code, stderr)
	}
}
