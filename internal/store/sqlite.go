package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"syscall"
	"time"

	"modernc.org/sqlite" // the driver, registered as "sqlite"
)

// busyTimeout is how long a statement waits for another process's lock.
const busyTimeout = 5 * time.Second

// SQLite's primary result codes that tell what is wrong with a disk.
const (
	sqliteBusy     = 5
	sqliteLocked   = 6
	sqliteReadOnly = 8
	sqliteIOErr    = 10
	sqliteCorrupt  = 11
	sqliteFull     = 13
	sqliteCantOpen = 14
	sqliteNotADB   = 26
)

// OpenSQLite opens the SQLite file at path, which is created when it is first
// used. Every connection runs the given pragmas ("synchronous(NORMAL)") and
// waits up to 5 s for locks; transactions take the write lock when they begin,
// so that they never have to start over. The caller closes the handle.
func OpenSQLite(path string, pragmas ...string) (*sql.DB, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	q := url.Values{"_txlock": {"immediate"}}
	q.Add("_pragma", fmt.Sprintf("busy_timeout(%d)", busyTimeout.Milliseconds()))
	for _, p := range pragmas {
		q.Add("_pragma", p)
	}
	dsn := url.URL{Scheme: "file", Path: abs, RawQuery: q.Encode()}
	db, err := sql.Open("sqlite", dsn.String())
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	return db, nil
}

// sqliteCode returns the primary result code in err's chain, or 0.
func sqliteCode(err error) int {
	var e *sqlite.Error
	if errors.As(err, &e) {
		return e.Code() & 0xff
	}
	return 0
}

// diskTrouble says in words what keeps a database from being written.
func diskTrouble(err error) string {
	switch code := sqliteCode(err); {
	case code == sqliteFull, errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return "the disk is full; free some space"
	case code == sqliteReadOnly, errors.Is(err, syscall.EROFS):
		return "the disk or the file is read-only"
	case code == sqliteIOErr:
		return "the disk reports an I/O error"
	case code == sqliteCantOpen:
		return "the file cannot be opened"
	case code == sqliteBusy, code == sqliteLocked:
		return "another process keeps it locked"
	case code == sqliteCorrupt, code == sqliteNotADB:
		return "the file is damaged; move it away and start again"
	default:
		return "it cannot be written"
	}
}

// passing reports whether err comes from a disk that may work again later,
// as against a file that never will.
func passing(err error) bool {
	switch sqliteCode(err) {
	case sqliteFull, sqliteReadOnly, sqliteIOErr, sqliteCantOpen, sqliteBusy, sqliteLocked:
		return true
	}
	for _, e := range []error{syscall.ENOSPC, syscall.EDQUOT, syscall.EROFS, syscall.EIO, syscall.EACCES} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// InTx runs do in a transaction, which is committed if do returns nil.
func InTx(ctx context.Context, db *sql.DB, do func(ctx context.Context, tx *sql.Tx) error) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	if err := do(ctx, tx); err != nil {
		_ = tx.Rollback() // the cause matters, and SQLite may have rolled back already
		return err
	}
	if err := tx.Commit(); err != nil {
		_ = tx.Rollback()
		return fmt.Errorf("commit: %w", err)
	}
	return nil
}

// inTx is InTx for the writer, whose statements get a context without an end:
// the driver would start a goroutine for each, and the busy timeout bounds
// them already.
func inTx(db *sql.DB, do func(ctx context.Context, tx *sql.Tx) error) error {
	return InTx(context.Background(), db, do)
}
