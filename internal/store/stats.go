package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/runagent/runagent/internal/invocation"
	"github.com/runagent/runagent/internal/store/packs"
)

// statsTries bounds how often Stats starts over because a batch was written
// between its look into memory and its look at the disk.
const statsTries = 3

// tally counts records and sums up how long those that have ended took.
type tally struct {
	stats invocation.Stats
	timed int64
	took  time.Duration
}

func (t *tally) count(status invocation.Status, n, timed int64, took time.Duration) {
	t.stats.Total += n
	switch status {
	case invocation.Succeeded:
		t.stats.Succeeded += n
	case invocation.FailedS:
		t.stats.Failed += n
	case invocation.CanceledS:
		t.stats.Canceled += n
	case invocation.TimedOut:
		t.stats.TimedOut += n
	case invocation.Running:
		t.stats.Running += n
	case invocation.Queued:
	}
	t.timed += timed
	t.took += took
}

// Stats sums up what is kept of an agent. While batches are written very fast
// it may count a few records twice or not yet.
func (h *History) Stats(ctx context.Context, agentID string) (invocation.Stats, error) {
	for try := 1; ; try++ {
		before := h.written.Load()
		fresh := h.buf.snapshot(func(r *invocation.Record) bool { return r.AgentID == agentID })
		var sum tally
		if h.usable() {
			if err := h.readStats(ctx, agentID, &sum); err != nil {
				return invocation.Stats{}, err
			}
		}
		// An even number that stays says that nothing was written meanwhile.
		if before%2 == 1 || before != h.written.Load() {
			if try < statsTries {
				continue
			}
		}
		for i := range fresh {
			sum.merge(&fresh[i])
		}
		if sum.timed > 0 {
			sum.stats.AvgDuration = sum.took / time.Duration(sum.timed)
		}
		return sum.stats, nil
	}
}

// merge counts a record that is not, or not as it is now, among the rows.
func (t *tally) merge(u *unwritten) {
	if u.onDisk {
		t.count(invocation.Running, -1, 0, 0)
	} else {
		t.stats.EverStored++
	}
	if u.Status.Done() && u.Timings.Total > 0 {
		t.count(u.Status, 1, 1, u.Timings.Total)
		return
	}
	t.count(u.Status, 1, 0, 0)
}

func (h *History) readStats(ctx context.Context, agentID string, sum *tally) error {
	const stored = `SELECT invocations_stored FROM agent_totals WHERE agent_id = ?`
	err := h.read.QueryRowContext(ctx, stored, agentID).Scan(&sum.stats.EverStored)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return fmt.Errorf("read totals of agent %s: %w", agentID, err)
	}
	const byStatus = `
		SELECT status, COUNT(*), COUNT(NULLIF(total_ns, 0)), COALESCE(SUM(total_ns), 0)
		FROM invocations
		WHERE agent_id = ?
		GROUP BY status`
	rows, err := h.read.QueryContext(ctx, byStatus, agentID)
	if err != nil {
		return fmt.Errorf("count invocations of agent %s: %w", agentID, err)
	}
	defer func() { _ = rows.Close() }() // rows.Err tells what matters
	for rows.Next() {
		var (
			status         invocation.Status
			n, timed, took int64
		)
		if err := rows.Scan(&status, &n, &timed, &took); err != nil {
			return fmt.Errorf("count invocations of agent %s: %w", agentID, err)
		}
		sum.count(status, n, timed, time.Duration(took))
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("count invocations of agent %s: %w", agentID, err)
	}
	packed, err := packs.StatsOf(ctx, h.read, agentID)
	if err != nil {
		return fmt.Errorf("count packed records of agent %s: %w", agentID, err)
	}
	for status, n := range packed.Ended {
		sum.count(status, n, 0, 0)
	}
	sum.timed, sum.took = sum.timed+packed.Timed, sum.took+packed.Took
	return nil
}
