package store

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/runagent/runagent/internal/fault"
	"github.com/runagent/runagent/internal/invocation"
	"github.com/runagent/runagent/internal/store/packs"
)

const (
	defaultPage = 50
	maxPage     = 1000
	// pageBytes bounds the payloads of one page: with whole 64 KiB payloads a
	// page of 1,000 would be 128 MiB.
	pageBytes = 16 << 20
)

// invocationColumns are read by scanInvocation, in its order.
const invocationColumns = `
	id, project_id, node_id, attempt, agent_id, revision, entrypoint, session_id,
	status, start_kind, chunks, created_at, finished_at,
	queue_ns, start_ns, call_ns, total_ns, first_ns,
	door, sdk_type, client, request_id, error, usage,
	input, input_size, input_digest, output, output_size, output_digest`

// insertInvocations writes the items that lots have not taken, over the rows
// that say they run where there are such. Only what changes while an invocation runs is written over.
func insertInvocations(ctx context.Context, tx *sql.Tx, serverID string, items []item, lots *packs.Lots) error {
	if len(items) == 0 {
		return nil
	}
	const q = `
		INSERT INTO invocations (` + invocationColumns + `, server_id)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?,
			?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (id) DO UPDATE SET
			attempt = excluded.attempt, revision = excluded.revision, status = excluded.status,
			start_kind = excluded.start_kind, chunks = excluded.chunks, finished_at = excluded.finished_at,
			queue_ns = excluded.queue_ns, start_ns = excluded.start_ns, call_ns = excluded.call_ns,
			total_ns = excluded.total_ns, first_ns = excluded.first_ns,
			error = excluded.error, usage = excluded.usage,
			output = excluded.output, output_size = excluded.output_size, output_digest = excluded.output_digest,
			server_id = excluded.server_id`
	stmt, err := tx.PrepareContext(ctx, q)
	if err != nil {
		return fmt.Errorf("write invocations: %w", err)
	}
	defer func() { _ = stmt.Close() }() // ends with the transaction anyway
	for i := range items {
		r := items[i].rec
		if !items[i].onDisk && lots.Have(r) {
			continue
		}
		_, err := stmt.ExecContext(ctx,
			r.ID, r.ProjectID, r.NodeID, r.Attempt, r.AgentID, r.Revision, r.Entrypoint, r.SessionID,
			string(r.Status), string(r.Start), r.Chunks, micros(r.CreatedAt), micros(r.FinishedAt),
			int64(r.Timings.Queue), int64(r.Timings.Start), int64(r.Timings.Call),
			int64(r.Timings.Total), int64(r.Timings.FirstChunk),
			r.Door, r.SDKType, r.Client, r.RequestID, []byte(r.Error), []byte(r.Usage),
			r.Input.JSON, r.Input.Size, r.Input.Digest, r.Output.JSON, r.Output.Size, r.Output.Digest,
			serverID)
		if err != nil {
			return fmt.Errorf("write invocations: %w", err)
		}
	}
	return nil
}

// scanInvocation reads one row of invocationColumns.
func scanInvocation(scan func(...any) error) (*invocation.Record, error) {
	var (
		r                            invocation.Record
		created, finished            int64
		queue, start, call, all, fst int64
		fail, usage                  []byte
	)
	err := scan(&r.ID, &r.ProjectID, &r.NodeID, &r.Attempt, &r.AgentID, &r.Revision, &r.Entrypoint, &r.SessionID,
		&r.Status, &r.Start, &r.Chunks, &created, &finished,
		&queue, &start, &call, &all, &fst,
		&r.Door, &r.SDKType, &r.Client, &r.RequestID, &fail, &usage,
		&r.Input.JSON, &r.Input.Size, &r.Input.Digest, &r.Output.JSON, &r.Output.Size, &r.Output.Digest)
	if err != nil {
		return nil, err
	}
	r.CreatedAt, r.FinishedAt = fromMicros(created), fromMicros(finished)
	r.Timings = invocation.Timings{
		Queue: time.Duration(queue), Start: time.Duration(start), Call: time.Duration(call),
		Total: time.Duration(all), FirstChunk: time.Duration(fst),
	}
	r.Error, r.Usage = absent(fail), absent(usage)
	r.Input.Truncated = r.Input.Size > int64(len(r.Input.JSON))
	r.Output.Truncated = r.Output.Size > int64(len(r.Output.JSON))
	return &r, nil
}

// Invocation returns the record with the given ID, or fault.NotFound.
func (h *History) Invocation(ctx context.Context, id string) (*invocation.Record, error) {
	if rec := h.buf.one(id); rec != nil {
		return rec, nil
	}
	missing := fault.New(fault.NotFound, "invocation not found; it does not exist or is no longer kept")
	if !h.usable() {
		return nil, missing
	}
	const q = `SELECT` + invocationColumns + ` FROM invocations WHERE id = ?`
	rec, err := scanInvocation(h.read.QueryRowContext(ctx, q, id).Scan)
	if errors.Is(err, sql.ErrNoRows) {
		if rec, err = packs.Find(ctx, h.read, id); rec == nil && err == nil {
			return nil, missing
		}
	}
	if err != nil {
		return nil, fmt.Errorf("read invocation %s: %w", id, err)
	}
	return rec, nil
}

// Invocations returns a page of records, newest first, and the cursor of the
// next, "" after the last. A page also ends before it holds much more than 16 MiB.
func (h *History) Invocations(ctx context.Context, f invocation.Filter) ([]invocation.Record, string, error) {
	after, err := parseCursor(f.Cursor)
	if err != nil {
		return nil, "", err
	}
	limit, err := pageSize(f.Limit, defaultPage, maxPage)
	if err != nil {
		return nil, "", err
	}
	// What is in memory must be taken first: what is written meanwhile is then
	// seen twice rather than never. It is filtered by what never changes only,
	// since it also says which rows are out of date.
	fresh := h.buf.snapshot(func(r *invocation.Record) bool {
		return matches(r, f) && (after.id == "" || newerFirst(position(r), after) > 0)
	})
	page := newPage(fresh, f.Status, limit)
	if h.usable() {
		if err := h.readPage(ctx, f, after, len(fresh), page); err != nil {
			return nil, "", err
		}
	}
	return page.finish()
}

// readPage adds the rows and the packed records that match f to page until it is full.
func (h *History) readPage(ctx context.Context, f invocation.Filter, after place, fresh int, page *page) error {
	want := page.limit + fresh + 1
	packed, err := packs.List(ctx, h.read, packs.Query{
		AgentID: f.AgentID, Status: f.Status, From: micros(f.Since), To: after.created, Want: want,
		Match: func(r *invocation.Record) bool {
			return matches(r, f) && (after.id == "" || newerFirst(position(r), after) > 0)
		},
	})
	if err != nil {
		return fmt.Errorf("list invocations: %w", err)
	}
	where, args := conditions(f, after)
	q := `SELECT` + invocationColumns + ` FROM invocations` + where + ` ORDER BY created_at DESC, id DESC LIMIT ?`
	rows, err := h.read.QueryContext(ctx, q, append(args, want)...)
	if err != nil {
		return fmt.Errorf("list invocations: %w", err)
	}
	defer func() { _ = rows.Close() }() // rows.Err tells what matters
	for rows.Next() {
		rec, err := scanInvocation(rows.Scan)
		if err != nil {
			return fmt.Errorf("list invocations: %w", err)
		}
		for len(packed) > 0 && newerFirst(position(packed[0]), position(rec)) < 0 {
			if !page.add(packed[0]) {
				return nil
			}
			packed = packed[1:]
		}
		if !page.add(rec) {
			return nil
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("list invocations: %w", err)
	}
	for len(packed) > 0 && page.add(packed[0]) {
		packed = packed[1:]
	}
	return nil
}

// conditions is f as SQL.
func conditions(f invocation.Filter, after place) (string, []any) {
	var parts []string
	var args []any
	add := func(part string, values ...any) {
		parts = append(parts, part)
		args = append(args, values...)
	}
	if f.AgentID != "" {
		add("agent_id = ?", f.AgentID)
	}
	if f.Status != "" {
		add("status = ?", string(f.Status))
	}
	if f.Entrypoint != "" {
		add("entrypoint = ?", f.Entrypoint)
	}
	if f.SessionID != "" {
		add("session_id = ?", f.SessionID)
	}
	if !f.Since.IsZero() {
		add("created_at >= ?", micros(f.Since))
	}
	if after.id != "" {
		add("(created_at, id) < (?, ?)", after.created, after.id)
	}
	if len(parts) == 0 {
		return "", nil
	}
	return " WHERE " + strings.Join(parts, " AND "), args
}

// matches is f for records in memory, but for Status, Cursor and Limit.
func matches(r *invocation.Record, f invocation.Filter) bool {
	return (f.AgentID == "" || r.AgentID == f.AgentID) &&
		(f.Entrypoint == "" || r.Entrypoint == f.Entrypoint) &&
		(f.SessionID == "" || r.SessionID == f.SessionID) &&
		(f.Since.IsZero() || micros(r.CreatedAt) >= micros(f.Since))
}

// place is where a record stands in the order of lists.
type place struct {
	created int64 // microseconds
	id      string
}

func position(r *invocation.Record) place { return place{micros(r.CreatedAt), r.ID} }

// newerFirst orders places as lists do.
func newerFirst(a, b place) int {
	return cmp.Or(cmp.Compare(b.created, a.created), strings.Compare(b.id, a.id))
}

// page gathers a list from memory and from rows, which come in order.
type page struct {
	limit  int
	fresh  []unwritten     // matching, in order, not yet in recs
	newer  map[string]bool // IDs whose row is out of date
	recs   []invocation.Record
	bytes  int
	status invocation.Status
	more   bool
}

func newPage(fresh []unwritten, status invocation.Status, limit int) *page {
	p := &page{limit: limit, status: status, newer: make(map[string]bool, len(fresh))}
	for i := range fresh {
		r := &fresh[i].Record
		p.newer[r.ID] = true
		if status == "" || r.Status == status {
			p.fresh = append(p.fresh, fresh[i])
		}
	}
	slices.SortFunc(p.fresh, func(a, b unwritten) int {
		return newerFirst(position(&a.Record), position(&b.Record))
	})
	return p
}

// add takes the next row, after what in memory comes before it. It returns
// false when the page is full.
func (p *page) add(row *invocation.Record) bool {
	if p.newer[row.ID] {
		return true
	}
	for len(p.fresh) > 0 && newerFirst(position(&p.fresh[0].Record), position(row)) < 0 {
		if !p.push(&p.fresh[0].Record) {
			return false
		}
		p.fresh = p.fresh[1:]
	}
	return p.push(row)
}

func (p *page) push(r *invocation.Record) bool {
	if len(p.recs) == p.limit || p.bytes > pageBytes {
		p.more = true
		return false
	}
	p.recs = append(p.recs, *r)
	p.bytes += cost(r)
	return true
}

// finish adds what is left in memory and returns the page and its cursor.
func (p *page) finish() ([]invocation.Record, string, error) {
	for i := 0; i < len(p.fresh) && !p.more; i++ {
		p.push(&p.fresh[i].Record)
	}
	if !p.more {
		return p.recs, "", nil
	}
	return p.recs, cursor(position(&p.recs[len(p.recs)-1])), nil
}

func cursor(at place) string {
	return base64.RawURLEncoding.EncodeToString([]byte(strconv.FormatInt(at.created, 10) + "." + at.id))
}

func parseCursor(s string) (place, error) {
	if s == "" {
		return place{}, nil
	}
	raw, err := base64.RawURLEncoding.DecodeString(s)
	created, id, ok := strings.Cut(string(raw), ".")
	at, numberErr := strconv.ParseInt(created, 10, 64)
	if err != nil || numberErr != nil || !ok || id == "" {
		return place{}, fault.New(fault.Validation, "cursor is not one that a list returned").WithField("cursor")
	}
	return place{at, id}, nil
}

func pageSize(limit, standard, most int) (int, error) {
	if limit == 0 {
		return standard, nil
	}
	if limit < 0 || limit > most {
		return 0, fault.New(fault.Validation, "limit must be from 1 to %d", most).WithField("limit")
	}
	return limit, nil
}

func micros(t time.Time) int64 { return packs.Micros(t) }

func fromMicros(us int64) time.Time { return packs.FromMicros(us) }

func absent(raw []byte) json.RawMessage {
	if len(raw) == 0 {
		return nil
	}
	return raw
}
