package cli

import (
	"encoding/json"
	"errors"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/runagent/runagent/internal/cli/local"
	"github.com/runagent/runagent/internal/discovery"
	"github.com/runagent/runagent/internal/invocation"
	"github.com/runagent/runagent/internal/store"
)

func TestList(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	dir := f.serve("id-1", "Alive", routes(map[string]string{"GET /v1/agents/id-1": `{"agent_id":"id-1"}`}))
	f.serve("id-2", "Other", routes(map[string]string{"GET /v1/agents/another": `{}`}))
	f.announce(func(db *discovery.DB) error {
		return db.Announce(t.Context(), discovery.Row{AgentID: "id-3", Name: "Killed", Path: "/k", Host: "127.0.0.1", Port: 1})
	})
	code, stdout, stderr := f.runagent("list")
	if lines := strings.Split(strings.TrimSpace(stdout), "\n"); code != 0 || stderr != "" || len(lines) != 2 ||
		!strings.HasPrefix(lines[0], "AGENT  ") || !strings.HasPrefix(lines[1], "Alive  serving  http://127.0.0.1:") || !strings.HasSuffix(lines[1], dir) {
		t.Errorf("code %d, stdout:\n%sstderr: %s", code, stdout, stderr)
	}
	_, stdout, _ = f.runagent("list", "--all", "--json")
	var agents local.Agents
	if err := json.Unmarshal([]byte(stdout), &agents); err != nil {
		t.Fatalf("%v\n%s", err, stdout)
	}
	got := map[string]string{}
	for _, a := range agents {
		got[a.ID] = a.Status
	}
	want := map[string]string{"id-1": local.Serving, "id-2": local.Unreachable, "id-3": local.Unreachable}
	for id, status := range want {
		if got[id] != status {
			t.Errorf("agent %s is %q, want %q", id, got[id], status)
		}
	}
}

func TestLogs(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/agents/a/logs", func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		if q.Get("follow") != "" {
			routes(map[string]string{"/": "event: log\ndata: {\"time\":\"2026-01-02T03:04:05Z\",\"text\":\"followed\"}\n\n"}).ServeHTTP(w, r)
			return
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"logs": []map[string]string{
			{"time": "2026-01-02T03:04:05Z", "text": "hi\x1b[2J", "stream": "stdout", "invocation_id": "0190-12345678"},
			{"time": "2026-01-02T03:04:06Z", "text": q.Encode(), "stream": "system"},
		}})
	})
	f.serve("a", "a", mux)
	code, stdout, stderr := f.runagent("logs", "a", "--limit", "2", "--invocation", "i1")
	if code != 0 || stderr != "" || !strings.Contains(stdout, " 12345678 hi [2J\n") || !strings.Contains(stdout, " runagent invocation=i1&limit=2\n") {
		t.Errorf("code %d, stdout %q, stderr %q", code, stdout, stderr)
	}
	_, stdout, _ = f.runagent("logs", "--json")
	var line struct{ Text, Stream string }
	if err := json.Unmarshal([]byte(strings.SplitN(stdout, "\n", 2)[0]), &line); err != nil || line.Text != "hi\x1b[2J" {
		t.Errorf("line %+v, %v of %q", line, err, stdout)
	}
	if code, stdout, _ = f.runagent("logs", "-f"); code != 0 || !strings.Contains(stdout, "    agent followed\n") && !strings.Contains(stdout, "   agent followed\n") {
		t.Errorf("code %d, stdout %q", code, stdout)
	}
}

func TestInvocations(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	var queries []string
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/invocations", func(w http.ResponseWriter, r *http.Request) {
		queries = append(queries, r.URL.RawQuery)
		body := `{"invocations":[{"invocation_id":"i1","entrypoint":"main","status":"failed","start":"hot",
			"created_at":"2026-01-02T03:04:05Z","finished_at":"2026-01-02T03:04:05.25Z","error":{"code":"X","message":"line one\nline two"}},
			{"invocation_id":"i2","entrypoint":"main","status":"running","created_at":"2026-01-02T03:04:05Z","finished_at":null}],"next_cursor":"c2"}`
		if r.URL.Query().Get("cursor") == "c2" {
			body = `{"invocations":[{"invocation_id":"i3","entrypoint":"main","status":"succeeded"}]}`
		}
		_, _ = w.Write([]byte(body))
	})
	f.serve("a", "a", mux)
	code, stdout, stderr := f.runagent("invocations", "a", "--limit", "3", "--status", "failed")
	lines := strings.Split(strings.TrimSpace(stdout), "\n")
	if code != 0 || stderr != "" || len(lines) != 4 || !strings.Contains(lines[1], "250ms") || !strings.Contains(lines[1], "line one line two") {
		t.Errorf("code %d, stdout:\n%sstderr: %s", code, stdout, stderr)
	}
	if want := "agent=a&limit=3&status=failed|agent=a&cursor=c2&limit=1&status=failed"; strings.Join(queries, "|") != want {
		t.Errorf("queries %q, want %q", queries, want)
	}
	_, stdout, _ = f.runagent("invocations", "--limit", "1", "--json")
	var records []map[string]any
	if err := json.Unmarshal([]byte(stdout), &records); err != nil || len(records) != 1 || records[0]["invocation_id"] != "i1" {
		t.Errorf("records %v, %v", records, err)
	}
}

// keep leaves in the machine's records a line and an invocation of an agent.
func (f *fixture) keep(agentID string) {
	f.t.Helper()
	h, err := store.OpenHistory(filepath.Join(f.home, "history.db"), store.HistoryOptions{})
	if err != nil {
		f.t.Fatal(err)
	}
	h.Finished(invocation.Record{ID: "of-" + agentID, AgentID: agentID, Entrypoint: "main", Status: invocation.Succeeded, CreatedAt: time.Now()})
	h.AppendLog(invocation.LogLine{AgentID: agentID, Time: time.Now(), Text: "kept", Stream: "stdout"})
	if err := h.Close(); err != nil {
		f.t.Fatal(err)
	}
}

func TestReadsWithoutAServer(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.announce(func(db *discovery.DB) error { // one that ended, one that was killed
		stopped := discovery.Row{AgentID: "s", Name: "Stopped", Path: "/s", Host: "127.0.0.1", Port: 1}
		killed := discovery.Row{AgentID: "k", Name: "Killed", Path: "/k", Host: "127.0.0.1", Port: 2}
		return errors.Join(db.Announce(t.Context(), stopped), db.Stopped(t.Context(), "s"), db.Announce(t.Context(), killed))
	})
	if code, _, stderr := f.runagent("logs", "stopped"); code != 1 || !strings.Contains(stderr, `agent "Stopped" is not being served: nothing was recorded so far`) {
		t.Errorf("before the first record: code %d, %q", code, stderr)
	}
	f.keep("another")
	if code, stdout, stderr := f.runagent("logs", "stopped"); code != 0 || stdout != "" || stderr != "No lines: nothing was printed or logged.\n" {
		t.Errorf("logs without a line: code %d, %q, %q", code, stdout, stderr)
	}
	if code, stdout, stderr := f.runagent("invocations", "stopped"); code != 0 || stdout != "" || stderr != "No invocations.\n" {
		t.Errorf("no invocations: code %d, %q, %q", code, stdout, stderr)
	}
	for _, id := range []string{"s", "k"} {
		f.keep(id)
		if code, stdout, stderr := f.runagent("logs", id); code != 0 || !strings.HasSuffix(stdout, " kept\n") || stderr != "" {
			t.Errorf("logs %s: code %d, %q, %q", id, code, stdout, stderr)
		}
		if code, stdout, stderr := f.runagent("invocations", id); code != 0 || !strings.Contains(stdout, "succeeded") || stderr != "" {
			t.Errorf("invocations %s: code %d, %q, %q", id, code, stdout, stderr)
		}
		code, stdout, stderr := f.runagent("logs", id, "-f")
		if code != 1 || !strings.HasSuffix(stdout, " kept\n") || !strings.Contains(stderr, "so no new lines come; start it with `runagent serve /"+id) {
			t.Errorf("logs -f %s: code %d, %q, %q", id, code, stdout, stderr)
		}
	}
}

func TestCompleteAgents(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	dir := f.serve("id-1", "Alive", echoServer())
	if _, stdout, _ := f.runagent("__complete", "logs", ""); !strings.Contains(stdout, "Alive\t"+dir+"\n") {
		t.Errorf("completion %q", stdout)
	}
	if _, stdout, _ := f.runagent("__complete", "invocations", "--status", "time"); !strings.Contains(stdout, "timed_out") {
		t.Errorf("completion %q", stdout)
	}
}
