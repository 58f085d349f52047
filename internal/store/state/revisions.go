package state

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/runagent/runagent/internal/agent"
	"github.com/runagent/runagent/internal/deploy"
	"github.com/runagent/runagent/internal/fault"
	"github.com/runagent/runagent/internal/store/sqlite"
)

// Revision is a revision as it is kept.
type Revision struct {
	ID, AgentID string
	// Number counts the revisions of an agent from 1.
	Number          int
	Digest, Message string
	Vars            map[string]string
	State           deploy.State
	// Reason says why it failed, or could not come back.
	Reason              string
	Callables           []agent.Callable
	Environment         deploy.Environment
	CreatedAt, ServedAt time.Time
	// Percent of the agent's calls go to it.
	Percent int
	// CanaryUntil is when it is decided whether it gets all; zero for no trial.
	CanaryUntil time.Time
}

const selectRevisions = `
	SELECT r.id, r.agent_id, r.number, r.digest, r.message, r.vars, r.state, r.reason, r.callables, r.environment,
		r.created_at, r.served_at, COALESCE(t.percent, 0), COALESCE(t.canary_until, 0)
	FROM revisions r LEFT JOIN traffic t ON t.revision_id = r.id`

func readRevision(scan func(...any) error) (r Revision, err error) {
	var vars, callables, environment []byte
	var created, served, until int64
	err = scan(&r.ID, &r.AgentID, &r.Number, &r.Digest, &r.Message, &vars, &r.State, &r.Reason, &callables, &environment,
		&created, &served, &r.Percent, &until)
	if err != nil {
		return r, err
	}
	r.CreatedAt, r.ServedAt, r.CanaryUntil = at(created), at(served), at(until)
	return r, errors.Join(json.Unmarshal(vars, &r.Vars), json.Unmarshal(callables, &r.Callables), json.Unmarshal(environment, &r.Environment))
}

// Revisions returns an agent's revisions, newest first, at most limit.
func (d *DB) Revisions(ctx context.Context, agentID string, limit int) ([]Revision, error) {
	return collect(ctx, d.db, selectRevisions+` WHERE r.agent_id = ? ORDER BY r.number DESC LIMIT ?`, []any{agentID, limit}, readRevision)
}

// Revision returns the revision of an agent that ref, a number or an ID,
// means. Errors: fault.NotFound.
func (d *DB) Revision(ctx context.Context, agentID, ref string) (Revision, error) {
	number, err := strconv.Atoi(ref)
	if err != nil {
		number = 0
	}
	found, err := collect(ctx, d.db, selectRevisions+` WHERE r.agent_id = ? AND (r.id = ? OR r.number = ?)`, []any{agentID, ref, number}, readRevision)
	if err != nil {
		return Revision{}, err
	}
	if len(found) == 0 {
		return Revision{}, fault.New(fault.NotFound, "the agent has no revision %q", ref).
			WithSuggestion("`runagent revisions AGENT` shows those there are.")
	}
	return found[0], nil
}

// Previous returns the revision that served last before the one that does now.
// Errors: fault.NotFound.
func (d *DB) Previous(ctx context.Context, agentID string) (Revision, error) {
	const which = ` WHERE r.agent_id = ? AND r.served_at > 0 AND t.revision_id IS NULL ORDER BY r.served_at DESC LIMIT 1`
	found, err := collect(ctx, d.db, selectRevisions+which, []any{agentID}, readRevision)
	if err != nil {
		return Revision{}, err
	}
	if len(found) == 0 {
		return Revision{}, fault.New(fault.NotFound, "no earlier revision of the agent has served")
	}
	return found[0], nil
}

// Live returns the revisions that get calls, of agents that are not stopped.
func (d *DB) Live(ctx context.Context) ([]Revision, error) {
	const which = ` JOIN agents a ON a.id = r.agent_id WHERE t.percent > 0 AND a.stopped = 0 ORDER BY r.served_at DESC`
	return collect(ctx, d.db, selectRevisions+which, nil, readRevision)
}

// AddRevision keeps a new, pending revision and returns its number.
func (d *DB) AddRevision(ctx context.Context, r Revision) (number int, err error) {
	vars, err := json.Marshal(r.Vars)
	if err != nil {
		return 0, fmt.Errorf("keep revision: %w", err)
	}
	const q = `
		INSERT INTO revisions (id, project_id, node_id, agent_id, number, digest, message, vars, state, reason, callables, environment, created_at, served_at)
		SELECT ?, ?, ?, ?, COALESCE(MAX(number), 0) + 1, ?, ?, ?, ?, '', 'null', '{}', ?, 0 FROM revisions WHERE agent_id = ?
		RETURNING number`
	err = d.db.QueryRowContext(ctx, q, r.ID, project, node, r.AgentID, r.Digest, r.Message, vars, deploy.Pending,
		d.now().UnixMicro(), r.AgentID).Scan(&number)
	if err != nil {
		return 0, fmt.Errorf("keep revision: %w", err)
	}
	return number, nil
}

// Reached implements deploy.Ledger. A revision that served before and fails to
// come back is retired, as it was.
func (d *DB) Reached(ctx context.Context, rev *deploy.Revision, why error) error {
	const q = `
		UPDATE revisions SET
			state = CASE WHEN ?1 = 'failed' AND served_at > 0 THEN 'retired' ELSE ?1 END,
			reason = ?2
		WHERE id = ?3`
	reason := ""
	if why != nil {
		reason = why.Error()
	}
	return d.changeOne(ctx, d.db, rev.ID, q, rev.State, reason, rev.ID)
}

// Switch implements deploy.Ledger: who got calls and gets none any more is
// retired.
func (d *DB) Switch(ctx context.Context, to deploy.Split) error {
	return sqlite.InTx(ctx, d.db, func(ctx context.Context, tx *sql.Tx) error {
		const retire = `UPDATE revisions SET state = 'retired' WHERE id IN (SELECT revision_id FROM traffic WHERE agent_id = ?)`
		const clear = `DELETE FROM traffic WHERE agent_id = ?`
		const serve = `UPDATE revisions SET state = 'ready' WHERE id = ?`
		const send = `INSERT INTO traffic (agent_id, revision_id, percent, canary_until) VALUES (?, ?, ?, ?)`
		const start = `UPDATE agents SET stopped = 0 WHERE id = ?`
		for _, q := range []string{retire, clear, start} {
			if _, err := tx.ExecContext(ctx, q, to.AgentID); err != nil {
				return fmt.Errorf("switch traffic: %w", err)
			}
		}
		for _, rev := range to.Fresh {
			if err := d.ready(ctx, tx, rev); err != nil {
				return err
			}
		}
		for i, s := range to.Shares {
			until := int64(0)
			if !to.CanaryUntil.IsZero() && len(to.Fresh) > 0 && s.ID == to.Fresh[0].ID {
				until = to.CanaryUntil.UnixMicro()
			}
			if err := d.changeOne(ctx, tx, s.ID, serve, s.ID); err != nil {
				return err
			}
			if _, err := tx.ExecContext(ctx, send, to.AgentID, to.Shares[i].ID, s.Percent, until); err != nil {
				return fmt.Errorf("switch traffic: %w", err)
			}
		}
		return nil
	})
}

// ready keeps what a revision that has come up is like.
func (d *DB) ready(ctx context.Context, tx *sql.Tx, rev *deploy.Revision) error {
	// Who serves last is told by this time: it grows, also when the clock is set back.
	const q = `
		UPDATE revisions SET state = 'ready', reason = '', callables = ?1, environment = ?2,
			served_at = MAX(?3, 1 + (SELECT MAX(o.served_at) FROM revisions o WHERE o.agent_id = revisions.agent_id))
		WHERE id = ?4`
	callables, err := json.Marshal(rev.Callables)
	if err != nil {
		return fmt.Errorf("keep revision: %w", err)
	}
	environment, err := json.Marshal(rev.Environment)
	if err != nil {
		return fmt.Errorf("keep revision: %w", err)
	}
	return d.changeOne(ctx, tx, rev.ID, q, callables, environment, d.now().UnixMicro(), rev.ID)
}

// Serving returns the revisions that get an agent's calls, or would if it were
// not stopped; the largest share first.
func (d *DB) Serving(ctx context.Context, agentID string) ([]Revision, error) {
	const which = ` WHERE r.agent_id = ? AND t.percent > 0 ORDER BY t.percent DESC, r.number DESC`
	return collect(ctx, d.db, selectRevisions+which, []any{agentID}, readRevision)
}

// NoteReason keeps why a revision lost its calls.
func (d *DB) NoteReason(ctx context.Context, revision, reason string) error {
	return d.changeOne(ctx, d.db, revision, `UPDATE revisions SET reason = ? WHERE id = ?`, reason, revision)
}

// PruneRevisions forgets an agent's revisions but the newest keep, those that
// are live or under way, and the one that a rollback would bring back.
func (d *DB) PruneRevisions(ctx context.Context, agentID string, keep int) error {
	const q = `
		DELETE FROM revisions
		WHERE agent_id = ?1 AND state IN ('ready', 'retired', 'failed')
			AND number <= (SELECT MAX(number) FROM revisions WHERE agent_id = ?1) - ?2
			AND id NOT IN (SELECT revision_id FROM traffic WHERE agent_id = ?1)
			AND id NOT IN (
				SELECT r.id FROM revisions r LEFT JOIN traffic t ON t.revision_id = r.id
				WHERE r.agent_id = ?1 AND r.served_at > 0 AND t.revision_id IS NULL
				ORDER BY r.served_at DESC LIMIT 1)`
	if _, err := d.db.ExecContext(ctx, q, agentID, keep); err != nil {
		return fmt.Errorf("forget old revisions: %w", err)
	}
	return nil
}

// execer is a database or a transaction on it.
type execer interface {
	ExecContext(ctx context.Context, q string, args ...any) (sql.Result, error)
}

// changeOne executes a change of one revision, which must be there.
func (d *DB) changeOne(ctx context.Context, db execer, id, q string, args ...any) error {
	res, err := db.ExecContext(ctx, q, args...)
	if err != nil {
		return fmt.Errorf("keep revision: %w", err)
	}
	if n, err := res.RowsAffected(); err != nil || n != 1 {
		return fault.New(fault.Conflict, "revision %s is gone: its agent was deleted", id)
	}
	return nil
}

// SettleInterrupted ends the deploys that a server which is gone left under
// way, and returns how many there were.
func (d *DB) SettleInterrupted(ctx context.Context) (int64, error) {
	const q = `
		UPDATE revisions SET
			state = CASE WHEN served_at > 0 THEN 'retired' ELSE 'failed' END,
			reason = 'the platform ended in the middle of this deploy; deploy again'
		WHERE state IN ('pending', 'building', 'starting')`
	res, err := d.db.ExecContext(ctx, q)
	if err != nil {
		return 0, fmt.Errorf("settle deploys: %w", err)
	}
	return res.RowsAffected()
}

var _ deploy.Ledger = (*DB)(nil)
