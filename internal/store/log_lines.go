package store

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/runagent/runagent/internal/invocation"
)

const (
	defaultLines = 1000
	maxLines     = 10_000
	// readWait is how long a reader of log lines waits for those not yet
	// written, which have no place in the order so far.
	readWait = time.Second
)

func insertLines(ctx context.Context, tx *sql.Tx, lines []invocation.LogLine) error {
	if len(lines) == 0 {
		return nil
	}
	const q = `
		INSERT INTO log_lines (project_id, node_id, agent_id, invocation_id, instance, stream, level, logged_at, line, revision)
		VALUES ('default', 'local', ?, ?, ?, ?, ?, ?, ?, ?)`
	stmt, err := tx.PrepareContext(ctx, q)
	if err != nil {
		return fmt.Errorf("write log lines: %w", err)
	}
	defer func() { _ = stmt.Close() }() // ends with the transaction anyway
	for i := range lines {
		l := &lines[i]
		_, err := stmt.ExecContext(ctx, l.AgentID, l.InvocationID, l.Instance, l.Stream, l.Level, micros(l.Time), l.Text, l.Revision)
		if err != nil {
			return fmt.Errorf("write log lines: %w", err)
		}
	}
	return nil
}

// Logs returns log lines, oldest first: those after f.After, or the newest.
func (h *History) Logs(ctx context.Context, f invocation.LogFilter) ([]invocation.KeptLine, error) {
	limit, err := pageSize(f.Limit, defaultLines, maxLines)
	if err != nil {
		return nil, err
	}
	if h.buf.linesWait() {
		wait, cancel := context.WithTimeout(ctx, readWait)
		defer cancel()
		_ = h.Flush(wait) // a disk that fails is told by Health; what is written can be read
	}
	if !h.usable() {
		return nil, nil
	}
	where, args := lineConditions(f)
	order := ` ORDER BY id`
	if f.After == 0 {
		order = ` ORDER BY id DESC`
	}
	q := `SELECT id, agent_id, invocation_id, instance, stream, level, logged_at, line, revision FROM log_lines` +
		where + order + ` LIMIT ?`
	lines, err := h.readLines(ctx, q, append(args, limit)...)
	if err != nil {
		return nil, fmt.Errorf("read log lines: %w", err)
	}
	if f.After == 0 {
		slices.Reverse(lines)
	}
	return lines, nil
}

func (h *History) readLines(ctx context.Context, q string, args ...any) ([]invocation.KeptLine, error) {
	rows, err := h.read.QueryContext(ctx, q, args...)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }() // rows.Err tells what matters
	var lines []invocation.KeptLine
	for rows.Next() {
		var (
			l  invocation.KeptLine
			at int64
		)
		if err := rows.Scan(&l.ID, &l.AgentID, &l.InvocationID, &l.Instance, &l.Stream, &l.Level, &at, &l.Text, &l.Revision); err != nil {
			return nil, err
		}
		l.Time = fromMicros(at)
		lines = append(lines, l)
	}
	return lines, rows.Err()
}

func lineConditions(f invocation.LogFilter) (string, []any) {
	parts, args := []string{"id > ?"}, []any{f.After}
	if f.AgentID != "" {
		parts, args = append(parts, "agent_id = ?"), append(args, f.AgentID)
	}
	if f.InvocationID != "" {
		// The index leaves lines without an invocation out, and is used only
		// where the statement does too.
		parts, args = append(parts, "invocation_id = ? AND invocation_id <> ''"), append(args, f.InvocationID)
	}
	if f.Revision != "" {
		parts, args = append(parts, "revision = ?"), append(args, f.Revision)
	}
	if !f.Since.IsZero() {
		parts, args = append(parts, "logged_at >= ?"), append(args, micros(f.Since))
	}
	return " WHERE " + strings.Join(parts, " AND "), args
}
