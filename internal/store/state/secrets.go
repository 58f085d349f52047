package state

import (
	"context"
	"fmt"
	"time"

	"github.com/runagent/runagent/internal/fault"
)

// Secret is a secret as it is kept: sealed.
type Secret struct {
	// AgentID is whose it is, "" for all agents.
	AgentID, Name string
	Sealed        []byte
	UpdatedAt     time.Time
}

// Secrets returns the secrets of an agent and those of all agents, which come
// first.
func (d *DB) Secrets(ctx context.Context, agentID string) ([]Secret, error) {
	return d.secrets(ctx, ` WHERE agent_id IN ('', ?) ORDER BY agent_id, name`, agentID)
}

// AllSecrets returns all secrets there are.
func (d *DB) AllSecrets(ctx context.Context) ([]Secret, error) {
	return d.secrets(ctx, ` ORDER BY agent_id, name`)
}

func (d *DB) secrets(ctx context.Context, which string, args ...any) ([]Secret, error) {
	return collect(ctx, d.db, `SELECT agent_id, name, sealed, updated_at FROM secrets`+which, args, func(scan func(...any) error) (s Secret, err error) {
		var updated int64
		err = scan(&s.AgentID, &s.Name, &s.Sealed, &updated)
		s.UpdatedAt = at(updated)
		return s, err
	})
}

// SetSecret keeps a secret, instead of the one of this name before.
func (d *DB) SetSecret(ctx context.Context, s Secret) error {
	const q = `
		INSERT INTO secrets (project_id, agent_id, name, sealed, updated_at) VALUES (?, ?, ?, ?, ?)
		ON CONFLICT (project_id, agent_id, name) DO UPDATE SET sealed = excluded.sealed, updated_at = excluded.updated_at`
	if _, err := d.db.ExecContext(ctx, q, project, s.AgentID, s.Name, s.Sealed, d.now().UnixMicro()); err != nil {
		return fmt.Errorf("keep secret: %w", err)
	}
	return nil
}

// DeleteSecret forgets a secret. Errors: fault.NotFound.
func (d *DB) DeleteSecret(ctx context.Context, agentID, name string) error {
	const q = `DELETE FROM secrets WHERE project_id = ? AND agent_id = ? AND name = ?`
	res, err := d.db.ExecContext(ctx, q, project, agentID, name)
	if err != nil {
		return fmt.Errorf("delete secret: %w", err)
	}
	if n, err := res.RowsAffected(); err != nil || n == 0 {
		return fault.New(fault.NotFound, "there is no secret %q", name).WithSuggestion("`runagent secrets list` shows those there are.")
	}
	return nil
}
