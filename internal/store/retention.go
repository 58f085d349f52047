package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/runagent/runagent/internal/fault"
	"github.com/runagent/runagent/internal/invocation"
	"github.com/runagent/runagent/internal/store/packs"
)

const (
	// removeBatch is how many rows one transaction removes.
	removeBatch = 1000
	// looseFrom is from how many records kept on their bound may be exceeded by a
	// tenth: a pack is then removed when all of it is over, not record by record.
	looseFrom = 1000
	// vacuumPages is how many free pages are given back to the disk at a time.
	vacuumPages = 1000
)

// totals is what is kept of one agent.
type totals struct{ invocations, lines int }

// addTotals counts what t adds and returns what is kept of the agents it names.
func addTotals(ctx context.Context, tx *sql.Tx, t batch) (map[string]totals, error) {
	added := make(map[string]totals)
	for _, it := range t.items {
		if !it.onDisk {
			n := added[it.rec.AgentID]
			n.invocations++
			added[it.rec.AgentID] = n
		}
	}
	for i := range t.lines {
		n := added[t.lines[i].AgentID]
		n.lines++
		added[t.lines[i].AgentID] = n
	}
	const q = `
		INSERT INTO agent_totals (agent_id, invocations_stored, invocations_kept, lines_kept)
		VALUES (?, ?, ?, ?)
		ON CONFLICT (agent_id) DO UPDATE SET
			invocations_stored = agent_totals.invocations_stored + excluded.invocations_stored,
			invocations_kept = agent_totals.invocations_kept + excluded.invocations_kept,
			lines_kept = agent_totals.lines_kept + excluded.lines_kept
		RETURNING invocations_kept, lines_kept`
	for agentID, n := range added {
		var kept totals
		row := tx.QueryRowContext(ctx, q, agentID, n.invocations, n.invocations, n.lines)
		if err := row.Scan(&kept.invocations, &kept.lines); err != nil {
			return nil, fmt.Errorf("count records of agent %s: %w", agentID, err)
		}
		added[agentID] = kept
	}
	return added, nil
}

// trim removes the oldest rows of the agents that have more than may be kept,
// one batch of each: as much as was just written at most.
func (h *History) trim() error {
	for agentID, kept := range h.over {
		records := min(removeBatch, kept.invocations-h.o.KeepPerAgent)
		lines := min(removeBatch, kept.lines-h.o.KeepLinesPerAgent)
		var left totals
		err := inTx(h.write, func(ctx context.Context, tx *sql.Tx) error {
			var err error
			left, err = h.removeOldest(ctx, tx, agentID, max(records, 0), max(lines, 0))
			return err
		})
		if err != nil {
			return fmt.Errorf("remove old records of agent %s: %w", agentID, err)
		}
		h.over[agentID] = left
		stuck := left == kept // what is over still runs
		if stuck || left.invocations <= h.o.KeepPerAgent && left.lines <= h.o.KeepLinesPerAgent {
			delete(h.over, agentID)
		}
	}
	return nil
}

// removeOldest removes so many records that have ended, and lines, of an agent
// and returns what is left.
func (h *History) removeOldest(ctx context.Context, tx *sql.Tx, agentID string, records, lines int) (totals, error) {
	const oldLines = `
		DELETE FROM log_lines WHERE id IN (
			SELECT id FROM log_lines WHERE agent_id = ? ORDER BY id LIMIT ?)`
	goneRecords, err := h.removeRecords(ctx, tx, agentID, int64(records))
	if err != nil {
		return totals{}, err
	}
	goneLines, err := remove(ctx, tx, oldLines, lines, agentID, lines)
	if err != nil {
		return totals{}, err
	}
	return subtract(ctx, tx, agentID, goneRecords, goneLines)
}

// removeRecords removes the n oldest records of an agent that have ended, rows
// and packed ones, and returns how many those were.
func (h *History) removeRecords(ctx context.Context, tx *sql.Tx, agentID string, n int64) (int64, error) {
	const rows = `
		DELETE FROM invocations WHERE id IN (
			SELECT id FROM invocations
			WHERE agent_id = ? AND created_at <= ? AND status NOT IN ('queued', 'running')
			ORDER BY created_at, id LIMIT ?)`
	slack := int64(0)
	if h.o.KeepPerAgent >= looseFrom {
		slack = int64(h.o.KeepPerAgent / 10)
	}
	return packs.RemoveOldest(ctx, tx, agentID, n, slack, func(until, n int64) (int64, error) {
		return remove(ctx, tx, rows, int(n), agentID, until, n)
	})
}

func remove(ctx context.Context, tx *sql.Tx, q string, limit int, args ...any) (int64, error) {
	if limit == 0 {
		return 0, nil
	}
	res, err := tx.ExecContext(ctx, q, args...)
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

// subtract counts removed rows and returns what is left.
func subtract(ctx context.Context, tx *sql.Tx, agentID string, records, lines int64) (totals, error) {
	const q = `
		UPDATE agent_totals
		SET invocations_kept = invocations_kept - ?, lines_kept = lines_kept - ?
		WHERE agent_id = ?
		RETURNING invocations_kept, lines_kept`
	var left totals
	err := tx.QueryRowContext(ctx, q, records, lines, agentID).Scan(&left.invocations, &left.lines)
	if errors.Is(err, sql.ErrNoRows) {
		return totals{}, nil
	}
	return left, err
}

// removeAged removes what is older than may be kept, in small transactions,
// and gives free pages back to the disk.
func (h *History) removeAged() error {
	// Only the oldest rows are looked at, by an index.
	const records = `
		DELETE FROM invocations WHERE id IN (
			SELECT id FROM invocations
			WHERE created_at < ? AND status NOT IN ('queued', 'running')
			ORDER BY created_at, id LIMIT ?)
		RETURNING agent_id`
	const lines = `
		DELETE FROM log_lines WHERE id IN (
			SELECT id FROM log_lines
			WHERE logged_at < ? AND id IN (SELECT id FROM log_lines ORDER BY id LIMIT ?))
		RETURNING agent_id`
	asRecords := func(n int64) (int64, int64) { return n, 0 }
	if err := h.removeBefore(removing(records), asRecords); err != nil {
		return fmt.Errorf("remove aged records: %w", err)
	}
	if err := h.removeBefore(packs.RemoveBefore, asRecords); err != nil {
		return fmt.Errorf("remove aged records: %w", err)
	}
	if err := h.removeBefore(removing(lines), func(n int64) (int64, int64) { return 0, n }); err != nil {
		return fmt.Errorf("remove aged log lines: %w", err)
	}
	if _, err := h.write.Exec(fmt.Sprintf("PRAGMA incremental_vacuum(%d)", vacuumPages)); err != nil {
		return fmt.Errorf("give back free pages: %w", err)
	}
	return nil
}

// removal removes a batch of what is older than before, and returns how many
// of each agent that were.
type removal func(ctx context.Context, tx *sql.Tx, before int64) (map[string]int64, error)

// removeBefore removes aged rows until there are no more. kind says how many
// records and lines n removed ones are.
func (h *History) removeBefore(batch removal, kind func(n int64) (records, lines int64)) error {
	before := micros(h.o.Clock().Add(-h.o.Keep))
	for gone := int64(1); gone > 0; {
		err := inTx(h.write, func(ctx context.Context, tx *sql.Tx) error {
			byAgent, err := batch(ctx, tx, before)
			if err != nil {
				return err
			}
			gone = 0
			for agentID, n := range byAgent {
				gone += n
				records, lines := kind(n)
				if _, err := subtract(ctx, tx, agentID, records, lines); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// removing returns the removal by q, which returns the agent of each row.
func removing(q string) removal {
	return func(ctx context.Context, tx *sql.Tx, before int64) (map[string]int64, error) {
		return removedPerAgent(ctx, tx, q, before)
	}
}

func removedPerAgent(ctx context.Context, tx *sql.Tx, q string, before int64) (map[string]int64, error) {
	rows, err := tx.QueryContext(ctx, q, before, removeBatch)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }() // rows.Err tells what matters
	byAgent := make(map[string]int64)
	for rows.Next() {
		var agentID string
		if err := rows.Scan(&agentID); err != nil {
			return nil, err
		}
		byAgent[agentID]++
	}
	return byAgent, rows.Err()
}

// settleStopped ends the records that processes which have died left running.
func (h *History) settleStopped() error {
	ids, err := h.otherServers()
	if err != nil {
		return err
	}
	for _, id := range ids {
		dead, err := h.mark.Dead(id)
		if err != nil {
			return err
		}
		if !dead {
			continue
		}
		if err := h.settle(id); err != nil {
			return fmt.Errorf("settle records of server %s: %w", id, err)
		}
		h.mark.Sweep(id)
	}
	return nil
}

// otherServers returns the processes that left running records, or a mark.
func (h *History) otherServers() ([]string, error) {
	ids, err := h.mark.Others()
	if err != nil {
		return nil, err
	}
	const q = `SELECT DISTINCT server_id FROM invocations WHERE status = 'running' AND server_id <> ?`
	rows, err := h.write.Query(q, h.mark.ID())
	if err != nil {
		return nil, fmt.Errorf("look for other servers: %w", err)
	}
	defer func() { _ = rows.Close() }() // rows.Err tells what matters
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			return nil, fmt.Errorf("look for other servers: %w", err)
		}
		ids = append(ids, id)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("look for other servers: %w", err)
	}
	return ids, nil
}

func (h *History) settle(serverID string) error {
	reason, err := json.Marshal(map[string]any{
		"code":    fault.AgentUnavailable,
		"message": "the server stopped while this invocation was running",
	})
	if err != nil {
		return err
	}
	const q = `
		UPDATE invocations
		SET status = ?, error = ?, finished_at = ?
		WHERE server_id = ? AND status = 'running'`
	return inTx(h.write, func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, q, string(invocation.FailedS), reason, micros(h.o.Clock()), serverID)
		return err
	})
}
