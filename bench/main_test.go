package main

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/runagent/runagent/bench/peer"
	"github.com/runagent/runagent/bench/report"
	"github.com/runagent/runagent/bench/trial"
)

func TestChoose(t *testing.T) {
	t.Parallel()
	full, workloads, err := choose(flags{set: "full"})
	if err != nil || len(full) != len(peer.Catalog()) || len(workloads) != len(trial.All()) {
		t.Fatalf("full: %d rows, %d workloads, %v", len(full), len(workloads), err)
	}
	short, _, err := choose(flags{set: "short"})
	if err != nil || len(short) >= len(full) || len(short) == 0 {
		t.Errorf("short: %d rows of %d, %v", len(short), len(full), err)
	}
	one, some, err := choose(flags{set: "short", rows: "limit", workloads: "reload,echo1"})
	if err != nil || len(one) != 1 || len(some) != 2 {
		t.Errorf("by name: %d rows, %d workloads, %v", len(one), len(some), err)
	}
	if _, _, err := choose(flags{set: "full", rows: "fastapi"}); err == nil || !strings.Contains(err.Error(), "fastapi-sync") {
		t.Errorf("a row that is not there: %v, want those that are", err)
	}
}

func TestCheckMeasuresWhatFloorsCompare(t *testing.T) {
	t.Parallel()
	rows, workloads, err := choose(flags{set: "check"})
	if err != nil {
		t.Fatal(err)
	}
	there := map[string]bool{}
	for _, r := range rows {
		there[r.Name] = true
	}
	for _, w := range workloads {
		there[w.Name] = true
	}
	floors, err := report.ReadFloors("floors.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range floors {
		if !there[f.Row] || !there[f.Other] || !there[f.Workload] {
			t.Errorf("floors.json compares %+v, which a check does not measure", f)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	if _, err := parse([]string{"-set", "huge"}); err == nil {
		t.Error("a set that is not there was accepted")
	}
}

func TestAnErrorEmptiesTheCell(t *testing.T) {
	t.Parallel()
	row, w := &peer.Row{Name: "r"}, &trial.Workload{Name: "w"}
	r := &runner{talk: io.Discard, results: &report.Results{Rows: []*report.Row{{Name: "r", Cells: map[string]*report.Cell{}}}}}
	r.note(w, row, measured{metrics: trial.Metrics{"rate": 1}})
	r.note(w, row, measured{err: errors.New("a wrong answer")})
	r.note(w, row, measured{metrics: trial.Metrics{"rate": 2}})
	if c := r.results.Cell("r", "w"); len(c.Rounds) != 0 || c.Why != "a wrong answer" {
		t.Errorf("after a wrong answer the cell holds %+v", c)
	}
}

func TestKeepSavesWholeRunsOnly(t *testing.T) {
	t.Parallel()
	r := &runner{bench: t.TempDir(), results: &report.Results{Date: "2026-01-02"}}
	for _, f := range []flags{{set: "check"}, {set: "full", rows: "limit"}, {set: "short", workloads: "echo1"}} {
		if err := r.keep(f, trial.All()); err != nil || r.base(f) != "" {
			t.Errorf("%+v is kept as %q: %v", f, r.base(f), err)
		}
	}
	if err := r.keep(flags{set: "full"}, trial.All()); err != nil {
		t.Fatal(err)
	}
	for _, end := range []string{".json", ".md"} {
		if _, err := os.Stat(filepath.Join(r.bench, "results", "2026-01-02-full"+end)); err != nil {
			t.Error(err)
		}
	}
}

// TestAuditComparesCallsWithRecords: one record too few or too many, and the
// figures do not count.
func TestAuditComparesCallsWithRecords(t *testing.T) {
	t.Parallel()
	for stored, want := range map[int]string{7: "", 6: "has 6 records", 8: "has 8 records"} {
		r := &runner{talk: io.Discard, results: &report.Results{}}
		s := &peer.Server{Row: &peer.Row{Name: "r", Recorded: func(context.Context, peer.Place) (int, error) { return stored, nil }}, Sent: 7}
		err := r.audit(t.Context(), s)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("7 calls, %d records: %v", stored, err)
		}
		if audited := r.results.Audited; (audited == 7) != (want == "") {
			t.Errorf("7 calls, %d records: %d audited", stored, audited)
		}
	}
	other := &peer.Server{Row: &peer.Row{Name: "peer"}, Sent: 7}
	if err := (&runner{}).audit(t.Context(), other); err != nil {
		t.Errorf("a peer without records: %v", err)
	}
}

// TestAFailedRowIsLeftAlone: a server that answers wrongly while it warms up is
// not asked again.
func TestAFailedRowIsLeftAlone(t *testing.T) {
	t.Parallel()
	row, w := &peer.Row{Name: "r"}, &trial.Workload{Name: "w"}
	r := &runner{talk: io.Discard, results: &report.Results{Rows: []*report.Row{{Name: "r", Cells: map[string]*report.Cell{}}}}}
	if r.failed(w, row) {
		t.Error("failed before it was measured")
	}
	r.warm(t.Context(), w, []*peer.Row{row}, func(context.Context, *peer.Row, time.Duration) measured {
		return measured{err: errors.New("no answer")}
	})
	if !r.failed(w, row) {
		t.Error("it would be measured again")
	}
}

// TestServersOfTheirOwnLeaveNothing: a run starts more than a hundred servers.
func TestServersOfTheirOwnLeaveNothing(t *testing.T) {
	t.Parallel()
	bench, err := filepath.Abs(".")
	if err != nil {
		t.Fatal(err)
	}
	r := &runner{bench: bench, cache: t.TempDir(), talk: io.Discard}
	run := filepath.Join(r.cache, "run")
	if err := os.Mkdir(run, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		args   []string
		starts bool
	}{
		"good": {[]string{"python3", "-m", "http.server", "--bind", "127.0.0.1"}, true},
		"bad":  {[]string{"false"}, false},
	} {
		row := &peer.Row{Name: name, Ready: "/", Command: func(p peer.Place) peer.Command {
			return peer.Command{Args: append(slices.Clone(c.args), strconv.Itoa(p.Port))}
		}}
		started := false
		w := &trial.Workload{Name: "start", Solo: func(_ context.Context, launch trial.Launch, _ time.Duration) (trial.Metrics, error) {
			s, err := launch()
			if err != nil {
				return nil, err
			}
			started = true
			s.Stop()
			return nil, nil
		}}
		got := r.soloMeasure(w)(t.Context(), row, 0)
		left, err := os.ReadDir(run)
		if started != c.starts || err != nil || len(left) > 0 {
			t.Errorf("%s: started %v (%v), and leaves %v, %v", name, started, got.err, left, err)
		}
	}
}
