// Package discovery keeps the local database in which programs find the agents
// that are served on this machine. Published RunAgent clients read and write
// the same file, so its shape is theirs: only what they expect is written, what
// they put there stays, and no lock is held longer than one small transaction.
package discovery

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/google/uuid"

	"github.com/runagent/runagent/internal/store/sqlite"
)

// FileName is how the database is called in the clients' folder.
const FileName = "runagent_local.db"

// The values of Row.Status that we write. Other programs write others.
const (
	StatusServing = "serving"
	StatusStopped = "stopped"
)

// timeLayout is how the clients write times, in UTC.
const timeLayout = "2006-01-02 15:04:05"

// Row is what programs find of one agent.
type Row struct {
	AgentID     string
	Path        string // the agent's folder
	Host        string
	Port        int
	Framework   string
	Name        string
	Description string
	Template    string
	Version     string
	Fingerprint string

	// What follows is set by this package and ignored by Announce.
	Status                             string
	PID                                int // of the server at Host and Port, 0 if not known
	RunCount, SuccessCount, ErrorCount int64
	DeployedAt, CreatedAt, UpdatedAt   time.Time
	LastRun                            time.Time // zero if it never ran
}

// DB is the discovery database, used by one server. It is safe for concurrent use.
type DB struct {
	db       *sql.DB
	path     string
	serverID string
	started  time.Time
}

// Open opens the file at path, and creates it, its folder and what it lacks.
// The caller closes it.
func Open(path string) (*DB, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("open discovery: %w", err)
	}
	db, err := sqlite.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open discovery: %w", err)
	}
	// It is used rarely, and other programs may replace the file meanwhile.
	db.SetMaxIdleConns(0)
	d := &DB{db: db, path: path, serverID: uuid.NewString(), started: time.Now()}
	if err := d.prepare(context.Background()); err != nil {
		_ = db.Close() // the cause matters
		return nil, fmt.Errorf("open discovery %s: %w", path, err)
	}
	return d, nil
}

// Close closes the file. It leaves what was announced.
func (d *DB) Close() error { return d.db.Close() }

// prepare writes only where something is missing: those who only look for an
// agent must not wait for those who write.
func (d *DB) prepare(ctx context.Context) error {
	done, err := complete(ctx, d.db)
	if err != nil || done {
		return err
	}
	return sqlite.InTx(ctx, d.db, ensure)
}

// update runs do in a transaction on a file that has all it needs.
func (d *DB) update(ctx context.Context, do func(ctx context.Context, tx *sql.Tx) error) error {
	return sqlite.InTx(ctx, d.db, func(ctx context.Context, tx *sql.Tx) error {
		if err := ensure(ctx, tx); err != nil {
			return err
		}
		return do(ctx, tx)
	})
}

// Announce says that this server serves an agent at an address. Said again, it
// updates what is there. Where several servers serve one agent, programs find
// the one that came last.
func (d *DB) Announce(ctx context.Context, row Row) error {
	err := d.update(ctx, func(ctx context.Context, tx *sql.Tx) error {
		// Whoever was at this address is gone: it is ours.
		gone, err := takeAddress(ctx, tx, d.serverID, row)
		if err != nil {
			return err
		}
		if err := d.enter(ctx, tx, row); err != nil {
			return err
		}
		for _, id := range append(gone, row.AgentID) {
			if err := showNewest(ctx, tx, id); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("announce agent %s: %w", row.AgentID, err)
	}
	return nil
}

// Stopped says that this server serves the agent no more. If another one does,
// programs find that one again.
func (d *DB) Stopped(ctx context.Context, agentID string) error {
	const q = `DELETE FROM runagent_servers WHERE server_id = ? AND agent_id = ?`
	err := d.update(ctx, func(ctx context.Context, tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, q, d.serverID, agentID); err != nil {
			return err
		}
		return showNewest(ctx, tx, agentID)
	})
	if err != nil {
		return fmt.Errorf("take back agent %s: %w", agentID, err)
	}
	return nil
}

// Count adds to the numbers of calls that went well and that failed. Servers
// do so now and then, not at each call.
func (d *DB) Count(ctx context.Context, agentID string, success, failed int64) error {
	const q = `
		UPDATE agents
		SET run_count = COALESCE(run_count, 0) + ?, success_count = COALESCE(success_count, 0) + ?,
			error_count = COALESCE(error_count, 0) + ?, last_run = ?, updated_at = ?
		WHERE agent_id = ?`
	now := stamp(time.Now())
	err := d.update(ctx, func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, q, success+failed, success, failed, now, now, agentID)
		return err
	})
	if err != nil {
		return fmt.Errorf("count calls of agent %s: %w", agentID, err)
	}
	return nil
}

// takeAddress removes other servers from row's address and returns the agents
// they served.
func takeAddress(ctx context.Context, tx *sql.Tx, serverID string, row Row) ([]string, error) {
	const others = `DELETE FROM runagent_servers WHERE host = ? AND port = ? AND server_id <> ? RETURNING agent_id`
	rows, err := tx.QueryContext(ctx, others, row.Host, row.Port, serverID)
	if err != nil {
		return nil, err
	}
	gone, err := texts(rows)
	if err != nil {
		return nil, err
	}
	const unknown = `
		UPDATE agents SET status = ?, updated_at = ?
		WHERE host = ? AND port = ? AND status = ? AND agent_id <> ?
			AND agent_id NOT IN (SELECT agent_id FROM runagent_servers)`
	_, err = tx.ExecContext(ctx, unknown, StatusStopped, stamp(time.Now()), row.Host, row.Port, StatusServing, row.AgentID)
	return gone, err
}

// enter notes that this process serves the agent. Said again, it keeps its
// place among the servers of the agent.
func (d *DB) enter(ctx context.Context, tx *sql.Tx, row Row) error {
	const q = `
		INSERT INTO runagent_servers (server_id, agent_id, position, pid, started_at, host, port,
			agent_path, framework, agent_name, description, template, version, fingerprint)
		VALUES (?, ?, (SELECT COALESCE(MAX(position), 0) + 1 FROM runagent_servers), ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (server_id, agent_id) DO UPDATE SET
			host = excluded.host, port = excluded.port, agent_path = excluded.agent_path,
			framework = excluded.framework, agent_name = excluded.agent_name,
			description = excluded.description, template = excluded.template,
			version = excluded.version, fingerprint = excluded.fingerprint`
	_, err := tx.ExecContext(ctx, q, d.serverID, row.AgentID, os.Getpid(), stamp(d.started), row.Host, row.Port,
		row.Path, row.Framework, row.Name, row.Description, row.Template, row.Version, row.Fingerprint)
	return err
}

// showNewest makes the row of an agent that of its newest server, or stopped
// if there is none.
func showNewest(ctx context.Context, tx *sql.Tx, agentID string) error {
	now := stamp(time.Now())
	// Columns that are not named keep what other programs wrote. The Go client
	// fails on NULL in times and counters.
	const show = `
		INSERT INTO agents (agent_id, agent_path, host, port, framework, status, remote_status, is_local,
			fingerprint, deployed_at, run_count, success_count, error_count, created_at, updated_at,
			agent_name, description, template, version)
		SELECT agent_id, agent_path, host, port, framework, ?, 'initialized', 1,
			fingerprint, started_at, 0, 0, 0, ?, ?,
			agent_name, description, template, version
		FROM runagent_servers
		WHERE agent_id = ?
		ORDER BY position DESC LIMIT 1
		ON CONFLICT (agent_id) DO UPDATE SET
			agent_path = excluded.agent_path, host = excluded.host, port = excluded.port,
			framework = excluded.framework, status = excluded.status, is_local = 1,
			fingerprint = COALESCE(NULLIF(excluded.fingerprint, ''), agents.fingerprint),
			deployed_at = excluded.deployed_at, updated_at = excluded.updated_at,
			run_count = COALESCE(agents.run_count, 0), success_count = COALESCE(agents.success_count, 0),
			error_count = COALESCE(agents.error_count, 0),
			created_at = COALESCE(agents.created_at, excluded.created_at),
			agent_name = excluded.agent_name, description = excluded.description,
			template = excluded.template, version = excluded.version`
	res, err := tx.ExecContext(ctx, show, StatusServing, now, now, agentID)
	if err != nil {
		return fmt.Errorf("show newest server: %w", err)
	}
	if n, err := res.RowsAffected(); err != nil || n > 0 {
		return err
	}
	const none = `UPDATE agents SET status = ?, updated_at = ? WHERE agent_id = ? AND status = ?`
	if _, err := tx.ExecContext(ctx, none, StatusStopped, now, agentID, StatusServing); err != nil {
		return fmt.Errorf("show that none serves: %w", err)
	}
	return nil
}

func stamp(t time.Time) string { return t.UTC().Format(timeLayout) }
