// Package packs keeps records that have ended by the hundred, each lot as one
// row of the history. A row, its indexes and its removal cost several times
// what the rest of a short call does; at full speed a record is therefore
// written among others, and read by unpacking those around it.
package packs

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/runagent/runagent/internal/invocation"
)

const (
	// Fewest is how many records are worth a pack: fewer are rows of their own,
	// which are found faster.
	Fewest = 32
	// Longest is the most that the payloads of a record in a pack may have
	// together. Longer ones would be dear to read past.
	Longest = 2 << 10
)

// fits reports whether r may go into a pack: it has ended, and is short.
func fits(r *invocation.Record) bool {
	return r.Status.Done() && len(r.Input.JSON)+len(r.Output.JSON)+len(r.Error)+len(r.Usage) <= Longest
}

// Lots gathers the records that become packs. The zero value is empty.
type Lots struct {
	byAgent map[string][]*invocation.Record
}

// Add takes a record that has no row, if it fits.
func (l *Lots) Add(r *invocation.Record) {
	if !fits(r) {
		return
	}
	if l.byAgent == nil {
		l.byAgent = make(map[string][]*invocation.Record)
	}
	l.byAgent[r.AgentID] = append(l.byAgent[r.AgentID], r)
}

// Have reports whether a record that was added becomes part of a pack: there
// are enough of its agent.
func (l *Lots) Have(r *invocation.Record) bool {
	return fits(r) && len(l.byAgent[r.AgentID]) >= Fewest
}

// Insert writes the packs.
func (l *Lots) Insert(ctx context.Context, tx *sql.Tx) error {
	for _, recs := range l.byAgent {
		if len(recs) < Fewest {
			continue
		}
		if err := insert(ctx, tx, recs); err != nil {
			return err
		}
	}
	return nil
}

// insert writes records of one agent as one pack. It sorts recs.
func insert(ctx context.Context, tx *sql.Tx, recs []*invocation.Record) error {
	slices.SortFunc(recs, oldestFirst)
	s := sum(recs)
	const q = `
		INSERT INTO packs (agent_id, first_at, last_at, first_id, last_id,
			records, succeeded, failed, canceled, timed_out, timed, took_ns, data)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`
	_, err := tx.ExecContext(ctx, q, recs[0].AgentID, s.firstAt, s.lastAt, s.firstID, s.lastID,
		len(recs), s.succeeded, s.failed, s.canceled, s.timedOut, s.timed, int64(s.took), encode(recs))
	if err != nil {
		return fmt.Errorf("write a pack of records: %w", err)
	}
	return nil
}

// summary is what a pack's row tells of its records.
type summary struct {
	firstAt, lastAt                       int64
	firstID, lastID                       string
	succeeded, failed, canceled, timedOut int64
	timed                                 int64
	took                                  time.Duration
}

// sum sums up records that are in order.
func sum(recs []*invocation.Record) summary {
	s := summary{
		firstAt: Micros(recs[0].CreatedAt), lastAt: Micros(recs[len(recs)-1].CreatedAt),
		firstID: recs[0].ID, lastID: recs[0].ID,
	}
	for _, r := range recs {
		s.firstID, s.lastID = min(s.firstID, r.ID), max(s.lastID, r.ID)
		switch r.Status {
		case invocation.Succeeded:
			s.succeeded++
		case invocation.FailedS:
			s.failed++
		case invocation.CanceledS:
			s.canceled++
		case invocation.TimedOut:
			s.timedOut++
		case invocation.Queued, invocation.Running: // never here
		}
		if r.Timings.Total > 0 {
			s.timed++
			s.took += r.Timings.Total
		}
	}
	return s
}

// Find returns the packed record with the given ID, nil if there is none.
func Find(ctx context.Context, db *sql.DB, id string) (*invocation.Record, error) {
	const q = `SELECT data FROM packs WHERE last_id >= ? AND first_id <= ?`
	var found *invocation.Record
	err := each(ctx, db, q, []any{id, id}, func(rows *sql.Rows) (bool, error) {
		var data []byte
		if err := rows.Scan(&data); err != nil {
			return false, err
		}
		err := decode(data, func(r *invocation.Record) {
			if r.ID == id {
				found = r
			}
		})
		return found == nil, err
	})
	return found, err
}

// Query selects packed records. Zero values select all.
type Query struct {
	AgentID string
	Status  invocation.Status
	// From and To bound the time of creation, in microseconds.
	From, To int64
	// Match is what else is asked.
	Match func(*invocation.Record) bool
	// Want is how many are wanted.
	Want int
}

// List returns the records that q selects, newest first: at least as many as
// are wanted, if there are.
func List(ctx context.Context, db *sql.DB, q Query) ([]*invocation.Record, error) {
	where, args := ` WHERE first_at <= ? AND last_at >= ?`, []any{q.To, q.From}
	if q.To == 0 {
		where, args = ` WHERE last_at >= ?`, args[1:]
	}
	if q.AgentID != "" {
		where, args = where+` AND agent_id = ?`, append(args, q.AgentID)
	}
	switch {
	case q.Status.Done():
		where += ` AND ` + string(q.Status) + ` > 0` // the columns are named after them
	case q.Status != "":
		return nil, nil
	}
	var found []*invocation.Record
	err := each(ctx, db, `SELECT last_at, data FROM packs`+where+` ORDER BY last_at DESC`, args, func(rows *sql.Rows) (bool, error) {
		var lastAt int64
		var data []byte
		if err := rows.Scan(&lastAt, &data); err != nil {
			return false, err
		}
		if newerThan(found, lastAt) >= q.Want {
			return false, nil // nothing in this pack or a later one comes before them
		}
		err := decode(data, func(r *invocation.Record) {
			if (q.Status == "" || r.Status == q.Status) && q.Match(r) {
				found = append(found, r)
			}
		})
		slices.SortFunc(found, func(a, b *invocation.Record) int { return oldestFirst(b, a) })
		return true, err
	})
	return found, err
}

// newerThan counts the records, newest first, that were created after at.
func newerThan(recs []*invocation.Record, at int64) int {
	n, _ := slices.BinarySearchFunc(recs, at, func(r *invocation.Record, at int64) int {
		if Micros(r.CreatedAt) > at {
			return -1
		}
		return 1
	})
	return n
}

// Stats is what the packs of an agent hold.
type Stats struct {
	// Ended is how many have ended how.
	Ended map[invocation.Status]int64
	// Timed is how many of them took measured time, Took how much together.
	Timed int64
	Took  time.Duration
}

// StatsOf sums up an agent's packs.
func StatsOf(ctx context.Context, db *sql.DB, agentID string) (Stats, error) {
	const q = `
		SELECT COALESCE(SUM(succeeded), 0), COALESCE(SUM(failed), 0), COALESCE(SUM(canceled), 0),
			COALESCE(SUM(timed_out), 0), COALESCE(SUM(timed), 0), COALESCE(SUM(took_ns), 0)
		FROM packs
		WHERE agent_id = ?`
	var succeeded, failed, canceled, timedOut int64
	var s Stats
	if err := db.QueryRowContext(ctx, q, agentID).Scan(&succeeded, &failed, &canceled, &timedOut, &s.Timed, &s.Took); err != nil {
		return Stats{}, err
	}
	s.Ended = map[invocation.Status]int64{
		invocation.Succeeded: succeeded, invocation.FailedS: failed, invocation.CanceledS: canceled, invocation.TimedOut: timedOut,
	}
	return s, nil
}

// each hands the rows of a query to visit, until it returns false.
func each(ctx context.Context, db *sql.DB, q string, args []any, visit func(*sql.Rows) (bool, error)) error {
	rows, err := db.QueryContext(ctx, q, args...)
	if err != nil {
		return fmt.Errorf("read packed records: %w", err)
	}
	defer func() { _ = rows.Close() }() // rows.Err tells what matters
	for rows.Next() {
		more, err := visit(rows)
		if err != nil {
			return fmt.Errorf("read packed records: %w", err)
		}
		if !more {
			return nil
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("read packed records: %w", err)
	}
	return nil
}

// RemoveOldest removes the n oldest records of an agent and returns how many
// those were: fewer where the rest is a part of a pack of at most slack records,
// which stays until more are to go. rows removes those that have a row: at most
// n, created at until or before.
func RemoveOldest(ctx context.Context, tx *sql.Tx, agentID string, n, slack int64, rows func(until, n int64) (int64, error)) (gone int64, err error) {
	for gone < n {
		first, err := oldestOf(ctx, tx, agentID)
		if err != nil {
			return gone, err
		}
		removed, err := rows(first.lastAt, n-gone)
		if gone += removed; err != nil || first.records == 0 {
			return gone, err
		}
		switch left := n - gone; {
		case left >= first.records:
			gone += first.records
			err = first.remove(ctx, tx)
		case left > slack:
			gone = n
			err = first.shorten(ctx, tx, int(left))
		default:
			return gone, nil
		}
		if err != nil {
			return gone, err
		}
	}
	return gone, nil
}

// oldest is the pack of an agent that is to be removed next.
type oldest struct{ id, records, lastAt int64 }

// oldestOf returns the pack of an agent whose newest record is the oldest. One
// of no records and of the end of time says that there is none.
func oldestOf(ctx context.Context, tx *sql.Tx, agentID string) (oldest, error) {
	const q = `SELECT id, records, last_at FROM packs WHERE agent_id = ? ORDER BY last_at LIMIT 1`
	var o oldest
	err := tx.QueryRowContext(ctx, q, agentID).Scan(&o.id, &o.records, &o.lastAt)
	if errors.Is(err, sql.ErrNoRows) {
		return oldest{lastAt: math.MaxInt64}, nil
	}
	if err != nil {
		return oldest{}, fmt.Errorf("look for the oldest pack: %w", err)
	}
	return o, nil
}

func (o oldest) remove(ctx context.Context, tx *sql.Tx) error {
	if _, err := tx.ExecContext(ctx, `DELETE FROM packs WHERE id = ?`, o.id); err != nil {
		return fmt.Errorf("remove a pack: %w", err)
	}
	return nil
}

// shorten removes the n oldest records of the pack, which has more.
func (o oldest) shorten(ctx context.Context, tx *sql.Tx, n int) error {
	var data []byte
	if err := tx.QueryRowContext(ctx, `SELECT data FROM packs WHERE id = ?`, o.id).Scan(&data); err != nil {
		return fmt.Errorf("read a pack: %w", err)
	}
	var recs []*invocation.Record
	if err := decode(data, func(r *invocation.Record) { recs = append(recs, r) }); err != nil {
		return err
	}
	if err := o.remove(ctx, tx); err != nil || n >= len(recs) {
		return err
	}
	return insert(ctx, tx, recs[n:])
}

// RemoveBefore removes a few packs all of whose records were created before at,
// and returns how many records of each agent that were.
func RemoveBefore(ctx context.Context, tx *sql.Tx, at int64) (map[string]int64, error) {
	const q = `
		DELETE FROM packs WHERE id IN (SELECT id FROM packs WHERE last_at < ? ORDER BY last_at LIMIT 10)
		RETURNING agent_id, records`
	rows, err := tx.QueryContext(ctx, q, at)
	if err != nil {
		return nil, fmt.Errorf("remove aged packs: %w", err)
	}
	defer func() { _ = rows.Close() }() // rows.Err tells what matters
	gone := make(map[string]int64)
	for rows.Next() {
		var agentID string
		var n int64
		if err := rows.Scan(&agentID, &n); err != nil {
			return nil, fmt.Errorf("remove aged packs: %w", err)
		}
		gone[agentID] += n
	}
	return gone, rows.Err()
}
