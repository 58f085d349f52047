package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strconv"
	"strings"
	"time"
)

// Migrate brings db forward by the steps in dir of fsys, which are named
// 0001_what.sql, all in one transaction. A database that was written by a
// newer runagent is refused.
func Migrate(db *sql.DB, fsys fs.FS, dir string, now time.Time) error {
	steps, err := readMigrations(fsys, dir)
	if err != nil {
		return err
	}
	return migrate(context.Background(), db, steps, now)
}

// Check returns an error if the file at path was written by a newer runagent
// than the steps in dir of fsys are of. Others may use the file meanwhile.
func Check(ctx context.Context, path string, fsys fs.FS, dir string) (err error) {
	steps, err := readMigrations(fsys, dir)
	if err != nil {
		return err
	}
	if _, err := os.Stat(path); err != nil {
		return fmt.Errorf("look at %s: %w", path, err)
	}
	db, err := Open(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	var have int
	if err := db.QueryRowContext(ctx, newestMigration).Scan(&have); err != nil {
		return fmt.Errorf("read the schema of %s: %w", path, err)
	}
	if err := tooNew(have, steps); err != nil {
		return fmt.Errorf("look at %s: %w", path, err)
	}
	return nil
}

const newestMigration = `SELECT COALESCE(MAX(version), 0) FROM schema_migrations`

func tooNew(have int, steps []migration) error {
	if have > len(steps) {
		return fmt.Errorf("its schema is number %d and this runagent knows %d: it was written by a newer runagent; update this one", have, len(steps))
	}
	return nil
}

// migration is one step of a database's schema.
type migration struct {
	version int
	name    string
	sql     string
}

// readMigrations returns the steps in dir, in order. Files are named
// 0001_what.sql; a gap or a bad name is a mistake of ours.
func readMigrations(fsys fs.FS, dir string) ([]migration, error) {
	entries, err := fs.ReadDir(fsys, dir)
	if err != nil {
		return nil, fmt.Errorf("read migrations: %w", err)
	}
	var steps []migration
	for _, entry := range entries {
		number, _, _ := strings.Cut(entry.Name(), "_")
		version, err := strconv.Atoi(number)
		if err != nil || version != len(steps)+1 {
			return nil, fmt.Errorf("read migrations: %s is not number %04d", entry.Name(), len(steps)+1)
		}
		body, err := fs.ReadFile(fsys, path.Join(dir, entry.Name()))
		if err != nil {
			return nil, fmt.Errorf("read migrations: %w", err)
		}
		steps = append(steps, migration{version, strings.TrimSuffix(entry.Name(), ".sql"), string(body)})
	}
	return steps, nil
}

// migrate brings db forward to the newest of steps, all in one transaction, so
// that processes that start together don't meet half a schema. A database that
// is newer than steps is refused.
func migrate(ctx context.Context, db *sql.DB, steps []migration, now time.Time) error {
	return InTx(ctx, db, func(ctx context.Context, tx *sql.Tx) error {
		const table = `
			CREATE TABLE IF NOT EXISTS schema_migrations (
				version    INTEGER NOT NULL PRIMARY KEY,
				name       TEXT    NOT NULL,
				applied_at INTEGER NOT NULL
			)`
		if _, err := tx.ExecContext(ctx, table); err != nil {
			return fmt.Errorf("migrate: %w", err)
		}
		var have int
		if err := tx.QueryRowContext(ctx, newestMigration).Scan(&have); err != nil {
			return fmt.Errorf("migrate: %w", err)
		}
		if err := tooNew(have, steps); err != nil {
			return err
		}
		const done = `INSERT INTO schema_migrations (version, name, applied_at) VALUES (?, ?, ?)`
		for _, step := range steps[have:] {
			if _, err := tx.ExecContext(ctx, step.sql); err != nil {
				return fmt.Errorf("migrate to %s: %w", step.name, err)
			}
			if _, err := tx.ExecContext(ctx, done, step.version, step.name, now.UnixMicro()); err != nil {
				return fmt.Errorf("migrate to %s: %w", step.name, err)
			}
		}
		return nil
	})
}
