package runagent

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// newTestClient returns a client of a server with the given routes.
func newTestClient(t testing.TB, routes map[string]http.HandlerFunc) *Client {
	t.Helper()
	mux := http.NewServeMux()
	for pattern, handle := range routes {
		mux.HandleFunc(pattern, handle)
	}
	server := httptest.NewServer(mux)
	transport := &http.Transport{}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		server.Close()
	})
	client, err := New(server.URL, Options{APIKey: "ra_key", UserAgent: "test/1", HTTPClient: &http.Client{Transport: transport}})
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// answer returns a handler that answers with status and body.
func answer(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

func TestNewRefusesWhatIsNoAddress(t *testing.T) {
	t.Parallel()
	for _, address := range []string{"", "127.0.0.1:8450", "localhost", "ftp://host", "http://", "http://a b"} {
		if _, err := New(address, Options{}); err == nil {
			t.Errorf("New(%q) succeeded", address)
		}
	}
}

func TestInvoke(t *testing.T) {
	t.Parallel()
	var got map[string]any
	var header http.Header
	client := newTestClient(t, map[string]http.HandlerFunc{
		"POST /v1/agents/{agent}/invoke": func(w http.ResponseWriter, r *http.Request) {
			header = r.Header
			if name := r.PathValue("agent"); name != "my agent/1" {
				t.Errorf("agent = %q", name)
			}
			if err := json.NewDecoder(r.Body).Decode(&got); err != nil {
				t.Error(err)
			}
			answer(200, `{"invocation_id":"i1","status":"succeeded","result":{"n":2.0},"metadata":{"revision":"r1","start":"hot"},"new_field":1}`)(w, r)
		},
	})
	out, err := client.Invoke(t.Context(), Call{
		Agent: "my agent/1", Entrypoint: "main", Input: map[string]any{"n": 1}, Args: []any{"x"},
		Timeout: 1500 * time.Millisecond, Metadata: map[string]string{"who": "me"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if out.InvocationID != "i1" || string(out.Result) != `{"n":2.0}` || out.Metadata.Start != "hot" {
		t.Errorf("answer = %+v", out)
	}
	sent, _ := json.Marshal(got)
	want := `{"args":["x"],"entrypoint":"main","input":{"n":1},"metadata":{"who":"me"},"timeout_seconds":1.5}`
	if string(sent) != want {
		t.Errorf("sent %s, want %s", sent, want)
	}
	for name, want := range map[string]string{"Authorization": "Bearer ra_key", "User-Agent": "test/1", "Content-Type": "application/json"} {
		if header.Get(name) != want {
			t.Errorf("%s = %q, want %q", name, header.Get(name), want)
		}
	}
}

func TestInvokeLeavesOutWhatIsNotGiven(t *testing.T) {
	t.Parallel()
	var sent string
	client := newTestClient(t, map[string]http.HandlerFunc{
		"POST /v1/agents/a/invoke": func(w http.ResponseWriter, r *http.Request) {
			raw, _ := io.ReadAll(r.Body)
			sent = string(raw)
			answer(200, `{}`)(w, r)
		},
	})
	if _, err := client.Invoke(t.Context(), Call{Agent: "a"}); err != nil {
		t.Fatal(err)
	}
	if sent != "{}" {
		t.Errorf("sent %s, want {}", sent)
	}
}

func TestInvokeRefusesInputThatIsNotJSON(t *testing.T) {
	t.Parallel()
	client := newTestClient(t, nil)
	_, err := client.Invoke(t.Context(), Call{Agent: "a", Input: make(chan int)})
	if err == nil || !strings.Contains(err.Error(), "encode input") {
		t.Errorf("err = %v", err)
	}
}

func TestErrorsAreTyped(t *testing.T) {
	t.Parallel()
	client := newTestClient(t, map[string]http.HandlerFunc{
		"POST /v1/agents/raises/invoke": answer(500, `{"error":{"code":"EXECUTION_ERROR","message":"ValueError: bad",
			"details":{"type":"ValueError","message":"bad","traceback":"Traceback…"},"invocation_id":"i9","request_id":"q1"}}`),
		"POST /v1/agents/full/invoke": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Retry-After", "3")
			answer(503, `{"error":{"code":"OVERLOADED","message":"the queue is full"}}`)(w, r)
		},
		"POST /v1/agents/proxy/invoke": answer(502, `<html>bad gateway</html>`),
	})
	t.Run("what the agent raised", func(t *testing.T) {
		t.Parallel()
		_, err := client.Invoke(t.Context(), Call{Agent: "raises"})
		var e *Error
		if !errors.As(err, &e) {
			t.Fatalf("err = %v, want *Error", err)
		}
		if e.Status != 500 || e.InvocationID != "i9" || e.RequestID != "q1" || e.Error() != "ValueError: bad" {
			t.Errorf("error = %+v", e)
		}
		if x := e.Exception(); x == nil || x.Type != "ValueError" || x.Traceback != "Traceback…" {
			t.Errorf("exception = %+v", x)
		}
	})
	t.Run("when to try again", func(t *testing.T) {
		t.Parallel()
		_, err := client.Invoke(t.Context(), Call{Agent: "full"})
		var e *Error
		if !errors.As(err, &e) || e.RetryAfter != 3*time.Second || !HasCode(err, CodeOverloaded) {
			t.Errorf("err = %#v", err)
		}
		if e.Exception() != nil {
			t.Errorf("exception of an overload = %+v", e.Exception())
		}
	})
	t.Run("not from RunAgent", func(t *testing.T) {
		t.Parallel()
		_, err := client.Invoke(t.Context(), Call{Agent: "proxy"})
		var e *Error
		if !errors.As(err, &e) || e.Code != "" || e.Message != "the server answered 502 Bad Gateway" {
			t.Errorf("err = %#v", err)
		}
	})
	t.Run("no server", func(t *testing.T) {
		t.Parallel()
		nobody, err := New("http://127.0.0.1:1", Options{})
		if err != nil {
			t.Fatal(err)
		}
		_, err = nobody.Invoke(t.Context(), Call{Agent: "a"})
		if err == nil || !strings.Contains(err.Error(), "reach the server") {
			t.Errorf("err = %v", err)
		}
	})
}

func TestReads(t *testing.T) {
	t.Parallel()
	var query string
	client := newTestClient(t, map[string]http.HandlerFunc{
		"GET /v1/agents":   answer(200, `{"agents":[{"agent_id":"a1","name":"A","entrypoints":[{"tag":"main"}]}]}`),
		"GET /v1/agents/a": answer(200, `{"agent_id":"a1","slug":"a"}`),
		"GET /v1/invocations": func(w http.ResponseWriter, r *http.Request) {
			query = r.URL.RawQuery
			answer(200, `{"invocations":[{"invocation_id":"i1","status":"failed"}],"next_cursor":"c2"}`)(w, r)
		},
		"GET /v1/invocations/i1":         answer(200, `{"invocation_id":"i1","error":{"code":"TIMEOUT_ERROR"}}`),
		"POST /v1/invocations/i1/cancel": answer(200, `{"invocation_id":"i1","status":"canceled"}`),
		"POST /v1/invocations/i2/cancel": answer(409, `{"error":{"code":"CONFLICT","message":"it has ended"}}`),
		"GET /health/ready":              answer(503, `{"status":"unhealthy","checks":[{"name":"instances"}]}`),
		"GET /v1/agents/a/health":        answer(200, `{"status":"degraded","checks":[{"file":"main.py","line":3}]}`),
		"GET /v1/agents/b/health":        answer(404, `{"error":{"code":"AGENT_NOT_FOUND","message":"agent \"b\" not found"}}`),
	})
	ctx := t.Context()
	if agents, err := client.Agents(ctx); err != nil || len(agents) != 1 || agents[0].Entrypoints[0].Tag != "main" {
		t.Errorf("Agents = %+v, %v", agents, err)
	}
	if agent, err := client.Agent(ctx, "a"); err != nil || agent.ID != "a1" {
		t.Errorf("Agent = %+v, %v", agent, err)
	}
	since := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	page, err := client.Invocations(ctx, InvocationQuery{Agent: "a", Status: "failed", Limit: 2, Since: since, Cursor: "c1"})
	if err != nil || page.NextCursor != "c2" || page.Invocations[0].Status != "failed" {
		t.Errorf("Invocations = %+v, %v", page, err)
	}
	if want := "agent=a&cursor=c1&limit=2&since=2026-01-02T03%3A04%3A05Z&status=failed"; query != want {
		t.Errorf("query = %q, want %q", query, want)
	}
	if inv, err := client.Invocation(ctx, "i1"); err != nil || inv.Error.Code != CodeTimeout {
		t.Errorf("Invocation = %+v, %v", inv, err)
	}
	if out, err := client.Cancel(ctx, "i1"); err != nil || out.Status != "canceled" {
		t.Errorf("Cancel = %+v, %v", out, err)
	}
	if _, err := client.Cancel(ctx, "i2"); !HasCode(err, CodeConflict) {
		t.Errorf("Cancel of an ended one: %v", err)
	}
	if health, err := client.Health(ctx); err != nil || health.Status != "unhealthy" {
		t.Errorf("Health = %+v, %v", health, err)
	}
	if health, err := client.AgentHealth(ctx, "a"); err != nil || health.Checks[0].Line != 3 {
		t.Errorf("AgentHealth = %+v, %v", health, err)
	}
	if _, err := client.AgentHealth(ctx, "b"); !HasCode(err, CodeAgentNotFound) {
		t.Errorf("AgentHealth of nobody: %v", err)
	}
}

func TestEndOfContextCancelsInvoke(t *testing.T) {
	t.Parallel()
	arrived, gone := make(chan struct{}), make(chan struct{})
	client := newTestClient(t, map[string]http.HandlerFunc{
		"POST /v1/agents/a/invoke": func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			close(arrived)
			<-r.Context().Done()
			close(gone)
		},
	})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-arrived
		cancel()
	}()
	if _, err := client.Invoke(ctx, Call{Agent: "a"}); !errors.Is(err, context.Canceled) {
		t.Errorf("err = %v, want context.Canceled", err)
	}
	<-gone
}
