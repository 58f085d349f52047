package telemetry

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/runagent/runagent/internal/invocation"
)

// kept notes the records that were handed on.
type kept struct{ started, finished int }

func (k *kept) Started(invocation.Record)  { k.started++ }
func (k *kept) Finished(invocation.Record) { k.finished++ }

func scrape(t *testing.T, m *Metrics) string {
	t.Helper()
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if w.Code != 200 {
		t.Fatalf("%d: %s", w.Code, w.Body)
	}
	return w.Body.String()
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	m := New(Options{
		Version: "1.2.3", Name: func(id string) string { return "name-" + id },
		Gauges: func() Gauges {
			return Gauges{InFlight: 1, Waiting: 2, Hot: 3, Warm: 4, Cold: 5, Instances: 6, Zygotes: 7, Frozen: 8, MemoryUsed: 9, MemoryLimit: 10}
		},
	})
	var k kept
	r := m.Record(&k)
	for _, rec := range []invocation.Record{
		{AgentID: "a", Status: invocation.Succeeded, Timings: invocation.Timings{Total: 3 * time.Millisecond}},
		{AgentID: "a", Status: invocation.FailedS, Error: []byte(`{"code":"EXECUTION_ERROR"}`), Timings: invocation.Timings{Total: 20 * time.Millisecond}},
		{AgentID: "a", Status: invocation.FailedS, Error: []byte(`{"code":"EXECUTION_ERROR"}`), Timings: invocation.Timings{Total: time.Hour}},
		{AgentID: "b", Status: invocation.TimedOut, Error: []byte(`{"code":"TIMEOUT_ERROR"}`)},
	} {
		r.Started(rec)
		r.Finished(rec)
	}
	if k.started != 4 || k.finished != 4 {
		t.Errorf("%+v were handed on", k)
	}
	m.Started(invocation.Warm, 20*time.Millisecond, nil)
	m.Started(invocation.Cold, time.Second, nil)
	m.Started("", time.Second, errors.New("it ended"))
	m.Built(2*time.Second, nil)
	m.Built(time.Second, errors.New("no such package"))
	text := scrape(t, m)
	for _, line := range []string{
		`runagent_invocations_total{agent="name-a",status="succeeded"} 1`,
		`runagent_invocations_total{agent="name-a",status="failed"} 2`,
		`runagent_invocations_total{agent="name-a",status="canceled"} 0`,
		`runagent_invocations_total{agent="name-b",status="timed_out"} 1`,
		`runagent_invocation_errors_total{agent="name-a",code="EXECUTION_ERROR"} 2`,
		`runagent_invocation_errors_total{agent="name-b",code="TIMEOUT_ERROR"} 1`,
		`runagent_invocation_duration_seconds_bucket{agent="name-a",le="0.005"} 1`,
		`runagent_invocation_duration_seconds_bucket{agent="name-a",le="0.025"} 2`,
		`runagent_invocation_duration_seconds_count{agent="name-a"} 3`,
		`runagent_instance_start_duration_seconds_count{kind="warm"} 1`,
		`runagent_instance_start_duration_seconds_count{kind="cold"} 1`,
		`runagent_instance_start_failures_total 1`,
		`runagent_build_duration_seconds_count{result="ready"} 1`,
		`runagent_build_duration_seconds_count{result="failed"} 1`,
		`runagent_invocations_in_flight 1`, `runagent_invocations_waiting 2`,
		`runagent_agents{tier="hot"} 3`, `runagent_agents{tier="warm"} 4`, `runagent_agents{tier="cold"} 5`,
		`runagent_instances 6`, `runagent_zygotes 7`, `runagent_zygotes_frozen 8`,
		`runagent_agents_memory_bytes 9`, `runagent_agents_memory_limit_bytes 10`,
		`runagent_info{version="1.2.3"} 1`,
	} {
		if !strings.Contains(text, line+"\n") {
			t.Errorf("no line %q", line)
		}
	}
	m.Forget("a")
	if text = scrape(t, m); strings.Contains(text, "name-a") || !strings.Contains(text, "name-b") {
		t.Error("a deleted agent is counted, or another one is not")
	}
}

func BenchmarkFinished(b *testing.B) {
	m := New(Options{Name: func(id string) string { return id }, Gauges: func() Gauges { return Gauges{} }})
	r := m.Record(&kept{})
	rec := invocation.Record{AgentID: "a", Status: invocation.Succeeded, Timings: invocation.Timings{Total: time.Millisecond}}
	b.ReportAllocs()
	for b.Loop() {
		r.Finished(rec)
	}
}
