// Package sqlite opens SQLite files, brings their schema forward, and says what
// is wrong with the disk under one.
package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"syscall"
	"time"

	driver "modernc.org/sqlite" // registered as "sqlite"
)

// busyTimeout is how long a statement waits for another process's lock.
const busyTimeout = 5 * time.Second

// SQLite's primary result codes that tell what is wrong with a disk.
const (
	busy     = 5
	locked   = 6
	readOnly = 8
	ioErr    = 10
	corrupt  = 11
	full     = 13
	cantOpen = 14
	notADB   = 26
)

// Open opens the SQLite file at path, which is created when it is first
// used. Every connection runs the given pragmas ("synchronous(NORMAL)") and
// waits up to 5 s for locks; transactions take the write lock when they begin,
// so that they never have to start over. The caller closes the handle.
func Open(path string, pragmas ...string) (*sql.DB, error) {
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

// code returns the primary result code in err's chain, or 0.
func code(err error) int {
	var e *driver.Error
	if errors.As(err, &e) {
		return e.Code() & 0xff
	}
	return 0
}

// Trouble says in words what keeps a database from being written.
func Trouble(err error) string {
	switch c := code(err); {
	case c == full, errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return "the disk is full; free some space"
	case c == readOnly, errors.Is(err, syscall.EROFS):
		return "the disk or the file is read-only"
	case c == ioErr:
		return "the disk reports an I/O error"
	case c == cantOpen:
		return "the file cannot be opened"
	case c == busy, c == locked:
		return "another process keeps it locked"
	case Damaged(err):
		return "the file is damaged; move it away and start again"
	default:
		return "it cannot be written"
	}
}

// Damaged reports whether err comes from a file that is no database any more.
func Damaged(err error) bool {
	c := code(err)
	return c == corrupt || c == notADB
}

// Passing reports whether err comes from a disk that may work again later,
// as against a file that never will.
func Passing(err error) bool {
	switch code(err) {
	case full, readOnly, ioErr, cantOpen, busy, locked:
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
