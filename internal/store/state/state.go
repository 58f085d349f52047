// Package state keeps what the platform is: keys, bundles, agents, their
// revisions and the traffic between them, in one SQLite file apart from the
// history of calls. What a method has returned from is on the disk.
package state

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/runagent/runagent/internal/auth"
	"github.com/runagent/runagent/internal/bundle"
	"github.com/runagent/runagent/internal/store/sqlite"
)

//go:embed migrations/sqlite/*.sql
var migrations embed.FS

// project and node stand in every row, before there is more than one of each.
const (
	project = "default"
	node    = "local"
)

// DB is the platform's state. It is safe for concurrent use, by one process.
type DB struct {
	db  *sql.DB
	now func() time.Time
}

// Open opens the state at path, which is made if it is not there. It fails
// when the file was written by a newer runagent. The caller closes it.
func Open(path string, now func() time.Time) (*DB, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open state: %w", err)
	}
	_ = f.Close() // nothing was written
	db, err := sqlite.Open(path, "journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(1)")
	if err != nil {
		return nil, fmt.Errorf("open state: %w", err)
	}
	db.SetMaxOpenConns(4)
	if err := sqlite.Migrate(db, migrations, "migrations/sqlite", now()); err != nil {
		return nil, errors.Join(fmt.Errorf("open state %s: %w", path, err), db.Close())
	}
	return &DB{db: db, now: now}, nil
}

// Close closes the file.
func (d *DB) Close() error { return d.db.Close() }

// Keys returns all API keys.
func (d *DB) Keys(ctx context.Context) ([]auth.Key, error) {
	const q = `SELECT id, name, hash, created_at FROM keys ORDER BY created_at, id`
	return collect(ctx, d.db, q, nil, func(scan func(...any) error) (k auth.Key, err error) {
		var created int64
		err = scan(&k.ID, &k.Name, &k.Hash, &created)
		k.CreatedAt = at(created)
		return k, err
	})
}

// AddKey keeps a key.
func (d *DB) AddKey(ctx context.Context, k auth.Key) error {
	const q = `INSERT INTO keys (id, project_id, name, hash, created_at) VALUES (?, ?, ?, ?, ?)`
	if _, err := d.db.ExecContext(ctx, q, k.ID, project, k.Name, k.Hash, k.CreatedAt.UnixMicro()); err != nil {
		return fmt.Errorf("keep key: %w", err)
	}
	return nil
}

// Bundle returns what is known of a bundle, and whether it is there.
func (d *DB) Bundle(ctx context.Context, digest string) (bundle.Summary, bool, error) {
	const q = `SELECT digest, packed, bytes, files FROM bundles WHERE digest = ?`
	found, err := collect(ctx, d.db, q, []any{digest}, func(scan func(...any) error) (s bundle.Summary, err error) {
		err = scan(&s.Digest, &s.Packed, &s.Bytes, &s.Files)
		return s, err
	})
	if err != nil || len(found) == 0 {
		return bundle.Summary{}, false, err
	}
	return found[0], true, nil
}

// AddBundle notes that a bundle is there; one that was known stays as it is.
func (d *DB) AddBundle(ctx context.Context, s bundle.Summary) error {
	const q = `
		INSERT INTO bundles (digest, project_id, packed, bytes, files, created_at) VALUES (?, ?, ?, ?, ?, ?)
		ON CONFLICT (digest) DO NOTHING`
	if _, err := d.db.ExecContext(ctx, q, s.Digest, project, s.Packed, s.Bytes, s.Files, d.now().UnixMicro()); err != nil {
		return fmt.Errorf("keep bundle: %w", err)
	}
	return nil
}

// ForgetUnusedBundles forgets the bundles made before the given time that no
// revision was made from, and returns their digests.
func (d *DB) ForgetUnusedBundles(ctx context.Context, before time.Time) ([]string, error) {
	const q = `
		DELETE FROM bundles
		WHERE created_at < ? AND digest NOT IN (SELECT digest FROM revisions)
		RETURNING digest`
	return collect(ctx, d.db, q, []any{before.UnixMicro()}, func(scan func(...any) error) (digest string, err error) {
		err = scan(&digest)
		return digest, err
	})
}

// querier is a database or a transaction on it.
type querier interface {
	QueryContext(ctx context.Context, q string, args ...any) (*sql.Rows, error)
}

// collect returns what read makes of each row.
func collect[T any](ctx context.Context, db querier, q string, args []any, read func(scan func(...any) error) (T, error)) ([]T, error) {
	rows, err := db.QueryContext(ctx, q, args...)
	if err != nil {
		return nil, fmt.Errorf("read state: %w", err)
	}
	defer rows.Close()
	var list []T
	for rows.Next() {
		one, err := read(rows.Scan)
		if err != nil {
			return nil, fmt.Errorf("read state: %w", err)
		}
		list = append(list, one)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read state: %w", err)
	}
	return list, nil
}

// at is a time as it is kept.
func at(micros int64) time.Time {
	if micros == 0 {
		return time.Time{}
	}
	return time.UnixMicro(micros).UTC()
}
