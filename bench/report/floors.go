package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
)

// Floor is a ratio that a change must not lose. It was measured, rounded to
// the bad side, and committed.
type Floor struct {
	Workload string  `json:"workload"`
	Metric   string  `json:"metric"`
	Row      string  `json:"row"`
	Other    string  `json:"other"`
	Ratio    float64 `json:"ratio"`
	// Less says that a smaller ratio is the better one.
	Less bool `json:"less,omitempty"`
}

// slack is how far beyond a floor noise may go: a quarter.
const slack = 0.25

// ReadFloors reads the committed floors.
func ReadFloors(path string) ([]Floor, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read floors: %w", err)
	}
	var floors []Floor
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&floors); err != nil {
		return nil, fmt.Errorf("read floors %s: %w", path, err)
	}
	return floors, nil
}

// Lost returns what is wrong with the results by the floors, a line each.
func (r *Results) Lost(floors []Floor) []string {
	var lost []string
	for _, f := range floors {
		name := fmt.Sprintf("%s %s, %s by %s", f.Workload, f.Metric, f.Row, f.Other)
		got, ok := r.Ratio(f.Row, f.Other, f.Workload, f.Metric)
		switch {
		case !ok:
			lost = append(lost, fmt.Sprintf("%s: not measured: %s %s", name, r.Cell(f.Row, f.Workload).Why, r.Cell(f.Other, f.Workload).Why))
		case f.Less && got > f.Ratio*(1+slack):
			lost = append(lost, fmt.Sprintf("%s: %.3g, more than a quarter above the committed %.3g", name, got, f.Ratio))
		case !f.Less && got < f.Ratio*(1-slack):
			lost = append(lost, fmt.Sprintf("%s: %.3g, more than a quarter below the committed %.3g", name, got, f.Ratio))
		}
	}
	return lost
}
