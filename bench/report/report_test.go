package report

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/runagent/runagent/bench/peer"
	"github.com/runagent/runagent/bench/trial"
)

func cell(metric string, values ...float64) *Cell {
	c := &Cell{}
	for _, v := range values {
		c.Rounds = append(c.Rounds, trial.Metrics{metric: v})
	}
	return c
}

// results has two rows whose rounds lie far apart, though not beside each other.
func results() *Results {
	return &Results{Date: "2026-01-01", Set: "short", Rows: []*Row{
		{Name: peer.RunAgent, Cells: map[string]*Cell{
			"echo16": cell("rate", 300, 30, 3000), "echo64": cell("p99_ms", 2, 2, 2), "abandon": cell("closed_ms", -1),
			"memory": cell("idle_mib", 40),
		}},
		{Name: peer.RunAgentTwo, Cells: map[string]*Cell{"memory": cell("idle_mib", 42)}},
		{Name: peer.FastAPISync, Cells: map[string]*Cell{
			"echo16": cell("rate", 100, 10, 1000), "echo64": cell("p99_ms", 4, 4, 4), "reload": {Why: "it can't"},
		}},
		{Name: peer.FastAPIAsync, Cells: map[string]*Cell{"echo64": cell("p99_ms", 1, 1, 1)}},
		{Name: peer.Limit, Cells: map[string]*Cell{"echo64": cell("p99_ms", 0.1, 0.1, 0.1)}},
	}}
}

func TestRatioIsOfTheSameRound(t *testing.T) {
	t.Parallel()
	r := results()
	if got, ok := r.Ratio(peer.RunAgent, peer.FastAPISync, "echo16", "rate"); !ok || got != 3 {
		t.Errorf("Ratio = %v, %v; want 3", got, ok)
	}
	if _, ok := r.Ratio(peer.RunAgent, "nobody", "echo16", "rate"); ok {
		t.Error("there is a ratio to a row that does not exist")
	}
}

func TestMedian(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		values []float64
		want   float64
	}{{[]float64{3}, 3}, {[]float64{9, 1, 3}, 3}, {[]float64{4, 1, 3, 2}, 2.5}} {
		if got, ok := median(c.values); !ok || got != c.want {
			t.Errorf("median(%v) = %v, %v; want %v", c.values, got, ok, c.want)
		}
	}
	if _, ok := median(nil); ok {
		t.Error("nothing has a median")
	}
}

func TestJudge(t *testing.T) {
	t.Parallel()
	r := results()
	for name, c := range map[string]struct {
		target Target
		want   string
	}{
		"met":             {Target{Workload: "echo16", Metric: "rate", Row: peer.RunAgent, AtLeast: 3, Other: peer.FastAPISync}, "met"},
		"missed":          {Target{Workload: "echo16", Metric: "rate", Row: peer.RunAgent, AtLeast: 4, Other: peer.FastAPISync}, "missed"},
		"absolute":        {Target{Workload: "echo16", Metric: "rate", Row: peer.RunAgent, AtLeast: 301}, "missed"},
		"unknown":         {Target{Workload: "echo16", Metric: "rate", Row: peer.RunAgent, AtLeast: 4, Other: peer.Original}, "unknown"},
		"best_of_peers":   {Target{Workload: "echo64", Metric: "p99_ms", Row: peer.RunAgent, AtMost: 1, Other: anyPeer}, "missed"},
		"never_closed":    {Target{Workload: "abandon", Metric: "closed_ms", Row: peer.RunAgent, AtMost: 50}, "missed"},
		"plus_of_another": {Target{Workload: "memory", Metric: "idle_mib", Row: peer.RunAgentTwo, Other: peer.RunAgent, Plus: 3}, "met"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := r.Judge([]Target{c.target})[0].String(); !strings.HasPrefix(got, c.want+" ") {
				t.Errorf("verdict %q, want %s", got, c.want)
			}
		})
	}
}

func TestTargetsNameWhatIsMeasured(t *testing.T) {
	t.Parallel()
	workloads, rows := map[string]bool{}, map[string]bool{anyPeer: true, "": true}
	for _, w := range trial.All() {
		workloads[w.Name] = true
	}
	for _, row := range peer.Catalog() {
		rows[row.Name] = true
	}
	for _, target := range Targets() {
		if !workloads[target.Workload] || !rows[target.Row] || !rows[target.Other] {
			t.Errorf("target %+v names what there is not", target)
		}
	}
	floors, err := ReadFloors("../floors.json")
	if err != nil || len(floors) == 0 {
		t.Fatalf("ReadFloors = %v, %v", floors, err)
	}
	for _, f := range floors {
		if !workloads[f.Workload] || !rows[f.Row] || !rows[f.Other] {
			t.Errorf("floor %+v names what there is not", f)
		}
	}
}

func TestLostAllowsForNoise(t *testing.T) {
	t.Parallel()
	r := results()
	for ratio, want := range map[float64]int{3: 0, 3.9: 0, 4.1: 1} {
		floors := []Floor{{Workload: "echo16", Metric: "rate", Row: peer.RunAgent, Other: peer.FastAPISync, Ratio: ratio}}
		if got := r.Lost(floors); len(got) != want {
			t.Errorf("floor %v: lost %q, want %d", ratio, got, want)
		}
	}
	less := []Floor{{Workload: "echo64", Metric: "p99_ms", Row: peer.RunAgent, Other: peer.FastAPISync, Ratio: 0.3, Less: true}}
	if got := r.Lost(less); len(got) != 1 {
		t.Errorf("a ceiling of 0.3 let 0.5 pass: %q", got)
	}
	gone := []Floor{{Workload: "reload", Metric: "seconds", Row: peer.RunAgent, Other: peer.FastAPISync, Ratio: 1}}
	if got := r.Lost(gone); len(got) != 1 || !strings.Contains(got[0], "it can't") {
		t.Errorf("what was not measured: %q, want a line with the reason", got)
	}
}

func TestWriteSavesBoth(t *testing.T) {
	t.Parallel()
	r, base := results(), filepath.Join(t.TempDir(), "2026-01-01")
	if err := r.Write(base, trial.All()); err != nil {
		t.Fatal(err)
	}
	var back Results
	text, err := os.ReadFile(base + ".json")
	if err != nil || json.Unmarshal(text, &back) != nil || len(back.Rows) != len(r.Rows) {
		t.Errorf("the JSON reads back as %+v, %v", back, err)
	}
	table, err := os.ReadFile(base + ".md")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"| figure | runagent |", "| 300 ±495% |", "- fastapi-sync, reload: it can't", "missed"} {
		if !strings.Contains(string(table), want) {
			t.Errorf("the table lacks %q:\n%s", want, table)
		}
	}
}
