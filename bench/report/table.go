package report

import (
	"fmt"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/runagent/runagent/bench/trial"
)

// Markdown writes the whole report: table, verdicts, blanks, spread.
func (r *Results) Markdown(workloads []*trial.Workload) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# Benchmark of %s (%s)\n\n%s\nCommit %s; windows of %s; medians of the rounds.\n\n", r.Date, r.Set, r.Machine, r.Commit, r.Window)
	for _, row := range r.Rows {
		fmt.Fprintf(&b, "- `%s`: %s\n", row.Name, row.About)
	}
	b.WriteString("\n")
	cells := r.cells(workloads)
	for i, line := range cells {
		b.WriteString("| " + strings.Join(line, " | ") + " |\n")
		if i == 0 {
			b.WriteString("|" + strings.Repeat("---|", len(line)) + "\n")
		}
	}
	b.WriteString("\n## Targets\n\n```\n")
	for _, v := range r.Judge(Targets()) {
		b.WriteString(v.String() + "\n")
	}
	b.WriteString("```\n\n## Blanks\n\n")
	for _, row := range r.Rows {
		for _, w := range workloads {
			if why := r.Cell(row.Name, w.Name).Why; why != "" {
				fmt.Fprintf(&b, "- %s, %s: %s\n", row.Name, w.Name, why)
			}
		}
	}
	if r.Audited > 0 {
		b.WriteString("\n" + r.Audit() + "\n")
	}
	for _, note := range r.Notes {
		b.WriteString("\n" + note + "\n")
	}
	return b.String()
}

// Audit says how many calls were compared with their records.
func (r *Results) Audit() string {
	return fmt.Sprintf("Calls to RunAgent's rows that were counted and have each its record: %d.", r.Audited)
}

// Text writes the table for a terminal: a line for each figure, a column for
// each row, since there are more figures than rows.
func (r *Results) Text(workloads []*trial.Workload) string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	for _, line := range r.cells(workloads) {
		fmt.Fprintln(w, strings.Join(line, "\t")+"\t")
	}
	_ = w.Flush()
	return b.String()
}

// cells has the figures as lines and the servers as columns.
func (r *Results) cells(workloads []*trial.Workload) [][]string {
	head := []string{"figure"}
	for _, row := range r.Rows {
		head = append(head, row.Name)
	}
	lines := [][]string{head}
	for _, w := range workloads {
		for _, c := range w.Columns {
			line := []string{c.Title}
			for _, row := range r.Rows {
				line = append(line, figure(r.Cell(row.Name, w.Name), c))
			}
			lines = append(lines, line)
		}
	}
	return lines
}

// figure is a median with how far the rounds lay apart: 120 ±4 %.
func figure(cell *Cell, c trial.Column) string {
	middle, ok := cell.Median(c.Metric)
	if !ok {
		return ""
	}
	text := strconv.FormatFloat(middle, 'f', c.Digits, 64)
	values := cell.Values(c.Metric)
	low, high := values[0], values[0]
	for _, v := range values {
		low, high = min(low, v), max(high, v)
	}
	if len(values) > 1 && middle > 0 {
		text += fmt.Sprintf(" ±%.0f%%", (high-low)/2/middle*100)
	}
	return text
}
