package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/runagent/runagent/bench/peer"
	"github.com/runagent/runagent/bench/report"
	"github.com/runagent/runagent/bench/trial"
)

// runner measures rows × workloads.
type runner struct {
	bench, cache string
	bin          string
	rounds       int
	window       time.Duration
	talk         io.Writer
	results      *report.Results
	envs         map[string]string // folder of each environment
	broken       map[string]string // environment → why it could not be installed
}

// install makes all environments.
func (r *runner) install(ctx context.Context, rows []*peer.Row) {
	r.envs, r.broken = map[string]string{}, map[string]string{}
	for _, row := range rows {
		if row.Env == "" || r.envs[row.Env] != "" || r.broken[row.Env] != "" {
			continue
		}
		dir, err := peer.Install(ctx, r.bench, r.cache, row.Env)
		if err != nil {
			fmt.Fprintf(r.talk, "%s: %v\n", row.Name, err)
			r.broken[row.Env] = err.Error()
			continue
		}
		r.envs[row.Env] = dir
	}
}

// workload measures all rows by w, in rounds of shuffled order.
func (r *runner) workload(ctx context.Context, w *trial.Workload, rows []*peer.Row) error {
	began := time.Now()
	var able []*peer.Row
	for _, row := range rows {
		if len(w.Rows) > 0 && !slices.Contains(w.Rows, row.Name) {
			continue
		}
		why := row.Skips(w.Name)
		if broken := r.broken[row.Env]; broken != "" {
			why = broken
		}
		if why != "" {
			r.results.Row(row.Name).Cells[w.Name] = &report.Cell{Why: why}
			continue
		}
		able = append(able, row)
	}
	measure := r.soloMeasure(w)
	if !w.Alone {
		servers := r.startAll(w, able)
		defer r.stopAll(ctx, w, servers)
		measure = r.sharedMeasure(w, servers)
		r.warm(ctx, w, able, measure)
	}
	rounds := r.rounds
	if w.Steady {
		rounds = 1
	}
	for round := range rounds {
		for _, i := range rand.Perm(len(able)) {
			if able[i].Once && round > 0 || r.failed(w, able[i]) {
				continue
			}
			if err := ctx.Err(); err != nil {
				return err
			}
			r.note(w, able[i], measure(ctx, able[i], r.window))
		}
	}
	fmt.Fprintf(r.talk, "%-12s %3.0f s\n", w.Name, time.Since(began).Seconds())
	return nil
}

// measured is what one measurement gave.
type measured struct {
	metrics trial.Metrics
	err     error
}

type measure func(ctx context.Context, row *peer.Row, window time.Duration) measured

func (r *runner) soloMeasure(w *trial.Workload) measure {
	return func(ctx context.Context, row *peer.Row, window time.Duration) measured {
		var scratch []string
		defer func() {
			for _, dir := range scratch {
				os.RemoveAll(dir)
			}
		}()
		m, err := w.Solo(ctx, func() (*peer.Server, error) {
			s, err := r.start(w, row)
			if err == nil {
				scratch = append(scratch, s.Scratch)
			}
			return s, err
		}, window)
		return measured{m, err}
	}
}

func (r *runner) sharedMeasure(w *trial.Workload, servers map[string]*peer.Server) measure {
	return func(ctx context.Context, row *peer.Row, window time.Duration) measured {
		s := servers[row.Name]
		if s == nil {
			return measured{}
		}
		m, err := w.Measure(ctx, s, window)
		return measured{m, err}
	}
}

// warm runs everything once, so that no round meets a server that has yet to
// compile, import or learn. Who answers wrongly now is not measured later.
func (r *runner) warm(ctx context.Context, w *trial.Workload, rows []*peer.Row, measure measure) {
	for _, row := range rows {
		if got := measure(ctx, row, r.window/2); got.err != nil && ctx.Err() == nil {
			r.note(w, row, got)
		}
	}
}

// failed reports whether the row has shown that it has no figures for w. To ask
// a server again that does not answer would take minutes.
func (r *runner) failed(w *trial.Workload, row *peer.Row) bool {
	return r.results.Cell(row.Name, w.Name).Why != ""
}

// note keeps a measurement. An error empties the row's cell for good: a server
// that answers wrongly has no figures.
func (r *runner) note(w *trial.Workload, row *peer.Row, got measured) {
	cells := r.results.Row(row.Name).Cells
	if cells[w.Name] == nil {
		cells[w.Name] = &report.Cell{}
	}
	cell := cells[w.Name]
	switch {
	case got.err != nil:
		fmt.Fprintf(r.talk, "%s, %s: %v\n", row.Name, w.Name, got.err)
		cell.Rounds, cell.Why = nil, got.err.Error()
	case got.metrics != nil && cell.Why == "":
		cell.Rounds = append(cell.Rounds, got.metrics)
	}
}

// startAll starts the servers side by side: how long that takes is measured
// by a workload of its own.
func (r *runner) startAll(w *trial.Workload, rows []*peer.Row) map[string]*peer.Server {
	started := make([]*peer.Server, len(rows))
	failed := make([]error, len(rows))
	var wg sync.WaitGroup
	for i, row := range rows {
		wg.Go(func() { started[i], failed[i] = r.start(w, row) })
	}
	wg.Wait()
	servers := map[string]*peer.Server{}
	for i, row := range rows {
		if failed[i] != nil {
			r.note(w, row, measured{err: failed[i]})
			continue
		}
		servers[row.Name] = started[i]
	}
	return servers
}

// stopAll stops the servers, then compares the calls they got with those they
// have recorded.
func (r *runner) stopAll(ctx context.Context, w *trial.Workload, servers map[string]*peer.Server) {
	var wg sync.WaitGroup
	for _, s := range servers {
		wg.Go(s.Stop)
	}
	wg.Wait()
	for _, s := range servers {
		// A run that is interrupted leaves calls that nobody has counted.
		if err := r.audit(ctx, s); err != nil && ctx.Err() == nil {
			r.note(w, s.Row, measured{err: err})
		}
		os.RemoveAll(s.Scratch)
	}
}

// audit returns an error unless a server that records calls has recorded all.
func (r *runner) audit(ctx context.Context, s *peer.Server) error {
	if s.Row.Recorded == nil {
		return nil
	}
	n, err := s.Row.Recorded(ctx, s.Place)
	if err != nil {
		return fmt.Errorf("read its records: %w", err)
	}
	if n != s.Sent {
		return fmt.Errorf("it was sent %d calls and has %d records", s.Sent, n)
	}
	r.results.Audited += n
	return nil
}

func (r *runner) start(w *trial.Workload, row *peer.Row) (*peer.Server, error) {
	scratch, err := os.MkdirTemp(filepath.Join(r.cache, "run"), row.Name+"-")
	if err != nil {
		return nil, fmt.Errorf("make a scratch folder: %w", err)
	}
	s, err := peer.Start(row, peer.Place{
		Bench: r.bench, Bin: r.bin, Env: r.envs[row.Env], Scratch: scratch, Workload: w.Name,
	})
	if err != nil {
		os.RemoveAll(scratch)
	}
	return s, err
}
