package store

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/runagent/runagent/internal/store/packs"
	"github.com/runagent/runagent/internal/store/sqlite"
)

const (
	// flushEvery is how long the record of a call that has ended waits at most
	// before it is written, and runningAfter about how much longer that of one
	// that runs. Most calls end within it, which makes them one row written once.
	flushEvery   = 100 * time.Millisecond
	runningAfter = 400 * time.Millisecond
	// retryEvery is the same while the disk fails; retryNever sooner than
	// retryPause, however much waits.
	retryEvery = 500 * time.Millisecond
	retryPause = 50 * time.Millisecond
	// maintainEvery is how often rows are removed by age, and rows of servers
	// that were killed are settled.
	maintainEvery = time.Minute
)

// errRunning is a mistake in wiring.
var errRunning = errors.New("history: Run is called twice or after Close")

// Run writes what is recorded until ctx ends or Close is called, then writes
// what still waits and returns.
func (h *History) Run(ctx context.Context) error {
	h.mu.Lock()
	if h.running != nil || h.stopped {
		h.mu.Unlock()
		return errRunning
	}
	done := make(chan struct{})
	h.running = done
	h.mu.Unlock()
	defer close(done)

	for more := true; more; {
		more = h.gather(ctx)
		h.turn <- struct{}{}
		// Failures are kept for Health, and told to the log once.
		_ = h.pass(!more)
		<-h.turn
	}
	return nil
}

// gather waits until there is something to do. It returns false at the end.
func (h *History) gather(ctx context.Context) bool {
	h.mu.Lock()
	failing := h.health != nil
	h.mu.Unlock()
	if failing {
		return h.pause(ctx, retryPause, nil) && h.pause(ctx, retryEvery-retryPause, h.buf.full)
	}
	if h.buf.idle() && !h.pause(ctx, maintainEvery, h.buf.wake) {
		return false
	}
	return h.pause(ctx, flushEvery, h.buf.full)
}

// pause waits for d, or until early is signalled. It returns false at the end.
func (h *History) pause(ctx context.Context, d time.Duration, early <-chan struct{}) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-h.stop:
		return false
	case <-early:
	case <-timer.C:
	}
	return true
}

// Flush writes everything that was recorded before. It returns an error when
// the disk fails; what could not be written is kept to be tried again, as far
// as one batch.
func (h *History) Flush(ctx context.Context) error {
	select {
	case h.turn <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	defer func() { <-h.turn }()
	return h.pass(true)
}

// pass writes full batches, or all that waits, and does what else is due.
// Health follows from how it went. The caller holds turn.
func (h *History) pass(all bool) error {
	err := h.step(all)
	if err != nil {
		h.fail(err)
		return h.Health()
	}
	h.recovered()
	return nil
}

func (h *History) step(all bool) error {
	if !h.usable() {
		if err := h.setUp(); err != nil {
			// Nothing can be written: the same bounds hold as for a failed batch.
			h.buf.failed(batch{})
			return err
		}
	}
	for more := true; more; more = all && h.buf.waiting() > 0 || h.buf.waiting() >= batchSize {
		t := h.buf.take(h.size, all)
		if len(t.items)+len(t.lines) == 0 {
			break
		}
		if err := h.writeOut(t); err != nil {
			return err
		}
		if err := h.trim(); err != nil {
			return err
		}
	}
	if err := h.trim(); err != nil {
		return err
	}
	if len(h.over) > 0 { // the rest is for the next pass: records come first
		signal(h.buf.wake)
	}
	return h.maintain()
}

// writeOut writes t, or puts it back to be tried again in smaller parts.
func (h *History) writeOut(t batch) error {
	h.written.Add(1)
	defer h.written.Add(1)
	err := h.writeBatch(t)
	switch {
	case err == nil:
		h.buf.done(t)
		h.size = min(h.size*4, batchSize)
	case h.size == 1 && !sqlite.Passing(err): // not the disk's fault: it would fail for ever
		h.buf.lose(t)
	default:
		h.buf.failed(t)
		h.size = max(h.size/4, 1)
	}
	return err
}

// writeBatch writes t in one transaction.
func (h *History) writeBatch(t batch) error {
	var after map[string]totals
	err := inTx(h.write, func(ctx context.Context, tx *sql.Tx) error {
		var lots packs.Lots
		for _, it := range t.items {
			if !it.onDisk {
				lots.Add(it.rec)
			}
		}
		if err := lots.Insert(ctx, tx); err != nil {
			return err
		}
		if err := insertInvocations(ctx, tx, h.mark.ID(), t.items, &lots); err != nil {
			return err
		}
		if err := insertLines(ctx, tx, t.lines); err != nil {
			return err
		}
		var err error
		after, err = addTotals(ctx, tx, t)
		return err
	})
	if err != nil {
		return err
	}
	for agentID, kept := range after {
		if kept.invocations > h.o.KeepPerAgent || kept.lines > h.o.KeepLinesPerAgent {
			h.over[agentID] = kept
		}
	}
	return nil
}

// maintain removes rows by age and settles rows of servers that were killed,
// once in a while.
func (h *History) maintain() error {
	if now := time.Now(); now.Sub(h.agedAt) >= maintainEvery {
		if err := h.removeAged(); err != nil {
			return err
		}
		if err := h.settleStopped(); err != nil {
			return err
		}
		h.agedAt = now
	}
	return nil
}

// inTx is InTx for the writer, whose statements get a context without an end:
// the driver would start a goroutine for each, and the busy timeout bounds
// them already.
func inTx(db *sql.DB, do func(ctx context.Context, tx *sql.Tx) error) error {
	return sqlite.InTx(context.Background(), db, do)
}
