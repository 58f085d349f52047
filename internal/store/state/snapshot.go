package state

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/runagent/runagent/internal/store/sqlite"
)

// Snapshot writes the state in the file at path, as it is at one moment, into
// the new file at target. A platform may be running on it meanwhile.
func Snapshot(ctx context.Context, path, target string) (err error) {
	if _, err := os.Stat(path); err != nil {
		return fmt.Errorf("copy state: %w", err)
	}
	db, err := sqlite.Open(path) // nothing is migrated: the server may be older than we are
	if err != nil {
		return fmt.Errorf("copy state: %w", err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	if _, err := db.ExecContext(ctx, `VACUUM INTO ?`, target); err != nil {
		return fmt.Errorf("copy state: %w", err)
	}
	return os.Chmod(target, 0o600)
}

// Check returns an error when this runagent can't take over the state in the
// file at path. A platform may be running on it meanwhile.
func Check(ctx context.Context, path string) error {
	return sqlite.Check(ctx, path, migrations, "migrations/sqlite")
}

// Digests returns the bundles that revisions are made from.
func (d *DB) Digests(ctx context.Context) ([]string, error) {
	const q = `SELECT DISTINCT digest FROM revisions ORDER BY digest`
	return collect(ctx, d.db, q, nil, func(scan func(...any) error) (digest string, err error) {
		err = scan(&digest)
		return digest, err
	})
}

// Locks returns the digests of the locks that revisions have.
func (d *DB) Locks(ctx context.Context) ([]string, error) {
	const q = `SELECT DISTINCT environment FROM revisions`
	found, err := collect(ctx, d.db, q, nil, func(scan func(...any) error) (digest string, err error) {
		var text []byte
		if err := scan(&text); err != nil {
			return "", err
		}
		var environment struct{ Lock string }
		err = json.Unmarshal(text, &environment)
		return environment.Lock, err
	})
	return slices.DeleteFunc(found, func(digest string) bool { return digest == "" }), err
}
