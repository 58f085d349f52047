// Package telemetry says in numbers how a platform fares: counters that cost
// the way of a call next to nothing, and gauges that are read when they are
// asked for.
package telemetry

import (
	"encoding/json"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/runagent/runagent/internal/invocation"
)

// The bounds of histograms, in seconds.
var (
	callBounds  = []float64{0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300}
	startBounds = []float64{0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 120}
	buildBounds = []float64{0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600}
)

// scrapeLimit is how many may ask at the same time.
const scrapeLimit = 4

// Options configures Metrics.
type Options struct {
	// Version is the program's.
	Version string
	// Gauges reads what is so just now.
	Gauges func() Gauges
	// Name is what an agent is called in labels.
	Name func(agentID string) string
}

// Metrics counts. It is safe for concurrent use.
type Metrics struct {
	o      Options
	reg    *prometheus.Registry
	calls  *prometheus.CounterVec
	errors *prometheus.CounterVec
	took   *prometheus.HistogramVec
	starts *prometheus.HistogramVec
	failed prometheus.Counter
	builds *prometheus.HistogramVec

	agents sync.Map // agent ID → *agentMetrics
}

// agentMetrics are the counters of one agent, found without its labels.
type agentMetrics struct {
	name  string
	ended map[invocation.Status]prometheus.Counter
	took  prometheus.Observer
}

// New returns Metrics at zero.
func New(o Options) *Metrics {
	m := &Metrics{o: o, reg: prometheus.NewRegistry()}
	counters := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	}
	histogram := func(name, help string, bounds []float64, labels ...string) *prometheus.HistogramVec {
		return prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help, Buckets: bounds}, labels)
	}
	m.calls = counters("runagent_invocations_total", "Invocations that have ended, by how.", "agent", "status")
	m.errors = counters("runagent_invocation_errors_total", "Invocations that have ended with an error, by its code.", "agent", "code")
	m.took = histogram("runagent_invocation_duration_seconds", "How long invocations took, waiting included.", callBounds, "agent")
	m.starts = histogram("runagent_instance_start_duration_seconds", "How long instances took to be ready: warm ones are forked from a zygote.", startBounds, "kind")
	m.builds = histogram("runagent_build_duration_seconds", "How long environments took that were built, by how that ended.", buildBounds, "result")
	m.failed = prometheus.NewCounter(prometheus.CounterOpts{Name: "runagent_instance_start_failures_total", Help: "Instances that did not become ready."})
	info := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "runagent_info", Help: "The program, as a label.", ConstLabels: prometheus.Labels{"version": o.Version},
	})
	info.Set(1)
	m.reg.MustRegister(m.calls, m.errors, m.took, m.starts, m.failed, m.builds, info, newGaugeCollector(o.Gauges),
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// Handler answers scrapes.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.reg, promhttp.HandlerOpts{MaxRequestsInFlight: scrapeLimit})
}

// Record returns a Recorder that counts what it hands on to next.
func (m *Metrics) Record(next invocation.Recorder) invocation.Recorder { return recorder{next, m} }

type recorder struct {
	invocation.Recorder
	m *Metrics
}

// Finished implements invocation.Recorder.
func (r recorder) Finished(rec invocation.Record) {
	r.m.ended(&rec)
	r.Recorder.Finished(rec)
}

func (m *Metrics) ended(rec *invocation.Record) {
	a := m.agent(rec.AgentID)
	if c := a.ended[rec.Status]; c != nil {
		c.Inc()
	}
	a.took.Observe(rec.Timings.Total.Seconds())
	if len(rec.Error) == 0 {
		return
	}
	var e struct {
		Code string `json:"code"`
	}
	if json.Unmarshal(rec.Error, &e) == nil && e.Code != "" {
		m.errors.WithLabelValues(a.name, e.Code).Inc()
	}
}

// agent returns the counters of an agent, made when it is first called.
func (m *Metrics) agent(id string) *agentMetrics {
	if v, ok := m.agents.Load(id); ok {
		return v.(*agentMetrics)
	}
	name := m.o.Name(id)
	a := &agentMetrics{name: name, took: m.took.WithLabelValues(name), ended: map[invocation.Status]prometheus.Counter{}}
	for _, status := range []invocation.Status{invocation.Succeeded, invocation.FailedS, invocation.CanceledS, invocation.TimedOut} {
		a.ended[status] = m.calls.WithLabelValues(name, string(status))
	}
	v, _ := m.agents.LoadOrStore(id, a)
	return v.(*agentMetrics)
}

// Forget drops the counters of an agent that was deleted.
func (m *Metrics) Forget(agentID string) {
	v, ok := m.agents.LoadAndDelete(agentID)
	if !ok {
		return
	}
	labels := prometheus.Labels{"agent": v.(*agentMetrics).name}
	m.calls.DeletePartialMatch(labels)
	m.errors.DeletePartialMatch(labels)
	m.took.DeletePartialMatch(labels)
}

// Started counts an instance that has become ready, or has not.
func (m *Metrics) Started(kind invocation.StartKind, took time.Duration, err error) {
	if err != nil {
		m.failed.Inc()
		return
	}
	m.starts.WithLabelValues(string(kind)).Observe(took.Seconds())
}

// Built counts an environment that was built, or could not be.
func (m *Metrics) Built(took time.Duration, err error) {
	result := "ready"
	if err != nil {
		result = "failed"
	}
	m.builds.WithLabelValues(result).Observe(took.Seconds())
}
