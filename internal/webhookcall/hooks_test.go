package webhookcall

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/runagent/runagent/internal/agent"
	"github.com/runagent/runagent/internal/fault"
	"github.com/runagent/runagent/internal/invocation"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// service is a webhook's other side.
func service(t *testing.T, handle http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(handle)
	t.Cleanup(s.Close)
	return s.URL
}

// answers is a service that says the same to everybody.
func answers(t *testing.T, status int, kind, body string) string {
	t.Helper()
	return service(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", kind)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	})
}

func hook(tag, url string) agent.Entrypoint {
	return agent.Entrypoint{Tag: tag, WebhookURL: url, Method: http.MethodPost, Timeout: time.Minute}
}

func started(t *testing.T, o Options, entrypoints ...agent.Entrypoint) *Hooks {
	t.Helper()
	h := New(o)
	h.Start("r1", entrypoints)
	t.Cleanup(func() { h.Stop(context.Background(), "r1") })
	return h
}

func call(tag, kwargs string) invocation.Call {
	return invocation.Call{ID: "c1", Revision: "r1", Entrypoint: tag, Kwargs: json.RawMessage(kwargs)}
}

// invoke returns the result, or the items of a stream joined, and the error.
func invoke(t *testing.T, h *Hooks, c invocation.Call) (string, error) {
	t.Helper()
	var items []string
	res, err := h.Invoke(t.Context(), c, func(e invocation.Event) error {
		if e.Kind != invocation.Chunk {
			t.Errorf("event %s, want chunks only", e.Kind)
		}
		items = append(items, string(e.Data))
		return nil
	})
	if items != nil {
		return strings.Join(items, " "), err
	}
	return string(res.Output), err
}

func TestHooksDescribeWebhooksOnly(t *testing.T) {
	t.Parallel()
	h := New(Options{})
	got := h.Start("r1", []agent.Entrypoint{
		{Tag: "code", File: "a.py", Module: "f"}, hook("ask", "https://n8n.example.com/hook/secret"), hook("ask_stream", "https://n8n.example.com/x"),
		{Tag: "typed", Type: agent.GenericStream, WebhookURL: "https://n8n.example.com/y"},
	})
	if len(got) != 3 || got[0].Tag != "ask" || got[0].Type != agent.Generic || got[0].Streams ||
		!got[1].Streams || got[1].Type != agent.GenericStream || !got[2].Streams {
		t.Errorf("callables %+v", got)
	}
	if strings.Contains(got[0].Signature, "secret") || !strings.Contains(got[0].Signature, "POST n8n.example.com") {
		t.Errorf("signature %q", got[0].Signature)
	}
	if !h.Has("r1", "ask") || h.Has("r1", "code") || h.Has("r2", "ask") {
		t.Error("Has tells webhooks from others badly")
	}
	if h.Start("r2", []agent.Entrypoint{{Tag: "code", File: "a.py"}}) != nil {
		t.Error("an agent without webhooks has some")
	}
	h.Stop(t.Context(), "r1")
	if _, err := h.Invoke(t.Context(), call("ask", ""), nil); fault.CodeOf(err) != fault.AgentUnavailable {
		t.Errorf("after Stop: %v", err)
	}
}

func TestRequestCarriesTheInput(t *testing.T) {
	t.Parallel()
	url := service(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		_ = json.NewEncoder(w).Encode(fmt.Sprintf("%s %s %s %s %s", r.Method, r.URL.RawQuery, body, r.Header.Get("Content-Type"), r.Header.Get("Idempotency-Key")))
	})
	get := hook("get", url+"/?k=1")
	get.Method = http.MethodGet
	h := started(t, Options{}, hook("post", url), get)
	tests := []struct{ tag, args, kwargs, want string }{
		{"post", "", `{"a":1.50}`, `"POST  {\"a\":1.50} application/json c1"`},
		{"post", "", "", `"POST  {} application/json c1"`},
		{"post", `[[1,2]]`, "", `"POST  [1,2] application/json c1"`},
		{"post", `[]`, `{"payload":{"x":true}}`, `"POST  {\"x\":true} application/json c1"`},
		{"post", "", `{"payload":1,"more":2}`, `"POST  {\"payload\":1,\"more\":2} application/json c1"`},
		{"get", "", `{"q":"a b","n":[1,"two"],"o":{"x":null}}`, `"GET k=1\u0026n=1\u0026n=two\u0026o=%7B%22x%22%3Anull%7D\u0026q=a+b   c1"`},
		{"get", "", "", `"GET k=1   c1"`},
	}
	for _, tt := range tests {
		c := call(tt.tag, tt.kwargs)
		if tt.kwargs == "" {
			c.Kwargs = nil
		}
		if tt.args != "" {
			c.Args = json.RawMessage(tt.args)
		}
		got, err := invoke(t, h, c)
		if err != nil || strings.TrimSpace(got) != tt.want {
			t.Errorf("%s %s %s: got %s, %v, want %s", tt.tag, tt.args, tt.kwargs, got, err, tt.want)
		}
	}
	for _, bad := range []invocation.Call{
		{Revision: "r1", Entrypoint: "post", Args: json.RawMessage(`[1,2]`)},
		{Revision: "r1", Entrypoint: "post", Args: json.RawMessage(`[1]`), Kwargs: json.RawMessage(`{"a":1}`)},
		{Revision: "r1", Entrypoint: "get", Args: json.RawMessage(`[1]`)},
	} {
		if _, err := invoke(t, h, bad); fault.CodeOf(err) != fault.Validation {
			t.Errorf("%s %s %s: got %v, want VALIDATION_ERROR", bad.Entrypoint, bad.Args, bad.Kwargs, err)
		}
	}
}

func TestAnswersBecomeResults(t *testing.T) {
	t.Parallel()
	const sse = "text/event-stream; charset=utf-8"
	tests := []struct{ name, kind, body, whole, items string }{
		{"object", "application/json", ` {"a": 1} `, `{"a": 1}`, `{"a": 1}`},
		{"mislabelled", "text/plain", "\uFEFF[1]", `[1]`, ""},
		{"nothing", "", "", `null`, ``},
		{"lines", "application/x-ndjson", "{\"a\":1}\n{\"a\":2}\n", `[{"a":1},{"a":2}]`, `{"a":1} {"a":2}`},
		{"values", "application/json", `{"a":1}{"a":2}`, `[{"a":1},{"a":2}]`, `{"a":1} {"a":2}`},
		{"events", sse, ": hi\nid: 1\nevent: token\ndata: {\"t\":\ndata: 1}\n\ndata:plain\n\nretry: 3\n\ndata: [DONE]\n\ndata: 9\n\n", `[{"t":1},"plain"]`, "{\"t\":\n1} \"plain\""},
		{"cut event", sse, "data: 1\n\ndata: 2", `[1]`, `1`},
	}
	for _, tt := range tests {
		url := answers(t, http.StatusOK, tt.kind, tt.body)
		h := started(t, Options{}, hook("whole", url), hook("item_stream", url))
		if got, err := invoke(t, h, call("whole", "{}")); err != nil || got != tt.whole {
			t.Errorf("%s: result %s, %v, want %s", tt.name, got, err, tt.whole)
		}
		if tt.name == "mislabelled" {
			continue // a byte order mark stands in no stream
		}
		if got, err := invoke(t, h, call("item_stream", "{}")); err != nil || got != tt.items {
			t.Errorf("%s: items %s, %v, want %s", tt.name, got, err, tt.items)
		}
	}
}

func TestFailuresAreToldApart(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		status int
		kind   string
		body   string
		code   fault.Code
		says   string
	}{
		{"refuses the input", 422, "application/json", `{"message":"no name"}`, fault.Validation, `answered 422 Unprocessable Entity: {"message":"no name"}`},
		{"is not there", 404, "text/html", "<h1>nope</h1>", fault.Execution, "404 Not Found"},
		{"is busy", 429, "", "", fault.RateLimited, "429"},
		{"fails", 500, "", "boom\n\n boom", fault.Execution, "500 Internal Server Error: boom boom"},
		{"is down", 503, "", "", fault.AgentUnavailable, "503"},
		{"redirects nowhere", 304, "", "", fault.Execution, "304"},
		{"speaks HTML", 200, "text/html", "<p>hi", fault.Execution, "did not answer JSON but text/html: <p>hi"},
		{"breaks off", 200, "application/json", `{"a":`, fault.Execution, "breaks off"},
		{"is no UTF-8", 200, "application/json", "\"\xff\"", fault.Execution, "not"},
		{"says too much", 200, "application/json", `"` + strings.Repeat("x", 1000) + `"`, fault.Execution, "larger than the limit of 500 bytes"},
		{"says too much in an event", 200, "text/event-stream", "data: " + strings.Repeat("x", 1000) + "\n\n", fault.Execution, "larger"},
		{"reports an error", 200, "text/event-stream", "data: 1\n\nevent: error\ndata: no model\n\n", fault.Execution, "reported an error: no model"},
	}
	for _, tt := range tests {
		url := answers(t, tt.status, tt.kind, tt.body)
		h := started(t, Options{MaxResult: 500}, hook("plain", url), hook("a_stream", url))
		for _, tag := range []string{"plain", "a_stream"} {
			_, err := invoke(t, h, call(tag, "{}"))
			if fault.CodeOf(err) != tt.code || !strings.Contains(err.Error(), tt.says) || !strings.Contains(err.Error(), tag) {
				t.Errorf("%s, %s: %s %v, want %s and %q", tt.name, tag, fault.CodeOf(err), err, tt.code, tt.says)
			}
		}
	}
}

func TestRetryAfterIsPassedOn(t *testing.T) {
	t.Parallel()
	url := service(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "7")
		w.WriteHeader(http.StatusServiceUnavailable)
	})
	_, err := invoke(t, started(t, Options{}, hook("a", url)), call("a", "{}"))
	if f := fault.As(err); f == nil || f.RetryAfter != 7*time.Second || !strings.Contains(string(f.Details), `"status":503`) {
		t.Errorf("got %+v", f)
	}
}

func TestNobodyThere(t *testing.T) {
	t.Parallel()
	s := httptest.NewServer(http.NotFoundHandler())
	s.Close()
	_, err := invoke(t, started(t, Options{}, hook("a", s.URL+"/secret")), call("a", "{}"))
	if fault.CodeOf(err) != fault.AgentUnavailable || !strings.Contains(err.Error(), "can't be reached") || strings.Contains(err.Error(), "secret") {
		t.Errorf("got %v", err)
	}
}

// hangs is a service that says it has been asked and never answers; with
// first it sends that before.
func hangs(t *testing.T, first string) (url string, asked chan struct{}) {
	t.Helper()
	asked = make(chan struct{}, 1)
	return service(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		if first != "" {
			_, _ = io.WriteString(w, first)
			_ = http.NewResponseController(w).Flush()
		}
		asked <- struct{}{}
		<-r.Context().Done()
	}), asked
}

func TestTimeoutOfTheManifest(t *testing.T) {
	t.Parallel()
	for _, first := range []string{"", "1\n"} {
		url, _ := hangs(t, first)
		e := hook("slow", url)
		e.Timeout = 50 * time.Millisecond
		_, err := invoke(t, started(t, Options{}, e), call("slow", "{}"))
		if fault.CodeOf(err) != fault.Timeout || !strings.Contains(err.Error(), "50ms") {
			t.Errorf("after %q: %v", first, err)
		}
	}
}

func TestCancelEndsTheRequest(t *testing.T) {
	t.Parallel()
	url, asked := hangs(t, "")
	h := started(t, Options{}, hook("slow", url))
	gone := errors.New("gone")
	ctx, cancel := context.WithCancelCause(t.Context())
	go func() { <-asked; cancel(gone) }()
	if _, err := h.Invoke(ctx, call("slow", "{}"), nil); !errors.Is(err, gone) {
		t.Errorf("got %v, want the cause", err)
	}
	if n := h.InFlight(); n != 0 {
		t.Errorf("%d in flight after the end", n)
	}
}

func TestEmitEndsTheStream(t *testing.T) {
	t.Parallel()
	url, _ := hangs(t, "1\n2\n")
	full := errors.New("full")
	h := started(t, Options{}, hook("a_stream", url))
	if _, err := h.Invoke(t.Context(), call("a_stream", "{}"), func(invocation.Event) error { return full }); !errors.Is(err, full) {
		t.Errorf("got %v, want emit's error", err)
	}
}

func TestStopWaitsForRequests(t *testing.T) {
	t.Parallel()
	url, asked := hangs(t, "")
	h := started(t, Options{}, hook("slow", url))
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		_, _ = h.Invoke(ctx, call("slow", "{}"), nil)
		close(ended)
	}()
	<-asked
	if n := h.InFlight(); n != 1 {
		t.Errorf("%d in flight, want 1", n)
	}
	now, done := context.WithCancel(t.Context())
	done()
	h.Stop(now, "r1") // does not wait for ever
	h.Start("r1", []agent.Entrypoint{hook("slow", url)})
	r, _ := h.revision("r1")
	if !r.enter() {
		t.Fatal("full")
	}
	stopped := make(chan struct{})
	go func() { h.Stop(t.Context(), "r1"); close(stopped) }()
	for waits := false; !waits; runtime.Gosched() { // until Stop does
		r.mu.Lock()
		waits = r.idle != nil
		r.mu.Unlock()
	}
	select {
	case <-stopped:
		t.Error("Stop did not wait")
	default:
	}
	r.leave()
	<-stopped
	cancel()
	<-ended
}

func TestTooManyRequests(t *testing.T) {
	t.Parallel()
	h := started(t, Options{}, hook("a", answers(t, 200, "", "1")))
	r, _ := h.revision("r1")
	r.inFlight = maxInFlight
	if _, err := invoke(t, h, call("a", "{}")); fault.CodeOf(err) != fault.Overloaded {
		t.Errorf("got %v, want OVERLOADED", err)
	}
	r.inFlight = 0
}
