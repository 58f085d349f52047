package discovery

import (
	"context"
	"database/sql"
	"fmt"
	"path/filepath"
	"time"

	"github.com/runagent/runagent/internal/agent"
)

// maxRows bounds a list: far more agents than anyone serves on one machine.
const maxRows = 10_000

// List returns all agents, those that are served first, then the newest.
func (d *DB) List(ctx context.Context) ([]Row, error) {
	if err := d.prepare(ctx); err != nil {
		return nil, fmt.Errorf("list local agents: %w", err)
	}
	// The driver makes times of columns declared DATETIME, and fails on what
	// it does not know; text is what every program writes.
	const q = `
		SELECT agent_id, COALESCE(agent_path, ''), COALESCE(host, ''), COALESCE(port, 0),
			COALESCE(framework, ''), COALESCE(status, ''), COALESCE(agent_name, ''),
			COALESCE(description, ''), COALESCE(template, ''), COALESCE(version, ''), COALESCE(fingerprint, ''),
			COALESCE(run_count, 0), COALESCE(success_count, 0), COALESCE(error_count, 0),
			CAST(COALESCE(deployed_at, '') AS TEXT), CAST(COALESCE(created_at, '') AS TEXT),
			CAST(COALESCE(updated_at, '') AS TEXT), CAST(COALESCE(last_run, '') AS TEXT),
			COALESCE((
				SELECT s.pid FROM runagent_servers AS s
				WHERE s.agent_id = agents.agent_id AND s.host = agents.host AND s.port = agents.port
				ORDER BY s.position DESC LIMIT 1), 0)
		FROM agents
		ORDER BY status = ? DESC, updated_at DESC, agent_id
		LIMIT ?`
	rows, err := d.db.QueryContext(ctx, q, StatusServing, maxRows)
	if err != nil {
		return nil, fmt.Errorf("list local agents: %w", err)
	}
	defer func() { _ = rows.Close() }() // rows.Err tells what matters
	var list []Row
	for rows.Next() {
		row, err := scanRow(rows)
		if err != nil {
			return nil, fmt.Errorf("list local agents: %w", err)
		}
		list = append(list, row)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("list local agents: %w", err)
	}
	return list, nil
}

func scanRow(rows *sql.Rows) (Row, error) {
	var r Row
	var deployed, created, updated, ran string
	err := rows.Scan(&r.AgentID, &r.Path, &r.Host, &r.Port, &r.Framework, &r.Status, &r.Name,
		&r.Description, &r.Template, &r.Version, &r.Fingerprint,
		&r.RunCount, &r.SuccessCount, &r.ErrorCount, &deployed, &created, &updated, &ran, &r.PID)
	if err != nil {
		return Row{}, err
	}
	r.DeployedAt, r.CreatedAt = parseTime(deployed), parseTime(created)
	r.UpdatedAt, r.LastRun = parseTime(updated), parseTime(ran)
	return r, nil
}

// Find returns the agents that ref means, those that are served first: an ID,
// or a name, slug or folder. None is no error.
func (d *DB) Find(ctx context.Context, ref string) ([]Row, error) {
	list, err := d.List(ctx)
	if err != nil {
		return nil, err
	}
	folder := canonical(ref)
	var found []Row
	for _, row := range list {
		if row.AgentID == ref {
			return []Row{row}, nil
		}
		named := row.Name != "" && (row.Name == ref || agent.Slug(row.Name) == ref)
		if named || row.Path != "" && canonical(row.Path) == folder {
			found = append(found, row)
		}
	}
	return found, nil
}

// canonical is the one name of a folder, or an approximation if it is gone.
func canonical(path string) string {
	abs, err := filepath.Abs(path)
	if err != nil {
		return path
	}
	if real, err := filepath.EvalSymlinks(abs); err == nil {
		return real
	}
	return abs
}

// parseTime reads a time as any of the clients writes it; zero if it can't.
func parseTime(s string) time.Time {
	for _, layout := range []string{timeLayout + ".999999999", time.RFC3339Nano, "2006-01-02T15:04:05.999999999"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC()
		}
	}
	return time.Time{}
}

// claim is one server's word that it serves an agent, to be checked.
type claim struct {
	serverID string // "" for a row that no server of ours is known to stand behind
	agentID  string
	host     string
	port     int
}

// Sweep asks alive about every other server that is said to serve an agent,
// and takes back what those that are gone have announced, since a process that
// was killed can't.
func (d *DB) Sweep(ctx context.Context, alive func(host string, port int, agentID string) bool) error {
	if err := d.prepare(ctx); err != nil {
		return fmt.Errorf("sweep local agents: %w", err)
	}
	claims, err := d.claims(ctx)
	if err != nil {
		return fmt.Errorf("sweep local agents: %w", err)
	}
	// No transaction stands open while servers are asked.
	var gone []claim
	for _, c := range claims {
		if !alive(c.host, c.port, c.agentID) {
			gone = append(gone, c)
		}
	}
	if len(gone) == 0 {
		return nil
	}
	err = d.update(ctx, func(ctx context.Context, tx *sql.Tx) error {
		for _, c := range gone {
			if err := takeBack(ctx, tx, c); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("sweep local agents: %w", err)
	}
	return nil
}

func (d *DB) claims(ctx context.Context) ([]claim, error) {
	const q = `
		SELECT server_id, agent_id, host, port FROM runagent_servers WHERE server_id <> ?
		UNION ALL
		SELECT '', agent_id, host, port FROM agents
		WHERE status = ? AND agent_id NOT IN (SELECT agent_id FROM runagent_servers)`
	rows, err := d.db.QueryContext(ctx, q, d.serverID, StatusServing)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }() // rows.Err tells what matters
	var out []claim
	for rows.Next() {
		var c claim
		if err := rows.Scan(&c.serverID, &c.agentID, &c.host, &c.port); err != nil {
			return nil, err
		}
		out = append(out, c)
	}
	return out, rows.Err()
}

// takeBack removes a claim, unless it has changed since it was checked.
func takeBack(ctx context.Context, tx *sql.Tx, c claim) error {
	if c.serverID == "" {
		const q = `
			UPDATE agents SET status = ?, updated_at = ?
			WHERE agent_id = ? AND host = ? AND port = ? AND status = ?
				AND agent_id NOT IN (SELECT agent_id FROM runagent_servers)`
		_, err := tx.ExecContext(ctx, q, StatusStopped, stamp(time.Now()), c.agentID, c.host, c.port, StatusServing)
		return err
	}
	const q = `DELETE FROM runagent_servers WHERE server_id = ? AND agent_id = ? AND host = ? AND port = ?`
	if _, err := tx.ExecContext(ctx, q, c.serverID, c.agentID, c.host, c.port); err != nil {
		return err
	}
	return showNewest(ctx, tx, c.agentID)
}
