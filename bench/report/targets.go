package report

import (
	"fmt"
	"strings"

	"github.com/runagent/runagent/bench/peer"
)

// Target is one thing to reach: a figure of a row beside the same of another
// row in the same rounds, or beside a number.
type Target struct {
	Workload, Metric string
	Row              string
	// AtLeast or AtMost is the bound, on the ratio to Other or, without Other,
	// on the figure itself. One of them is set.
	AtLeast, AtMost float64
	Other           string
	// Plus is added to the other's figure: at most Other + Plus.
	Plus float64
}

// Targets returns what RunAgent is to reach on two cores with everything on.
func Targets() []Target {
	const us = peer.RunAgent
	return []Target{
		{Workload: "echo16", Metric: "rate", Row: us, AtLeast: 150, Other: peer.Original},
		{Workload: "echo16", Metric: "rate", Row: us, AtLeast: 4, Other: peer.FastAPISync},
		{Workload: "echo16", Metric: "rate", Row: us, AtLeast: 2, Other: peer.FastAPIAsync},
		{Workload: "echo16", Metric: "rate", Row: us, AtLeast: 0.75, Other: peer.Limit},
		{Workload: "echo1", Metric: "p50_ms", Row: us, AtMost: 1.25, Other: peer.Limit},
		{Workload: "echo1", Metric: "p50_ms", Row: us, AtMost: 0.6, Other: peer.FastAPISync},
		{Workload: "echo1", Metric: "p50_ms", Row: us, AtMost: 1.3, Other: peer.FastAPIAsync},
		{Workload: "echo64", Metric: "p99_ms", Row: us, AtMost: 1, Other: anyPeer},
		{Workload: "echo16", Metric: "cpu_us", Row: us, AtMost: 1.4, Other: peer.Limit},
		{Workload: "stream", Metric: "chunks", Row: us, AtLeast: 15, Other: peer.FastAPISync},
		{Workload: "stream", Metric: "chunks", Row: us, AtLeast: 3, Other: peer.FastAPIAsync},
		{Workload: "stream", Metric: "chunks", Row: us, AtLeast: 0.5, Other: peer.Limit},
		{Workload: "ws_stream", Metric: "chunks", Row: peer.RunAgentCompat, AtLeast: 25, Other: peer.Original},
		{Workload: "first_chunk", Metric: "first_p99_ms", Row: us, Other: peer.Limit, Plus: 2},
		{Workload: "big", Metric: "rate", Row: us, AtLeast: 1.5, Other: peer.FastAPISync},
		{Workload: "big", Metric: "rate", Row: us, AtLeast: 0.95, Other: peer.FastAPIAsync},
		{Workload: "big", Metric: "rate", Row: peer.RunAgentTwo, AtLeast: 0.95, Other: peer.FastAPISyncTwo},
		{Workload: "big", Metric: "rate", Row: peer.RunAgentTwo, AtLeast: 0.95, Other: peer.FastAPIAsyncTwo},
		{Workload: "sleep", Metric: "rate", Row: us, AtLeast: 0.97 * 640},
		{Workload: "asleep", Metric: "rate", Row: us, AtLeast: 0.97 * 2560},
		{Workload: "cpu", Metric: "rate", Row: peer.RunAgentTwo, AtLeast: 1, Other: peer.FastAPISyncTwo},
		{Workload: "cpu", Metric: "rate", Row: peer.RunAgentTwo, AtLeast: 1, Other: peer.FastAPIAsyncTwo},
		{Workload: "mixed", Metric: "times_alone", Row: us, AtMost: 2},
		{Workload: "abandon", Metric: "closed_ms", Row: us, AtMost: 50},
		{Workload: "start", Metric: "seconds", Row: us, AtMost: 0.25},
		{Workload: "reload", Metric: "seconds", Row: us, AtMost: 0.2},
		{Workload: peer.Records, Metric: "missing", Row: us, AtMost: 0.5},
		{Workload: "memory", Metric: "idle_mib", Row: us, AtMost: 45},
		{Workload: "memory", Metric: "idle_mib", Row: peer.RunAgentTwo, Other: us, Plus: 3},
	}
}

// anyPeer stands for the best of the servers that are neither ours nor limits.
const anyPeer = "every peer"

// ours tells RunAgent's rows and the two yardsticks from peers.
func ours(row string) bool {
	return strings.HasPrefix(row, peer.RunAgent) || row == peer.Limit || row == peer.Floor
}

// Verdict is a target and what was measured.
type Verdict struct {
	Target Target
	// Known is false when a row it needs has no figures.
	Known bool
	Got   float64
	Met   bool
}

// Judge measures the results by the targets.
func (r *Results) Judge(targets []Target) []Verdict {
	verdicts := make([]Verdict, len(targets))
	for i, t := range targets {
		v := Verdict{Target: t}
		v.Got, v.Known = r.got(t)
		switch {
		case !v.Known:
		case t.AtLeast > 0:
			v.Met = v.Got >= t.AtLeast
		case t.AtMost > 0:
			v.Met = v.Got <= t.AtMost && v.Got >= 0
		default:
			v.Met = v.Got <= t.Plus
		}
		verdicts[i] = v
	}
	return verdicts
}

// got returns the figure that t bounds.
func (r *Results) got(t Target) (float64, bool) {
	switch {
	case t.Other == "":
		return r.Cell(t.Row, t.Workload).Median(t.Metric)
	case t.Other == anyPeer:
		return r.worst(t)
	case t.Plus != 0:
		a, okA := r.Cell(t.Row, t.Workload).Median(t.Metric)
		b, okB := r.Cell(t.Other, t.Workload).Median(t.Metric)
		return a - b, okA && okB
	}
	return r.Ratio(t.Row, t.Other, t.Workload, t.Metric)
}

// worst returns the highest ratio to any peer.
func (r *Results) worst(t Target) (worst float64, known bool) {
	for _, row := range r.Rows {
		if ours(row.Name) {
			continue
		}
		if ratio, ok := r.Ratio(t.Row, row.Name, t.Workload, t.Metric); ok {
			worst, known = max(worst, ratio), true
		}
	}
	return worst, known
}

// String says a verdict in a line.
func (v Verdict) String() string {
	t := v.Target
	what := fmt.Sprintf("%s %s, %s", t.Workload, t.Metric, t.Row)
	var bound string
	switch {
	case t.AtLeast > 0 && t.Other != "":
		bound = fmt.Sprintf("at least %.4g × %s", t.AtLeast, t.Other)
	case t.AtLeast > 0:
		bound = fmt.Sprintf("at least %.4g", t.AtLeast)
	case t.AtMost > 0 && t.Other != "":
		bound = fmt.Sprintf("at most %.4g × %s", t.AtMost, t.Other)
	case t.AtMost > 0:
		bound = fmt.Sprintf("at most %.4g", t.AtMost)
	default:
		bound = fmt.Sprintf("at most %s + %.4g", t.Other, t.Plus)
	}
	got := "not measured"
	if v.Known {
		got = fmt.Sprintf("%.4g", v.Got)
	}
	word := "missed"
	switch {
	case !v.Known:
		word = "unknown"
	case v.Met:
		word = "met"
	}
	return fmt.Sprintf("%-7s  %s: %s; got %s", word, what, bound, got)
}
