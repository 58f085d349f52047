package state

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/runagent/runagent/internal/fault"
	"github.com/runagent/runagent/internal/store/sqlite"
)

// Agent is an agent as the platform knows it, whatever its revisions are.
type Agent struct {
	ID, Slug, Name string
	// Stopped says that its owner took it out of service.
	Stopped   bool
	CreatedAt time.Time
	// Live is the revision that gets most of its calls, "" for none.
	Live string
}

// Is reports whether ref, an ID, slug or name, means this agent.
func (a *Agent) Is(ref string) bool { return ref == a.ID || ref == a.Slug || ref == a.Name }

const selectAgents = `
	SELECT a.id, a.slug, a.name, a.stopped, a.created_at, COALESCE((
		SELECT t.revision_id FROM traffic t WHERE t.agent_id = a.id ORDER BY t.percent DESC, t.revision_id DESC LIMIT 1), '')
	FROM agents a`

func readAgent(scan func(...any) error) (a Agent, err error) {
	var created int64
	err = scan(&a.ID, &a.Slug, &a.Name, &a.Stopped, &created, &a.Live)
	a.CreatedAt = at(created)
	return a, err
}

// Agents returns all agents, by slug.
func (d *DB) Agents(ctx context.Context) ([]Agent, error) {
	return collect(ctx, d.db, selectAgents+` ORDER BY a.slug`, nil, readAgent)
}

// Agent returns the agent that ref, an ID, slug or name, means. Errors:
// fault.AgentNotFound.
func (d *DB) Agent(ctx context.Context, ref string) (Agent, error) {
	const which = ` WHERE a.id = ?1 OR a.slug = ?1 OR a.name = ?1 ORDER BY a.id <> ?1, a.slug <> ?1 LIMIT 1`
	found, err := collect(ctx, d.db, selectAgents+which, []any{ref}, readAgent)
	if err != nil {
		return Agent{}, err
	}
	if len(found) == 0 {
		return Agent{}, fault.New(fault.AgentNotFound, "agent %q not found", ref).
			WithSuggestion("`runagent list` shows the agents there are.")
	}
	return found[0], nil
}

// RegisterAgent keeps that there is an agent with this ID, slug and name. One
// that is known may change its name. Errors: fault.Conflict when one of the three
// means another agent, or would from now on.
func (d *DB) RegisterAgent(ctx context.Context, a Agent) error {
	const q = `
		INSERT INTO agents (id, project_id, slug, name, stopped, created_at) VALUES (?, ?, ?, ?, 0, ?)
		ON CONFLICT (id) DO UPDATE SET slug = excluded.slug, name = excluded.name`
	const taken = ` WHERE a.id <> ?1 AND (a.id IN (?2, ?3) OR a.slug IN (?1, ?2, ?3) OR a.name IN (?1, ?2, ?3))`
	return sqlite.InTx(ctx, d.db, func(ctx context.Context, tx *sql.Tx) error {
		others, err := collect(ctx, tx, selectAgents+taken, []any{a.ID, a.Slug, a.Name}, readAgent)
		if err != nil {
			return err
		}
		if len(others) > 0 {
			ref := a.Slug
			if !others[0].Is(ref) {
				ref = a.ID
			}
			return fault.New(fault.Conflict, "the name %q is taken by another agent, %q with the ID %s", ref, others[0].Name, others[0].ID).
				WithSuggestion("Give one of them another agent_name, or another agent_id.")
		}
		if _, err := tx.ExecContext(ctx, q, a.ID, project, a.Slug, a.Name, d.now().UnixMicro()); err != nil {
			return fmt.Errorf("keep agent: %w", err)
		}
		return nil
	})
}

// SetStopped keeps whether an agent is out of service; who is has no trial.
func (d *DB) SetStopped(ctx context.Context, id string, stopped bool) error {
	return sqlite.InTx(ctx, d.db, func(ctx context.Context, tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `UPDATE agents SET stopped = ? WHERE id = ?`, stopped, id); err != nil {
			return fmt.Errorf("keep agent: %w", err)
		}
		if _, err := tx.ExecContext(ctx, `UPDATE traffic SET canary_until = 0 WHERE agent_id = ? AND ?`, id, stopped); err != nil {
			return fmt.Errorf("end the agent's trial: %w", err)
		}
		return nil
	})
}

// DeleteAgent forgets an agent with all its revisions and secrets.
func (d *DB) DeleteAgent(ctx context.Context, id string) error {
	return sqlite.InTx(ctx, d.db, func(ctx context.Context, tx *sql.Tx) error {
		for _, q := range []string{`DELETE FROM secrets WHERE agent_id = ?`, `DELETE FROM agents WHERE id = ?`} {
			if _, err := tx.ExecContext(ctx, q, id); err != nil {
				return fmt.Errorf("delete agent: %w", err)
			}
		}
		return nil
	})
}
