// Package webhooks tests agents whose entrypoints are requests to services
// elsewhere.
package webhooks

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/runagent/runagent/test/served"
)

// workflow is a service elsewhere, such as n8n's: it tells what it was sent,
// streams under /tokens and fails under /broken.
func workflow(t *testing.T) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		switch r.URL.Path {
		case "/tokens":
			w.Header().Set("Content-Type", "text/event-stream")
			_, _ = io.WriteString(w, "data: {\"text\":\"a\"}\n\ndata: b\n\n")
		case "/broken":
			http.Error(w, "no such workflow", http.StatusNotFound)
		default:
			_, _ = fmt.Fprintf(w, `{"sent":%s,"extra":1}`, body)
		}
	}))
	t.Cleanup(s.Close)
	return s.URL
}

// TestAgentOfWebhooksNeedsNoPython serves an agent that is only webhooks where
// no Python is to be found.
func TestAgentOfWebhooksNeedsNoPython(t *testing.T) {
	t.Parallel()
	url := workflow(t)
	dir := filepath.Join(t.TempDir(), "flows")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	manifest := fmt.Sprintf(`{"agent_name": "flows", "agent_id": "flows", "framework": "n8n", "agent_architecture": {"entrypoints": [
		{"tag": "main", "webhook_url": "%[1]s/echo", "extractor": {"got": "$.sent.message"}},
		{"tag": "tokens_stream", "webhook_url": "%[1]s/tokens", "timeout": "5s"},
		{"tag": "broken", "webhook_url": "%[1]s/broken"}]}}`, url)
	if err := os.WriteFile(filepath.Join(dir, "runagent.config.json"), []byte(manifest), 0o644); err != nil {
		t.Fatal(err)
	}
	a := served.Start(t, served.Options{Dir: dir, Env: []string{"PATH=" + t.TempDir(), "VIRTUAL_ENV="}})
	a.WaitOutput(`no Python needed`)

	if got := a.Invoke("main", served.Input{"message": "hi"}); string(got.Result) != `{"got":"hi"}` {
		t.Errorf("main answered %s", got.Body)
	}
	if got := a.Post("/api/v1/agents/flows/run", `{"entrypoint_tag":"main","input_args":[{"message":"hi"}]}`); !strings.Contains(got.Body, `"success":true`) {
		t.Errorf("the door of published clients answered %s", got.Body)
	}
	var items []string
	for _, e := range a.Stream("tokens_stream", served.Input{}).Rest() {
		if e.Name == "chunk" {
			items = append(items, string(e.Data))
		}
	}
	if got := strings.Join(items, "\n"); !strings.Contains(got, `{"text":"a"}`) || !strings.Contains(got, `"b"`) || len(items) != 2 {
		t.Errorf("chunks:\n%s", got)
	}
	got := a.Invoke("broken", served.Input{})
	if got.HTTP != http.StatusInternalServerError || got.Error.Code != "EXECUTION_ERROR" || !strings.Contains(got.Error.Message, "404 Not Found: no such workflow") {
		t.Errorf("broken answered %s", got.Body)
	}
	if about := a.Fetch("/v1/agents/flows"); !strings.Contains(about.Body, `"tag":"tokens_stream","type":"generic_stream","streams":true`) || strings.Contains(about.Body, "/echo") {
		t.Errorf("described as %s", about.Body)
	}

	// A save changes the addresses, too.
	manifest = strings.Replace(manifest, url+"/broken", url+"/mended", 1)
	if err := os.WriteFile(filepath.Join(dir, "runagent.config.json"), []byte(manifest), 0o644); err != nil {
		t.Fatal(err)
	}
	a.WaitOutput(`reloaded`)
	if got := a.Invoke("broken", served.Input{}); got.HTTP != http.StatusOK {
		t.Errorf("after the save: %s", got.Body)
	}
}

// TestAgentOfCodeAndWebhooks serves both kinds of entrypoints of one agent.
func TestAgentOfCodeAndWebhooks(t *testing.T) {
	t.Parallel()
	manifest := fmt.Sprintf(`{"agent_name": "both", "agent_architecture": {"entrypoints": [
		{"tag": "hook", "webhook_url": "%s/echo"}, {"tag": "main", "file": "agent.py", "module": "main"}]}}`, workflow(t))
	a := served.Start(t, served.Options{Files: map[string]string{
		"runagent.config.json": manifest, "agent.py": "def main(n: int):\n    return n + 1\n",
	}})
	if got := a.Post("/v1/agents/both/invoke", served.Envelope("main", served.Input{"n": 1})); string(got.Result) != "2" {
		t.Errorf("main answered %s", got.Body)
	}
	if got := a.Post("/v1/agents/both/invoke", served.Envelope("hook", served.Input{"n": 1})); got.HTTP != http.StatusOK {
		t.Errorf("hook answered %s", got.Body)
	}
	if !strings.Contains(a.Output(), "generic  POST 127.0.0.1") {
		t.Error("the terminal does not show where the webhook is")
	}
}
