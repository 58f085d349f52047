package server

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/runagent/runagent/api"
	"github.com/runagent/runagent/internal/agent"
	"github.com/runagent/runagent/internal/fault"
	"github.com/runagent/runagent/internal/invocation"
	"github.com/runagent/runagent/internal/server/door"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	agentID      = "11111111-2222-4333-8444-555555555555"
	invocationID = "01890000-0000-7000-8000-000000000001"
)

// fixture is a Server on a real socket with scripted neighbours.
type fixture struct {
	t        testing.TB
	server   *Server
	url      string
	addr     string
	listener net.Listener
	client   *http.Client
	executor *fakeExecutor
	agents   *fakeAgents
	history  *fakeHistory
	logs     *fakeLogs
}

// newFixture serves until the test ends. change may adjust the options.
func newFixture(t testing.TB, change func(*Options)) *fixture {
	t.Helper()
	fx := &fixture{t: t, executor: &fakeExecutor{}, agents: newFakeAgents(), history: &fakeHistory{}, logs: &fakeLogs{}}
	o := Options{Executor: fx.executor, Agents: fx.agents, History: fx.history, Logs: fx.logs, Version: "1.2.3"}
	if change != nil {
		change(&o)
	}
	var err error
	if fx.server, err = New(o); err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	fx.addr, fx.listener = ln.Addr().String(), ln
	fx.url = "http://" + fx.addr
	fx.client = &http.Client{Transport: &http.Transport{}}
	served := make(chan error, 1)
	go func() { served <- fx.server.Serve(t.Context(), ln) }()
	t.Cleanup(func() {
		fx.client.CloseIdleConnections()
		fx.server.Kill()
		if err := <-served; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return fx
}

// answer is an HTTP answer that has been read.
type answer struct {
	*http.Response
	body []byte
}

// do sends a request; headers come in pairs.
func (fx *fixture) do(method, path, body string, headers ...string) answer {
	fx.t.Helper()
	req, err := http.NewRequestWithContext(context.WithoutCancel(fx.t.Context()), method, fx.url+path, bytes.NewBufferString(body))
	if err != nil {
		fx.t.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(headers); i += 2 {
		if headers[i] == "Host" {
			req.Host = headers[i+1]
		}
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := fx.client.Do(req)
	if err != nil {
		fx.t.Fatalf("%s %s: %v", method, path, err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		fx.t.Fatalf("%s %s: read the answer: %v", method, path, err)
	}
	return answer{res, text}
}

// invoke posts a call of the agent echo.
func (fx *fixture) invoke(body string, headers ...string) answer {
	fx.t.Helper()
	return fx.do(http.MethodPost, "/v1/agents/echo/invoke", body, headers...)
}

// wantError checks an error answer of /v1 and returns it.
func (fx *fixture) wantError(a answer, code fault.Code) api.Error {
	fx.t.Helper()
	var body api.ErrorBody
	if err := json.Unmarshal(a.body, &body); err != nil {
		fx.t.Fatalf("the answer is no error: %v\n%s", err, a.body)
	}
	if body.Error.Code != string(code) || a.StatusCode != door.StatusOf(code) {
		fx.t.Fatalf("got %d %s, want %d %s\n%s", a.StatusCode, body.Error.Code, door.StatusOf(code), code, a.body)
	}
	if body.Error.RequestID == "" || body.Error.RequestID != a.Header.Get("X-Request-Id") {
		fx.t.Errorf("request ID: body %q, header %q", body.Error.RequestID, a.Header.Get("X-Request-Id"))
	}
	if body.Error.Message == "" {
		fx.t.Error("the error has no message")
	}
	return body.Error
}

// wantGood checks that the next good call succeeds.
func (fx *fixture) wantGood() {
	fx.t.Helper()
	if a := fx.invoke(`{"input":{"x":1}}`); a.StatusCode != http.StatusOK {
		fx.t.Fatalf("the next good call: %d %s", a.StatusCode, a.body)
	}
}

// script is what the fake executor does with a call, after started.
type script func(ctx context.Context, req invocation.Request, emit func(invocation.Event) error) (invocation.Result, error)

// fakeExecutor answers each call by the script of its entrypoint, or with its
// keyword arguments.
type fakeExecutor struct {
	mu       sync.Mutex
	scripts  map[string]script
	requests []invocation.Request
	canceled []string
	ended    chan error // receives how each call ended, if not nil
}

func (x *fakeExecutor) on(tag string, do script) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.scripts == nil {
		x.scripts = map[string]script{}
	}
	x.scripts[tag] = do
}

func (x *fakeExecutor) Execute(ctx context.Context, req invocation.Request, emit func(invocation.Event) error) (invocation.Outcome, error) {
	x.mu.Lock()
	x.requests = append(x.requests, req)
	do := x.scripts[req.Entrypoint]
	x.mu.Unlock()
	if req.Agent != "echo" && req.Agent != agentID {
		return invocation.Outcome{}, fault.New(fault.AgentNotFound, "agent %q does not exist", req.Agent)
	}
	if req.Entrypoint == "missing" {
		return invocation.Outcome{}, fault.New(fault.EntrypointNotFound, "entrypoint %q does not exist; there are main, words_stream", req.Entrypoint)
	}
	out := invocation.Outcome{ID: invocationID, Status: invocation.Succeeded, Target: &invocation.Target{AgentVersion: "1.0.0", Revision: "r1"}}
	seq := int64(0)
	number := func(e invocation.Event) error {
		seq++
		e.Seq = seq
		return emit(e)
	}
	err := number(invocation.Event{Kind: invocation.Started, Data: json.RawMessage(`{"invocation_id":"` + invocationID + `"}`)})
	if err == nil {
		if do == nil {
			do = echo
		}
		out.Result, err = do(ctx, req, number)
	}
	if x.ended != nil {
		x.ended <- err
	}
	return out, err
}

func (x *fakeExecutor) Cancel(id string) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.canceled = append(x.canceled, id)
	if id != invocationID {
		return fault.New(fault.NotFound, "invocation %q does not exist", id)
	}
	return nil
}

// last returns the latest request.
func (x *fakeExecutor) last() invocation.Request {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.requests[len(x.requests)-1]
}

func echo(_ context.Context, req invocation.Request, _ func(invocation.Event) error) (invocation.Result, error) {
	res := invocation.Result{Output: req.Kwargs, Start: invocation.Hot}
	res.Timings = invocation.Timings{Call: 1500 * time.Microsecond, Total: 1500 * time.Microsecond}
	if res.Output == nil {
		res.Output = req.Args
	}
	return res, nil
}

// returns answers with a fixed result.
func returns(output string) script {
	return func(context.Context, invocation.Request, func(invocation.Event) error) (invocation.Result, error) {
		return invocation.Result{Output: json.RawMessage(output), Start: invocation.Hot}, nil
	}
}

// fails ends with an error.
func fails(err error) script {
	return func(context.Context, invocation.Request, func(invocation.Event) error) (invocation.Result, error) {
		return invocation.Result{}, err
	}
}

// yields sends the items as chunks.
func yields(items ...string) script {
	return func(_ context.Context, _ invocation.Request, emit func(invocation.Event) error) (invocation.Result, error) {
		for _, item := range items {
			if err := emit(invocation.Event{Kind: invocation.Chunk, Data: json.RawMessage(item)}); err != nil {
				return invocation.Result{}, err
			}
		}
		return invocation.Result{Streams: true, Chunks: len(items), Start: invocation.Hot}, nil
	}
}

// blocks tells that it began and waits for the end of ctx.
func blocks(began chan<- struct{}) script {
	return func(ctx context.Context, _ invocation.Request, _ func(invocation.Event) error) (invocation.Result, error) {
		began <- struct{}{}
		<-ctx.Done()
		return invocation.Result{}, fmt.Errorf("wait: %w", ctx.Err())
	}
}

type fakeAgents struct {
	mu   sync.Mutex
	list []Description
}

func newFakeAgents() *fakeAgents {
	return &fakeAgents{list: []Description{{
		Agent: &agent.Agent{ID: agentID, Name: "Echo", Slug: "echo", Manifest: &agent.Manifest{
			AgentName: "Echo", Framework: "default", Version: "1.0.0", Description: "Says it back",
			Entrypoints: []agent.Entrypoint{
				{Tag: "main", File: "main.py", Module: "run", Extractor: map[string]string{"text": "$.text"}},
				{Tag: "words_stream", File: "main.py", Module: "words"}},
			EnvVars: map[string]string{"API_KEY": "secret-value"},
			Raw:     []byte(`{"agent_name":"Echo","env_vars":{"API_KEY":"secret-value"},"version":"1.0.0"}`),
		}},
		Revision: "r1",
		Callables: []agent.Callable{
			{Tag: "main", Type: agent.Generic, File: "main.py", Module: "run", Signature: "run(person: Person)", Description: "Greets.",
				InputSchema: json.RawMessage(`{"type":"object","properties":{"person":{"$ref":"#/$defs/Person"}},"required":["person"],
					"$defs":{"Person":{"type":"object","properties":{"friend":{"$ref":"#/$defs/Person"}}}}}`),
				OutputSchema: json.RawMessage(`{"type":"string"}`)},
			{Tag: "words_stream", Type: agent.GenericStream, Streams: true, File: "main.py", Module: "words"},
		},
		Checks: []api.Check{{Name: "code", Status: api.Healthy}},
	}}}
}

func (a *fakeAgents) List(context.Context) ([]Description, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]Description(nil), a.list...), nil
}

func (a *fakeAgents) Describe(_ context.Context, ref string) (*Description, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for i := range a.list {
		if a.list[i].Agent.Is(ref) {
			d := a.list[i]
			return &d, nil
		}
	}
	return nil, fault.New(fault.AgentNotFound, "agent %q does not exist; there is echo", ref)
}

// setChecks replaces the checks of the agent.
func (a *fakeAgents) setChecks(checks ...api.Check) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.list[0].Checks = checks
}

type fakeHistory struct {
	records []invocation.Record
	filter  invocation.Filter
}

func (h *fakeHistory) Invocation(_ context.Context, id string) (*invocation.Record, error) {
	for i := range h.records {
		if h.records[i].ID == id {
			return &h.records[i], nil
		}
	}
	return nil, fault.New(fault.NotFound, "invocation %q does not exist", id)
}

func (h *fakeHistory) Invocations(_ context.Context, f invocation.Filter) ([]invocation.Record, string, error) {
	h.filter = f
	return h.records, "next-page", nil
}

func (h *fakeHistory) Stats(context.Context, string) (invocation.Stats, error) {
	return invocation.Stats{Total: 10, Succeeded: 6, Failed: 2, Canceled: 1, TimedOut: 1, AvgDuration: 250 * time.Millisecond}, nil
}

type fakeLogs struct {
	lines []invocation.LogLine
	query LogQuery
}

func (l *fakeLogs) Tail(_ context.Context, q LogQuery) ([]invocation.LogLine, error) {
	l.query = q
	return l.lines, nil
}

func (l *fakeLogs) Follow(ctx context.Context, q LogQuery, emit func(invocation.LogLine) error) error {
	l.query = q
	for _, line := range l.lines {
		if err := emit(line); err != nil {
			return err
		}
	}
	<-ctx.Done()
	return ctx.Err()
}
