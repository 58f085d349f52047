package server

import (
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/runagent/runagent/internal/fault"
)

// Golden messages are written with GOLDEN=write, from what the doors really say.
var (
	goldenDir = filepath.Join("..", "..", "api", "testdata")
	volatile  = []struct {
		find *regexp.Regexp
		with string
	}{
		{regexp.MustCompile(`"(timestamp)": "[^"]+"`), `"$1": "2026-01-02T03:04:05Z"`},
		{regexp.MustCompile(`"request_id": "[^"]+"`), `"request_id": "00000000-0000-4000-8000-000000000000"`},
		{regexp.MustCompile(`"execution_time": [0-9.e-]+`), `"execution_time": 0.25`},
		{regexp.MustCompile(`"uptime_seconds": [0-9.e-]+`), `"uptime_seconds": 12.5`},
	}
)

// golden compares a message with its file.
func golden(t *testing.T, name string, message []byte) {
	t.Helper()
	var indented bytes.Buffer
	if err := json.Indent(&indented, bytes.TrimSpace(message), "", "  "); err != nil {
		t.Errorf("%s: %v: %s", name, err, message)
		return
	}
	got := indented.Bytes()
	for _, v := range volatile {
		got = v.find.ReplaceAll(got, []byte(v.with))
	}
	got = append(got, '\n')
	file := filepath.Join(goldenDir, name+".json")
	if os.Getenv("GOLDEN") == "write" {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Error(err)
		return
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s: the door says\n%s\nthe golden message is\n%s", name, got, want)
	}
}

func TestGoldenV1(t *testing.T) {
	t.Parallel()
	fx := newFixture(t, nil)
	fx.history.records = someRecords()
	fx.executor.on("words_stream", yields(`"hello"`))
	fx.executor.on("raises", fails(fault.New(fault.Execution, "ValueError: no").WithDetails(
		map[string]string{"message": "no", "traceback": "Traceback (most recent call last): …", "type": "ValueError"})))
	const request = `{"entrypoint":"main","input":{"prompt":"hi"},"args":[1],"timeout_seconds":30,"metadata":{"user":"u1"}}`
	golden(t, "invoke_request", []byte(request))
	golden(t, "invoke_response", fx.invoke(request).body)
	golden(t, "error", fx.invoke(`{"entrypoint":"raises"}`).body)
	golden(t, "agent", fx.do(http.MethodGet, "/v1/agents/echo", "").body)
	golden(t, "health", fx.do(http.MethodGet, "/health", "").body)
	golden(t, "invocation", fx.do(http.MethodGet, "/v1/invocations/"+invocationID, "").body)
	golden(t, "log", []byte(`{"time":"2026-01-02T03:04:05Z","stream":"logging","level":"info","text":"hi","invocation_id":"i","instance":"n","agent_id":"a"}`))
	_, events := fx.stream("/v1/agents/echo/stream", `{"entrypoint":"words_stream"}`)
	for i, name := range []string{"event_start", "event_chunk", "event_done"} {
		golden(t, name, []byte(events[i].data))
	}
	conn := fx.dial(socketPath)
	const invoke = `{"type":"invoke","ref":"1","entrypoint":"words_stream","input":{"n":1},"logs":true}`
	golden(t, "socket_invoke", []byte(invoke))
	fx.say(conn, invoke)
	for _, name := range []string{"socket_started", "socket_chunk", "socket_result"} {
		golden(t, name, hear[json.RawMessage](fx, conn))
	}
	fx.say(conn, `{"type":"invoke","ref":"2","entrypoint":"raises"}`)
	hear[json.RawMessage](fx, conn)
	golden(t, "socket_error", hear[json.RawMessage](fx, conn))
}

func TestGoldenCompat(t *testing.T) {
	t.Parallel()
	fx := newFixture(t, nil)
	fx.history.records = someRecords()
	fx.executor.on("main", returns(`{"text":"say \"hi\"","n":2.0}`))
	fx.executor.on("words_stream", yields(`"hello"`))
	fx.executor.on("raises", fails(fault.New(fault.Execution, "ValueError: no").WithDetails(map[string]string{"type": "ValueError"})))
	const request = `{"entrypoint_tag":"main","input_args":[],"input_kwargs":{"prompt":"hi"},"timeout_seconds":300}`
	golden(t, "compat_run", []byte(request))
	golden(t, "compat_success", fx.do(http.MethodPost, runPath, request).body)
	golden(t, "compat_failure", fx.do(http.MethodPost, runPath, `{"entrypoint_tag":"raises"}`).body)
	base := "/api/v1/agents/" + agentID
	golden(t, "compat_architecture", fx.do(http.MethodGet, base+"/architecture", "").body)
	golden(t, "compat_stats", fx.do(http.MethodGet, base+"/invocations/stats", "").body)
	golden(t, "compat_invocation", fx.do(http.MethodGet, "/api/v1/invocations/"+invocationID, "").body)
	conn := fx.dial(runStreamPath)
	fx.say(conn, `{"entrypoint_tag":"words_stream"}`)
	for _, name := range []string{"compat_started", "compat_data", "compat_completed"} {
		golden(t, name, hear[json.RawMessage](fx, conn))
	}
	conn = fx.dial(runStreamPath)
	fx.say(conn, `{"entrypoint_tag":"missing"}`)
	golden(t, "compat_error", hear[json.RawMessage](fx, conn))
}
