package server

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/runagent/runagent/api"
	"github.com/runagent/runagent/internal/fault"
	"github.com/runagent/runagent/internal/invocation"
	"github.com/runagent/runagent/internal/server/door"
)

// get reads a route into v.
func get[T any](fx *fixture, path string) T {
	fx.t.Helper()
	a := fx.do(http.MethodGet, path, "")
	var v T
	if err := json.Unmarshal(a.body, &v); err != nil || a.StatusCode != http.StatusOK {
		fx.t.Fatalf("GET %s: %d, %v: %s", path, a.StatusCode, err, a.body)
	}
	return v
}

func someRecords() []invocation.Record {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	return []invocation.Record{
		{ID: invocationID, AgentID: agentID, Entrypoint: "main", Status: invocation.Succeeded, Attempt: 1, CreatedAt: at, FinishedAt: at.Add(time.Second),
			Input: invocation.Payload{JSON: []byte(`{"kwargs":{"x":1}}`), Size: 18}, Timings: invocation.Timings{Total: time.Second},
			Output: invocation.Payload{JSON: []byte("\"é\xc3"), Size: 99_999, Digest: "xxh64:0123456789abcdef", Truncated: true}, Client: `127.0.0.1 "c"`, SDKType: "python"},
		{ID: "b", AgentID: agentID, Entrypoint: "main", Status: invocation.FailedS, CreatedAt: at.Add(time.Hour), FinishedAt: at.Add(time.Hour),
			Error: []byte(`{"code":"EXECUTION_ERROR","message":"ValueError: no"}`)},
		{ID: "c", AgentID: agentID, Entrypoint: "main", Status: invocation.Running, CreatedAt: at},
	}
}

func TestAgents(t *testing.T) {
	t.Parallel()
	fx := newFixture(t, nil)
	list := get[api.AgentList](fx, "/v1/agents")
	if len(list.Agents) != 1 || list.Agents[0].ID != agentID {
		t.Errorf("agents: %+v", list)
	}
	for _, ref := range []string{"echo", "Echo", agentID} {
		a := get[api.Agent](fx, "/v1/agents/"+ref)
		if a.Name != "Echo" || a.Status != "healthy" || len(a.Entrypoints) != 2 || !a.Entrypoints[1].Streams || len(a.Entrypoints[0].InputSchema) == 0 {
			t.Errorf("%s: %+v", ref, a)
		}
	}
	fx.wantError(fx.do(http.MethodGet, "/v1/agents/nobody", ""), fault.AgentNotFound)
}

func TestHealth(t *testing.T) {
	t.Parallel()
	records := api.Check{Name: "records", Status: api.Healthy}
	fx := newFixture(t, func(o *Options) {
		o.Checks = func(ctx context.Context) []api.Check { return []api.Check{records} }
	})
	if h := get[api.Health](fx, "/health"); h.Status != "healthy" || len(h.Checks) != 2 || h.Checks[1].Name != "echo/code" || h.Version != "1.2.3" {
		t.Errorf("health: %+v", h)
	}
	fx.agents.setChecks(api.Check{Name: "code", Status: api.Degraded, Message: "SyntaxError", File: "main.py", Line: 3})
	for _, path := range []string{"/health", "/v1/agents/echo/health"} {
		h := get[api.Health](fx, path)
		last := h.Checks[len(h.Checks)-1]
		if h.Status != "degraded" || last.File != "main.py" || last.Line != 3 {
			t.Errorf("%s: %+v", path, h)
		}
	}
	get[api.Health](fx, "/health/ready") // degraded is ready
	if h := get[api.CompatHealth](fx, "/api/v1/health"); h.Status != "degraded" || h.AgentID != agentID || h.Framework != "default" {
		t.Errorf("compat: %+v", h)
	}
	fx.agents.setChecks(api.Check{Name: "code", Status: api.Unhealthy})
	for path, want := range map[string]int{"/health": 503, "/v1/agents/echo/health": 503, "/health/ready": 503, "/health/live": 200, "/api/v1/health": 200} {
		if a := fx.do(http.MethodGet, path, ""); a.StatusCode != want {
			t.Errorf("%s of an unhealthy agent: %d, want %d", path, a.StatusCode, want)
		}
	}
}

func TestInvocations(t *testing.T) {
	t.Parallel()
	fx := newFixture(t, nil)
	fx.history.records = someRecords()
	list := get[api.InvocationList](fx, "/v1/invocations?agent=echo&status=failed&entrypoint=main&limit=7&cursor=abc&since=2026-01-01T00:00:00%2B01:00")
	f := fx.history.filter
	if f.AgentID != agentID || f.Status != invocation.FailedS || f.Entrypoint != "main" || f.Limit != 7 || f.Cursor != "abc" ||
		!f.Since.Equal(time.Date(2025, 12, 31, 23, 0, 0, 0, time.UTC)) {
		t.Errorf("filter is %+v", f)
	}
	if len(list.Invocations) != 3 || list.NextCursor != "next-page" {
		t.Fatalf("list: %+v", list)
	}
	done, failed, running := list.Invocations[0], list.Invocations[1], list.Invocations[2]
	if string(done.Input.JSON) != `{"kwargs":{"x":1}}` || done.Output.Prefix != `"é` || !done.Output.Truncated || done.Timings.Total != 1000 {
		t.Errorf("done: %+v %+v", done.Input, done.Output)
	}
	if failed.Error == nil || failed.Error.Code != "EXECUTION_ERROR" || running.FinishedAt != nil || running.Timings != nil {
		t.Errorf("failed %+v, running %+v", failed, running)
	}
	if one := get[api.Invocation](fx, "/v1/invocations/b"); one.Status != "failed" {
		t.Errorf("one: %+v", one)
	}
	for _, bad := range []string{"limit=0", "limit=x", "limit=1001", "status=pending", "since=yesterday", "statsu=failed"} {
		fx.wantError(fx.do(http.MethodGet, "/v1/invocations?"+bad, ""), fault.Validation)
	}
	fx.wantError(fx.do(http.MethodGet, "/v1/invocations/nothing", ""), fault.NotFound)
}

func TestCancel(t *testing.T) {
	t.Parallel()
	fx := newFixture(t, nil)
	fx.history.records = someRecords()
	a := fx.do(http.MethodPost, "/v1/invocations/"+invocationID+"/cancel", "")
	if a.StatusCode != http.StatusOK || !strings.Contains(string(a.body), `"canceled"`) {
		t.Errorf("cancel: %d %s", a.StatusCode, a.body)
	}
	fx.wantError(fx.do(http.MethodPost, "/v1/invocations/b/cancel", ""), fault.Conflict)
	fx.wantError(fx.do(http.MethodPost, "/v1/invocations/nothing/cancel", ""), fault.NotFound)
}

func TestLogs(t *testing.T) {
	t.Parallel()
	fx := newFixture(t, nil)
	fx.logs.lines = []invocation.LogLine{{Text: "one", Stream: "stdout"}, {Text: "two", Stream: "stderr"}}
	list := get[api.LogList](fx, "/v1/agents/echo/logs?limit=5&invocation=i")
	if len(list.Logs) != 2 || list.Logs[1].Text != "two" || fx.logs.query != (LogQuery{AgentID: agentID, InvocationID: "i", Limit: 5}) {
		t.Errorf("logs %+v by %+v", list, fx.logs.query)
	}
	fx.wantError(fx.do(http.MethodGet, "/v1/agents/echo/logs?follow=maybe", ""), fault.Validation)
	lines := bufio.NewScanner(fx.followLogs())
	var got []string
	for len(got) < 2 && lines.Scan() {
		if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
			got = append(got, data)
		}
	}
	if len(got) != 2 || !strings.Contains(got[0], `"text":"one"`) {
		t.Errorf("followed %v", got)
	}
}

func TestCompatReads(t *testing.T) {
	t.Parallel()
	fx := newFixture(t, nil)
	fx.history.records = someRecords()
	env := get[api.CompatEnvelope](fx, "/api/v1/agents/"+agentID+"/architecture")
	var arch api.CompatArchitecture
	if err := json.Unmarshal(env.Data, &arch); err != nil || len(arch.Entrypoints) != 2 || arch.Entrypoints[0].Extractor["text"] != "$.text" {
		t.Errorf("architecture: %s %v", env.Data, err)
	}
	list := get[api.CompatInvocationList](fx, "/api/v1/agents/"+agentID+"/invocations?limit=2")
	if list.TotalCount != 2 || list.Invocations[0].InvocationID != "b" || *list.Invocations[0].ErrorDetail != "ValueError: no" ||
		list.Invocations[1].Status != "completed" || *list.Invocations[1].ExecutionTimeMS != 1000 {
		t.Errorf("list: %+v", list)
	}
	fx.do(http.MethodGet, "/api/v1/agents/"+agentID+"/invocations?status=completed", "")
	if fx.history.filter.Status != invocation.Succeeded {
		t.Errorf("completed asks for %q", fx.history.filter.Status)
	}
	stats := get[api.CompatStats](fx, "/api/v1/agents/"+agentID+"/invocations/stats")
	if stats.Stats.Failed != 4 || stats.Stats.SuccessRate != 60 || stats.Stats.AvgMS != 250 {
		t.Errorf("stats: %+v", stats)
	}
	if one := get[api.CompatInvocation](fx, "/api/v1/invocations/c"); one.Status != "pending" || one.ResponseTimestamp != nil {
		t.Errorf("one: %+v", one)
	}
	a := fx.do(http.MethodGet, "/api/v1", "")
	info := get[api.CompatInfo](fx, "/api/v1/")
	if strings.Contains(string(a.body), "secret-value") || info.Port == 0 || info.Host != "127.0.0.1" || !strings.Contains(info.Message, "Echo") {
		t.Errorf("info: %s", a.body)
	}
	for _, path := range []string{"/api/v1/agents/nobody/architecture", "/api/v1/invocations/nothing", "/api/v1/agents/nobody/invocations"} {
		if a := fx.do(http.MethodGet, path, ""); a.StatusCode != http.StatusNotFound || !strings.Contains(string(a.body), `"detail":`) {
			t.Errorf("%s: %d %s", path, a.StatusCode, a.body)
		}
	}
}

func TestUnknownRoutes(t *testing.T) {
	t.Parallel()
	fx := newFixture(t, nil)
	fx.wantError(fx.do(http.MethodGet, "/nothing", ""), fault.NotFound)
	fx.wantError(fx.do(http.MethodGet, "/v1/agents/echo/nothing", ""), fault.NotFound)
	a := fx.do(http.MethodGet, "/v1/agents/echo/invoke", "")
	fx.wantError(a, fault.MethodNotAllowed)
	if a.Header.Get("Allow") != "POST, OPTIONS" {
		t.Errorf("Allow is %q", a.Header.Get("Allow"))
	}
	if o := fx.do(http.MethodOptions, "/v1/agents", ""); o.StatusCode != http.StatusNoContent || o.Header.Get("Allow") != "GET, HEAD, OPTIONS" {
		t.Errorf("OPTIONS: %d %v", o.StatusCode, o.Header)
	}
	for _, path := range []string{"/v1/agents/echo/batch", "/v1/invocations/x/replay"} {
		fx.wantError(fx.do(http.MethodPost, path, "{}"), fault.NotImplemented)
	}
	fx.wantError(fx.do(http.MethodGet, "/v1/invocations/x/events", ""), fault.NotImplemented)
}

func TestRequestID(t *testing.T) {
	t.Parallel()
	fx := newFixture(t, nil)
	for sent, kept := range map[string]bool{"abc-123_x.y:z": true, "": false, "has space": false, strings.Repeat("x", 129): false} {
		got := fx.do(http.MethodGet, "/health/live", "", "X-Request-Id", sent).Header.Get("X-Request-Id")
		if (got == sent) != kept || got == "" {
			t.Errorf("sent %q, got %q", sent, got)
		}
		if !kept && len(got) != 36 {
			t.Errorf("%q is no UUID", got)
		}
	}
	if one, other := door.NewRequestID(), door.NewRequestID(); one == other {
		t.Error("two request IDs are the same")
	}
}
