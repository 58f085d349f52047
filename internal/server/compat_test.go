package server

import (
	"context"
	"encoding/json"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/runagent/runagent/api"
	"github.com/runagent/runagent/internal/fault"
	"github.com/runagent/runagent/internal/invocation"
	"github.com/runagent/runagent/internal/server/compat"
)

const (
	runPath       = "/api/v1/agents/" + agentID + "/run"
	runStreamPath = "/api/v1/agents/" + agentID + "/run-stream?token=ra_secret"
)

// decodeData reads data as the published clients do: a string that holds
// {"type","payload"}, whose payload is a string that holds the value.
func decodeData(t testing.TB, data []byte) (kind, value string) {
	t.Helper()
	var text string
	var inner api.CompatData
	if err := json.Unmarshal(data, &text); err != nil {
		t.Fatalf("data is not a string: %v: %s", err, data)
	}
	if err := json.Unmarshal([]byte(text), &inner); err != nil {
		t.Fatalf("data holds no object: %v: %s", err, text)
	}
	if !json.Valid([]byte(inner.Payload)) {
		t.Fatalf("the payload is not JSON: %s", inner.Payload)
	}
	return inner.Type, inner.Payload
}

func TestRunEncodesTwice(t *testing.T) {
	t.Parallel()
	fx := newFixture(t, nil)
	tests := []struct{ output, kind, want string }{
		{`"hi"`, "string", `"hi"`},
		{`"a \"b\" \\ \n é \u0041"`, "string", `"a \"b\" \\ \n é \u0041"`},
		{`2`, "integer", `2`},
		{`-12345678901234567890123`, "integer", `-12345678901234567890123`},
		{`2.0`, "number", `2.0`},
		{`1e5`, "number", `1e5`},
		{`true`, "boolean", `true`},
		{`null`, "null", `null`},
		{``, "null", `null`},
		{"[1,\n\"x\"]", "array", `[1, "x"]`},
		{`{"a":{"b":"\"q\""}}`, "object", `{"a":{"b":"\"q\""}}`},
	}
	for _, tt := range tests {
		fx.executor.on("main", returns(tt.output))
		a := fx.do(http.MethodPost, runPath, `{"entrypoint_tag":"main","id":"x","input_args":[1],"input_kwargs":{"k":2}}`)
		var env api.CompatEnvelope
		if err := json.Unmarshal(a.body, &env); err != nil || a.StatusCode != http.StatusOK || !env.Success {
			t.Fatalf("%s: %d %v %s", tt.output, a.StatusCode, err, a.body)
		}
		kind, value := decodeData(t, env.Data)
		if kind != tt.kind || value != tt.want {
			t.Errorf("%s: got %s %s, want %s %s", tt.output, kind, value, tt.kind, tt.want)
		}
		if env.RequestID == "" || time.Since(env.Timestamp) > time.Minute || env.Error != nil || *env.Message == "" {
			t.Errorf("envelope is %s", a.body)
		}
	}
	req := fx.executor.last()
	if !req.PlainOnly || !req.AnswerEarly || req.StreamOnly || req.Timeout != 300*time.Second || req.Door != "compat" ||
		string(req.Args) != "[1]" || string(req.Kwargs) != `{"k":2}` {
		t.Errorf("the request says %+v", req)
	}
}

func TestRunFailures(t *testing.T) {
	t.Parallel()
	fx := newFixture(t, nil)
	for tag, err := range map[string]error{
		"raised":  fault.New(fault.Execution, "ValueError: 404 is mine"),
		"unbound": fault.New(fault.Validation, "main(x) has no parameter y"),
		"late":    fault.New(fault.Timeout, "the deadline passed"),
		"full":    fault.New(fault.Overloaded, "the queue is full"),
		"broken":  fault.New(fault.Internal, "panic at 500"),
		"down":    fault.New(fault.AgentUnavailable, "agent %s can't start", agentID),
	} {
		fx.executor.on(tag, fails(err))
	}
	tests := []struct {
		name, path, body string
		status           int
		code             fault.Code
		message          string
	}{
		{"raised", runPath, `{"entrypoint_tag":"raised"}`, 200, fault.Execution, "ValueError: 404 is mine"},
		{"unbound", runPath, `{"entrypoint_tag":"unbound"}`, 200, fault.Validation, "no parameter y"},
		{"late", runPath, `{"entrypoint_tag":"late"}`, 200, fault.Timeout, "timeout"},
		{"full", runPath, `{"entrypoint_tag":"full"}`, 503, fault.Overloaded, "full"},
		{"broken", runPath, `{"entrypoint_tag":"broken"}`, 500, fault.Internal, "failed inside"},
		{"down", runPath, `{"entrypoint_tag":"down"}`, 503, fault.AgentUnavailable, "agent can't start"},
		{"unknown tag", runPath, `{"entrypoint_tag":"missing"}`, 404, fault.EntrypointNotFound, "not found"},
		{"unknown agent", "/api/v1/agents/99999999-4030-4403-8403-403403403403/run", `{"entrypoint_tag":"main"}`, 404, fault.AgentNotFound, "not found"},
		{"no tag", runPath, `{}`, 400, fault.Validation, "entrypoint_tag"},
		{"not JSON", runPath, `{"entrypoint_tag":`, 400, fault.Validation, "not JSON"},
		{"args not a list", runPath, `{"entrypoint_tag":"main","input_args":{}}`, 400, fault.Validation, "input_args must be a list"},
		{"async", runPath, `{"entrypoint_tag":"main","async_execution":true}`, 501, fault.NotImplemented, "async_execution"},
		{"memory", runPath, `{"entrypoint_tag":"main","persistent_memory":true,"user_id":"u"}`, 501, fault.NotImplemented, "persistent_memory"},
		{"unknown path", "/api/v1/nothing", ``, 404, fault.NotFound, "not found"},
	}
	misread := regexp.MustCompile(`40[134]|50[023]|(?i)permission|access denied|[0-9a-f]{8}-`)
	for _, tt := range tests {
		a := fx.do(http.MethodPost, tt.path, tt.body)
		var env api.CompatEnvelope
		if err := json.Unmarshal(a.body, &env); err != nil || env.Error == nil || env.Success {
			t.Errorf("%s: %v %s", tt.name, err, a.body)
			continue
		}
		if a.StatusCode != tt.status || env.Error.Code != string(tt.code) || !strings.Contains(env.Error.Message, tt.message) {
			t.Errorf("%s: got %d %s", tt.name, a.StatusCode, a.body)
		}
		if wantDetail := tt.status != 200; (env.Detail == env.Error.Message) != wantDetail {
			t.Errorf("%s: detail is %q", tt.name, env.Detail)
		}
		if tt.code != fault.Execution && misread.MatchString(env.Error.Message) {
			t.Errorf("%s: clients would misread %q", tt.name, env.Error.Message)
		}
		if tt.status == 503 && a.Header.Get("Retry-After") == "" {
			t.Errorf("%s: no Retry-After", tt.name)
		}
	}
	a := fx.do(http.MethodPost, runPath, `{"entrypoint_tag":"main","async_execution":false,"user_id":"u","persistent_memory":false}`)
	if a.StatusCode != http.StatusOK {
		t.Errorf("a run with a user: %d %s", a.StatusCode, a.body)
	}
}

func TestRunStream(t *testing.T) {
	t.Parallel()
	var asked time.Time // when the client said what to run
	fx := newFixture(t, func(o *Options) {
		o.After = func(d time.Duration) <-chan time.Time {
			if d <= 20*time.Millisecond {
				// The last chunk was sent after the client asked.
				if since := time.Since(asked); since+d < 10*time.Millisecond {
					t.Errorf("the last frame would come %v after the call", since+d)
				}
			}
			return time.After(d)
		}
	})
	fx.executor.on("words_stream", yields(`"a"`, `{"b":2}`, `2.0`))
	conn := fx.dial(runStreamPath)
	asked = time.Now()
	fx.say(conn, `{"entrypoint_tag":"words_stream","input_args":[],"input_kwargs":{},"timeout_seconds":600}`)
	if f := hear[api.CompatFrame](fx, conn); f.Type != "status" || f.Status != "stream_started" || f.InvocationID != invocationID {
		t.Errorf("first frame %+v", f)
	}
	for _, want := range []string{`string "a"`, `object {"b":2}`, `number 2.0`} {
		f := hear[struct {
			Type    string
			Content json.RawMessage
		}](fx, conn)
		kind, value := decodeData(t, f.Content)
		if got := kind + " " + value; f.Type != "data" || got != want {
			t.Errorf("got %s %s, want %s", f.Type, got, want)
		}
	}
	f := hear[api.CompatFrame](fx, conn)
	if took := time.Since(asked); took < 10*time.Millisecond {
		t.Errorf("the last frame came %v after the call", took)
	}
	if f.Status != "stream_completed" || *f.TotalChunks != 3 || *f.ExecutionTime <= 0 || f.InvocationID != invocationID {
		t.Errorf("last frame %+v", f)
	}
	if _, _, err := conn.Read(t.Context()); websocket.CloseStatus(err) != websocket.StatusNormalClosure {
		t.Errorf("the socket ended by %v", err)
	}
	if req := fx.executor.last(); !req.StreamOnly || req.PlainOnly || req.Timeout != 600*time.Second {
		t.Errorf("the request says %+v", req)
	}
}

func TestRunStreamFailures(t *testing.T) {
	t.Parallel()
	fx := newFixture(t, func(o *Options) { o.MaxBytes = 1000 })
	fx.executor.on("plain", fails(fault.New(fault.Validation, "main does not stream")))
	fx.executor.on("large", yields(`"`+strings.Repeat(`\"`, 200)+`"`)) // 400 bytes, 2,000 when encoded
	tests := []struct{ message, want string }{
		{`{"entrypoint_tag":"missing"}`, "not found"},
		{`{"entrypoint_tag":"plain"}`, "does not stream"},
		{`{}`, "entrypoint_tag is missing"},
		{`{"entr`, "not JSON"},
		{`{"entrypoint_tag":"large"}`, "the limit is 1000"},
	}
	for _, tt := range tests {
		conn := fx.dial(runStreamPath)
		fx.say(conn, tt.message)
		f := hear[api.CompatFrame](fx, conn)
		if f.Status == "stream_started" {
			f = hear[api.CompatFrame](fx, conn)
		}
		if f.Type != "error" || f.Error != f.Detail || !strings.Contains(f.Error, tt.want) {
			t.Errorf("%s: got %+v", tt.message, f)
		}
		if _, _, err := conn.Read(t.Context()); websocket.CloseStatus(err) == -1 {
			t.Errorf("%s: then %v instead of a close", tt.message, err)
		}
	}
	_, res, err := websocket.Dial(t.Context(), fx.url+"/api/v1/agents/nobody/run-stream", &websocket.DialOptions{HTTPClient: fx.client})
	if err == nil || res == nil || res.StatusCode != http.StatusNotFound {
		t.Errorf("an unknown agent: %v %v", res, err)
	}
}

func TestRunStreamNeedsAFirstMessage(t *testing.T) {
	t.Parallel()
	fx := newFixture(t, func(o *Options) {
		o.After = func(d time.Duration) <-chan time.Time {
			if d != compat.FirstMessage {
				return nil
			}
			return time.After(time.Millisecond)
		}
	})
	if f := hear[api.CompatFrame](fx, fx.dial(runStreamPath)); f.Type != "error" {
		t.Errorf("got %+v", f)
	}
}

func TestRunStreamEndsWithItsClient(t *testing.T) {
	t.Parallel()
	fx := newFixture(t, nil)
	fx.executor.ended = make(chan error, 1)
	fx.executor.on("endless", func(ctx context.Context, _ invocation.Request, emit func(invocation.Event) error) (invocation.Result, error) {
		for {
			if err := emit(invocation.Event{Kind: invocation.Chunk, Data: json.RawMessage("1")}); err != nil {
				return invocation.Result{}, err
			}
			if ctx.Err() != nil {
				return invocation.Result{}, ctx.Err()
			}
		}
	})
	conn := fx.dial(runStreamPath)
	fx.say(conn, `{"entrypoint_tag":"endless"}`)
	hear[api.CompatFrame](fx, conn)
	_ = conn.CloseNow()
	select {
	case <-fx.executor.ended:
	case <-time.After(time.Second):
		t.Fatal("the call runs on 1 s after its client left")
	}
}
