package server

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/runagent/runagent/api"
	"github.com/runagent/runagent/internal/fault"
	"github.com/runagent/runagent/internal/invocation"
	"github.com/runagent/runagent/internal/server/door"
)

func TestInvokeAnswers(t *testing.T) {
	t.Parallel()
	fx := newFixture(t, nil)
	a := fx.invoke(`{"input":{"prompt":"hé \"q\"","n":12345678901234567890,"f":2.0}}`, "User-Agent", "runagent-python/0.1", "Traceparent", "00-x")
	if a.StatusCode != http.StatusOK || a.Header.Get("Content-Type") != "application/json" {
		t.Fatalf("got %d %s", a.StatusCode, a.body)
	}
	var res api.InvokeResponse
	if err := json.Unmarshal(a.body, &res); err != nil {
		t.Fatal(err)
	}
	if want := `{"prompt":"hé \"q\"","n":12345678901234567890,"f":2.0}`; string(res.Result) != want {
		t.Errorf("result %s, want the bytes as sent: %s", res.Result, want)
	}
	if res.InvocationID != invocationID || res.Metadata.Revision != "r1" || res.Metadata.Timings.Call != 1.5 || res.Metadata.Start != "hot" {
		t.Errorf("answer is %+v", res)
	}
	req := fx.executor.last()
	if req.SDKType != "runagent-python" || req.TraceParent != "00-x" || req.Door != "v1" || req.RequestID != a.Header.Get("X-Request-Id") ||
		!strings.HasPrefix(req.Client, "127.0.0.1:") {
		t.Errorf("the request says %+v", req)
	}
}

func TestInvokeRefusesBadInput(t *testing.T) {
	t.Parallel()
	fx := newFixture(t, nil)
	deep := `{"input":{"a":` + strings.Repeat("[", 300) + strings.Repeat("]", 300) + `}}`
	tests := []struct {
		name, body    string
		code          fault.Code
		field, phrase string
		headers       []string
	}{
		{name: "empty", body: ``, code: fault.Validation, phrase: "empty"},
		{name: "not JSON", body: "{\"input\":\n {\"a\":tru}}", code: fault.Validation, phrase: "line 2, column 7"},
		{name: "trailing data", body: `{} {}`, code: fault.Validation, phrase: "not JSON"},
		{name: "not an object", body: `[1]`, code: fault.Validation, phrase: "must be a JSON object"},
		{name: "not UTF-8", body: "{\"input\":{\"a\":\"\xff\"}}", code: fault.Validation, phrase: "UTF-8"},
		{name: "deep", body: deep, code: fault.Validation, phrase: "200 levels"},
		{name: "unknown field", body: `{"inputs":{}}`, code: fault.Validation, field: "inputs", phrase: `did you mean "input"?`},
		{name: "argument beside input", body: `{"prompt":"x"}`, code: fault.Validation, field: "prompt", phrase: "unknown field"},
		{name: "twice", body: `{"input":{},"inp\u0075t":{}}`, code: fault.Validation, field: "input", phrase: "twice"},
		{name: "input is a string", body: `{"input":"x"}`, code: fault.Validation, field: "input"},
		{name: "args is an object", body: `{"args":{}}`, code: fault.Validation, field: "args"},
		{name: "two lists", body: `{"args":[],"input":[]}`, code: fault.Validation, field: "args"},
		{name: "entrypoint is a number", body: `{"entrypoint":3}`, code: fault.Validation, field: "entrypoint"},
		{name: "timeout is text", body: `{"timeout_seconds":"3"}`, code: fault.Validation, field: "timeout_seconds"},
		{name: "timeout below 0", body: `{"timeout_seconds":-1}`, code: fault.Validation, field: "timeout_seconds"},
		{name: "timeout too large", body: `{"timeout_seconds":1e300}`, code: fault.Validation, field: "timeout_seconds"},
		{name: "session is a number", body: `{"session_id":7}`, code: fault.Validation, field: "session_id"},
		{name: "session is empty", body: `{"session_id":""}`, code: fault.Validation, field: "session_id", phrase: "1 to 256 bytes"},
		{name: "session is long", body: `{"session_id":"` + strings.Repeat("s", 257) + `"}`, code: fault.Validation, field: "session_id"},
		{name: "session of two lines", body: `{"session_id":"a\nb"}`, code: fault.Validation, field: "session_id", phrase: "control characters"},
		{name: "idempotency", body: `{}`, code: fault.NotImplemented, field: "Idempotency-Key", headers: []string{"Idempotency-Key", "k"}},
		{name: "async", body: `{}`, code: fault.NotImplemented, field: "Prefer: respond-async", headers: []string{"Prefer", "respond-async, wait=5"}},
		{name: "form", body: `a=b`, code: fault.UnsupportedMedia, headers: []string{"Content-Type", "application/x-www-form-urlencoded"}},
		{name: "charset", body: `{}`, code: fault.UnsupportedMedia, headers: []string{"Content-Type", "application/json; charset=latin1"}},
		{name: "encoded", body: `{}`, code: fault.UnsupportedMedia, headers: []string{"Content-Encoding", "gzip"}},
		{name: "11 MiB", body: `{"input":"` + strings.Repeat("x", 11<<20) + `"}`, code: fault.PayloadTooLarge},
		{name: "unknown entrypoint", body: `{"entrypoint":"missing"}`, code: fault.EntrypointNotFound, phrase: "words_stream"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			fx.t = t
			e := fx.wantError(fx.invoke(tt.body, tt.headers...), tt.code)
			if e.Field != tt.field || !strings.Contains(e.Message, tt.phrase) {
				t.Errorf("field %q, message %q; want %q, %q", e.Field, e.Message, tt.field, tt.phrase)
			}
			fx.wantGood()
		})
	}
}

func TestInvokeMapsFaults(t *testing.T) {
	t.Parallel()
	fx := newFixture(t, nil)
	for _, code := range door.Codes() {
		fx.executor.on(string(code), fails(fault.New(code, "it is %s", "so")))
		e := fx.wantError(fx.invoke(`{"entrypoint":"`+string(code)+`"}`), code)
		if e.InvocationID != invocationID {
			t.Errorf("%s: invocation_id is %q", code, e.InvocationID)
		}
		if code != fault.Internal && e.Message != "it is so" {
			t.Errorf("%s: message %q", code, e.Message)
		}
	}
	fx.executor.on("raised", fails(fault.New(fault.Execution, "ValueError: no").
		WithDetails(map[string]string{"type": "ValueError", "message": "no", "traceback": "Traceback …"})))
	if e := fx.wantError(fx.invoke(`{"entrypoint":"raised"}`), fault.Execution); !strings.Contains(string(e.Details), "Traceback") {
		t.Errorf("details are %s", e.Details)
	}
	fx.executor.on("plain", fails(fmt.Errorf("open /secret/path: denied")))
	if a := fx.invoke(`{"entrypoint":"plain"}`); strings.Contains(string(a.body), "secret") {
		t.Errorf("an internal error shows itself: %s", a.body)
	}
	fx.executor.on("busy", fails(fault.New(fault.Overloaded, "full").WithRetryAfter(2500*time.Millisecond)))
	if a := fx.invoke(`{"entrypoint":"busy"}`); a.Header.Get("Retry-After") != "3" {
		t.Errorf("Retry-After is %q, want 3", a.Header.Get("Retry-After"))
	}
	fx.wantError(fx.do(http.MethodPost, "/v1/agents/nobody/invoke", `{}`), fault.AgentNotFound)
}

func TestInvokeCollectsAStream(t *testing.T) {
	t.Parallel()
	fx := newFixture(t, func(o *Options) { o.MaxBytes = 1000 })
	item := `"` + strings.Repeat("x", 300) + `"`
	fx.executor.on("some", yields(`1`, `"two"`, `{"three":3}`))
	fx.executor.on("none", yields())
	fx.executor.on("many", yields(item, item, item, item))
	fx.executor.on("large", returns(`"`+strings.Repeat("x", 2000)+`"`))
	for tag, want := range map[string]string{"some": `[1,"two",{"three":3}]`, "none": `[]`} {
		var res api.InvokeResponse
		if err := json.Unmarshal(fx.invoke(`{"entrypoint":"`+tag+`"}`).body, &res); err != nil || string(res.Result) != want {
			t.Errorf("%s: result %s (%v), want %s", tag, res.Result, err, want)
		}
	}
	for _, tag := range []string{"many", "large"} {
		if e := fx.wantError(fx.invoke(`{"entrypoint":"`+tag+`"}`), fault.Execution); !strings.Contains(e.Message, "limit of 1000") {
			t.Errorf("%s: %s", tag, e.Message)
		}
	}
}

func TestInvokeByEntrypointPath(t *testing.T) {
	t.Parallel()
	fx := newFixture(t, nil)
	fx.do(http.MethodPost, "/v1/agents/echo/entrypoints/main/invoke", `{}`)
	if got := fx.executor.last().Entrypoint; got != "main" {
		t.Errorf("entrypoint is %q", got)
	}
	fx.wantError(fx.do(http.MethodPost, "/v1/agents/echo/entrypoints/main/invoke", `{"entrypoint":"other"}`), fault.Validation)
}

func TestLargeAnswersAreCompressed(t *testing.T) {
	t.Parallel()
	fx := newFixture(t, nil)
	for _, size := range []int{10, 3000, 10_000, 500_000} {
		fx.executor.on("main", returns(`"`+strings.Repeat("x", size)+`"`))
		a := fx.invoke(`{"entrypoint":"main"}`) // the client asks for gzip and unpacks it
		var res api.InvokeResponse
		if err := json.Unmarshal(a.body, &res); err != nil || len(res.Result) != size+2 {
			t.Errorf("size %d: %v, got %d bytes", size, err, len(res.Result))
		}
		if a.Uncompressed != (size >= door.CompactFrom) {
			t.Errorf("size %d: compressed is %v", size, a.Uncompressed)
		}
	}
}

// quietCall is one call over and over: request, answer and executor allocate
// nothing, so that what is counted is the door's.
type quietCall struct {
	handler http.Handler
	request *http.Request
	body    strings.Reader
	header  http.Header
	status  int
}

const quietBody = `{"entrypoint":"main","input":{"prompt":"hello"}}`

func newQuietCall(t testing.TB) *quietCall {
	s, err := New(Options{Executor: quietExecutor{}, Agents: newFakeAgents(), History: &fakeHistory{}, Logs: &fakeLogs{}})
	if err != nil {
		t.Fatal(err)
	}
	c := &quietCall{handler: s.Handler(), header: http.Header{}}
	c.request = httptest.NewRequest(http.MethodPost, "/v1/agents/echo/invoke", nil)
	c.request.Host = "localhost:8450"
	c.request.Header.Set("Content-Type", "application/json")
	c.request.Header.Set("User-Agent", "bench/1")
	c.request.ContentLength = int64(len(quietBody))
	c.request.Body = io.NopCloser(&c.body)
	return c
}

func (c *quietCall) Header() http.Header            { return c.header }
func (c *quietCall) Write(text []byte) (int, error) { return len(text), nil }
func (c *quietCall) WriteHeader(status int)         { c.status = status }

func (c *quietCall) run() {
	clear(c.header)
	c.body.Reset(quietBody)
	c.handler.ServeHTTP(c, c.request)
}

// TestInvokeAllocatesLittle holds the hot path to a handful: the request ID and
// its header, the body, the path's values, who calls, the collector.
func TestInvokeAllocatesLittle(t *testing.T) {
	c := newQuietCall(t)
	if got := testing.AllocsPerRun(1000, c.run); got > 10 || c.status >= 400 {
		t.Errorf("a call allocates %.0f times, status %d", got, c.status)
	}
}

func BenchmarkInvoke(b *testing.B) {
	c := newQuietCall(b)
	b.ReportAllocs()
	for b.Loop() {
		c.run()
	}
}

// quietExecutor echoes and allocates nothing.
type quietExecutor struct{}

func (quietExecutor) Execute(_ context.Context, req invocation.Request, _ func(invocation.Event) error) (invocation.Outcome, error) {
	return invocation.Outcome{ID: invocationID, Result: invocation.Result{Output: req.Kwargs, Start: invocation.Hot}}, nil
}

func (quietExecutor) Cancel(string) error { return nil }
