package telemetry

import "github.com/prometheus/client_golang/prometheus"

// Gauges is how a platform is at one moment.
type Gauges struct {
	// InFlight calls are running, Waiting ones wait for a slot or for their agent
	// to wake.
	InFlight, Waiting int
	// Hot, Warm and Cold are agents by tier; Instances are those of the hot ones.
	Hot, Warm, Cold, Instances int
	// Zygotes there are, Frozen of them frozen.
	Zygotes, Frozen int
	// MemoryUsed is what agents take, MemoryLimit what they may.
	MemoryUsed, MemoryLimit int64
}

// gaugeCollector reads gauges when it is asked.
type gaugeCollector struct {
	read  func() Gauges
	plain []gauge
	tiers *prometheus.Desc
}

type gauge struct {
	desc  *prometheus.Desc
	value func(*Gauges) float64
}

func newGaugeCollector(read func() Gauges) *gaugeCollector {
	c := &gaugeCollector{read: read, tiers: prometheus.NewDesc("runagent_agents", "Agents that can be called, by tier of readiness.", []string{"tier"}, nil)}
	add := func(name, help string, value func(*Gauges) float64) {
		c.plain = append(c.plain, gauge{prometheus.NewDesc(name, help, nil, nil), value})
	}
	add("runagent_invocations_in_flight", "Invocations that run.", func(g *Gauges) float64 { return float64(g.InFlight) })
	add("runagent_invocations_waiting", "Invocations that wait for a slot, or for their agent to wake.", func(g *Gauges) float64 { return float64(g.Waiting) })
	add("runagent_instances", "Instances that live.", func(g *Gauges) float64 { return float64(g.Instances) })
	add("runagent_zygotes", "Zygotes that live.", func(g *Gauges) float64 { return float64(g.Zygotes) })
	add("runagent_zygotes_frozen", "Zygotes that are frozen.", func(g *Gauges) float64 { return float64(g.Frozen) })
	add("runagent_agents_memory_bytes", "What all processes of agents take.", func(g *Gauges) float64 { return float64(g.MemoryUsed) })
	add("runagent_agents_memory_limit_bytes", "What they may take.", func(g *Gauges) float64 { return float64(g.MemoryLimit) })
	return c
}

// Describe implements prometheus.Collector.
func (c *gaugeCollector) Describe(out chan<- *prometheus.Desc) {
	out <- c.tiers
	for _, g := range c.plain {
		out <- g.desc
	}
}

// Collect implements prometheus.Collector.
func (c *gaugeCollector) Collect(out chan<- prometheus.Metric) {
	now := c.read()
	for tier, n := range map[string]int{"hot": now.Hot, "warm": now.Warm, "cold": now.Cold} {
		out <- prometheus.MustNewConstMetric(c.tiers, prometheus.GaugeValue, float64(n), tier)
	}
	for _, g := range c.plain {
		out <- prometheus.MustNewConstMetric(g.desc, prometheus.GaugeValue, g.value(&now))
	}
}

var _ prometheus.Collector = (*gaugeCollector)(nil)
