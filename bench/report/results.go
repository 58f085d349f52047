// Package report keeps what was measured, and makes the table, the ratios and
// the verdicts of it.
package report

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"

	"github.com/runagent/runagent/bench/trial"
)

// Results is one whole run, as bench/results/<date>.json has it.
type Results struct {
	Date    string   `json:"date"`
	Set     string   `json:"set"`
	Commit  string   `json:"commit"`
	Machine string   `json:"machine"`
	Window  string   `json:"window"`
	Rows    []*Row   `json:"rows"`
	Notes   []string `json:"notes,omitempty"`
	// Audited counts the calls to RunAgent's rows, each of which has its record.
	Audited int `json:"audited,omitempty"`
}

// Row is what one server gave.
type Row struct {
	Name  string           `json:"name"`
	About string           `json:"about"`
	Cells map[string]*Cell `json:"cells"` // by workload
}

// Cell is what a server gave for a workload: the figures of each round, or
// why there are none.
type Cell struct {
	Rounds []trial.Metrics `json:"rounds,omitempty"`
	Why    string          `json:"why,omitempty"`
}

// Row returns the row of that name, nil if there is none.
func (r *Results) Row(name string) *Row {
	for _, row := range r.Rows {
		if row.Name == name {
			return row
		}
	}
	return nil
}

// Cell returns the figures of a row for a workload; never nil.
func (r *Results) Cell(row, workload string) *Cell {
	if found := r.Row(row); found != nil && found.Cells[workload] != nil {
		return found.Cells[workload]
	}
	return &Cell{}
}

// Values returns a metric's values, a round each.
func (c *Cell) Values(metric string) []float64 {
	var values []float64
	for _, m := range c.Rounds {
		if v, ok := m[metric]; ok {
			values = append(values, v)
		}
	}
	return values
}

// Median returns the middle one of the rounds' values.
func (c *Cell) Median(metric string) (float64, bool) { return median(c.Values(metric)) }

func median(values []float64) (float64, bool) {
	if len(values) == 0 {
		return 0, false
	}
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2, true
}

// Ratio returns the median over the rounds of one row's figure by another's in
// the same round: what slowed the machine in a round slowed both.
func (r *Results) Ratio(row, other, workload, metric string) (float64, bool) {
	a, b := r.Cell(row, workload).Values(metric), r.Cell(other, workload).Values(metric)
	var ratios []float64
	for i := range min(len(a), len(b)) {
		if b[i] != 0 {
			ratios = append(ratios, a[i]/b[i])
		}
	}
	return median(ratios)
}

// Write saves the results as JSON and as a table.
func (r *Results) Write(base string, workloads []*trial.Workload) error {
	text, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(base+".json", append(text, '\n'), 0o644); err != nil {
		return fmt.Errorf("save results: %w", err)
	}
	if err := os.WriteFile(base+".md", []byte(r.Markdown(workloads)), 0o644); err != nil {
		return fmt.Errorf("save table: %w", err)
	}
	return nil
}
