package discovery

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
)

// agentColumns are the columns that published clients select, as they declare
// them. All must exist.
var agentColumns = []struct{ name, decl string }{
	{"agent_id", "TEXT NOT NULL PRIMARY KEY"},
	{"agent_path", "TEXT NOT NULL"},
	{"host", "TEXT NOT NULL"},
	{"port", "INTEGER NOT NULL"},
	{"framework", "TEXT"},
	{"status", "TEXT"},
	{"remote_status", "TEXT"},
	{"is_local", "BOOLEAN"},
	{"fingerprint", "TEXT"},
	{"deployed_at", "DATETIME"},
	{"last_run", "DATETIME"},
	{"run_count", "INTEGER"},
	{"success_count", "INTEGER"},
	{"error_count", "INTEGER"},
	{"created_at", "DATETIME"},
	{"updated_at", "DATETIME"},
	{"agent_name", "TEXT"},
	{"description", "TEXT"},
	{"template", "TEXT"},
	{"version", "TEXT"},
	{"initialized_at", "DATETIME"},
	{"config_fingerprint", "TEXT"},
	{"project_id", "TEXT"},
}

// serversTable is ours: the processes that serve an agent just now. The agents
// table has room for one address per agent, which is that of the newest.
const serversTable = `
	CREATE TABLE IF NOT EXISTS runagent_servers (
		server_id   TEXT     NOT NULL, -- one process
		agent_id    TEXT     NOT NULL,
		position    INTEGER  NOT NULL, -- order of the first announcements
		pid         INTEGER  NOT NULL,
		started_at  DATETIME NOT NULL,
		host        TEXT     NOT NULL,
		port        INTEGER  NOT NULL,
		agent_path  TEXT     NOT NULL,
		framework   TEXT     NOT NULL,
		agent_name  TEXT     NOT NULL,
		description TEXT     NOT NULL,
		template    TEXT     NOT NULL,
		version     TEXT     NOT NULL,
		fingerprint TEXT     NOT NULL,
		PRIMARY KEY (server_id, agent_id)
	)`

// complete reports whether the file has all that we and the clients need, by
// reading alone.
func complete(ctx context.Context, db querier) (bool, error) {
	missing, err := missingColumns(ctx, db)
	if err != nil || len(missing) > 0 {
		return false, err
	}
	const q = `SELECT COUNT(*) FROM sqlite_master WHERE type = 'table' AND name = 'runagent_servers'`
	var n int
	if err := db.QueryRowContext(ctx, q).Scan(&n); err != nil {
		return false, fmt.Errorf("look for tables: %w", err)
	}
	return n == 1, nil
}

// ensure creates what is missing. What other programs put there stays.
func ensure(ctx context.Context, tx *sql.Tx) error {
	done, err := complete(ctx, tx)
	if err != nil || done {
		return err
	}
	var decls []string
	for _, c := range agentColumns {
		decls = append(decls, c.name+" "+c.decl)
	}
	create := `CREATE TABLE IF NOT EXISTS agents (` + strings.Join(decls, ", ") + `)`
	for _, q := range []string{create, serversTable} {
		if _, err := tx.ExecContext(ctx, q); err != nil {
			return fmt.Errorf("create tables: %w", err)
		}
	}
	missing, err := missingColumns(ctx, tx) // a file of an older client has fewer
	if err != nil {
		return err
	}
	for _, decl := range missing {
		decl = strings.ReplaceAll(decl, " NOT NULL", "") // rows that exist have no value
		if _, err := tx.ExecContext(ctx, `ALTER TABLE agents ADD COLUMN `+decl); err != nil {
			return fmt.Errorf("add column %s: %w", decl, err)
		}
	}
	return nil
}

// querier is a database or a transaction.
type querier interface {
	QueryContext(ctx context.Context, q string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, q string, args ...any) *sql.Row
}

// missingColumns returns the declarations of the columns that agents lacks.
func missingColumns(ctx context.Context, db querier) ([]string, error) {
	rows, err := db.QueryContext(ctx, `SELECT name FROM pragma_table_info('agents')`)
	if err != nil {
		return nil, fmt.Errorf("look for columns: %w", err)
	}
	have, err := texts(rows)
	if err != nil {
		return nil, fmt.Errorf("look for columns: %w", err)
	}
	there := make(map[string]bool, len(have))
	for _, name := range have {
		there[name] = true
	}
	var missing []string
	for _, c := range agentColumns {
		if !there[c.name] {
			missing = append(missing, c.name+" "+c.decl)
		}
	}
	return missing, nil
}

// texts reads rows of one text column and closes them.
func texts(rows *sql.Rows) ([]string, error) {
	defer func() { _ = rows.Close() }() // rows.Err tells what matters
	var out []string
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, rows.Err()
}
