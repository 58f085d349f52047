package app

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/runagent/runagent/internal/invocation"
	"github.com/runagent/runagent/internal/server"
)

const (
	// bookLines is how many of the latest lines are kept in memory.
	bookLines = 10_000
	// followerLines is how far a follower may fall behind before it is cut off.
	followerLines = 4096
)

// logbook takes every line that agents print: it masks secrets, shows and
// keeps the line, and hands it to who follows. It is safe for concurrent use.
type logbook struct {
	keep func(invocation.LogLine)
	show func(invocation.LogLine)
	mask atomic.Pointer[strings.Replacer]

	mu        sync.Mutex // guards all that follows
	lines     []invocation.LogLine
	next      int // where the oldest line stands, once lines is full
	followers map[*follower]struct{}
}

type follower struct {
	q     server.LogQuery
	lines chan invocation.LogLine
}

func newLogbook(keep, show func(invocation.LogLine)) *logbook {
	return &logbook{keep: keep, show: show, followers: map[*follower]struct{}{}}
}

// setSecrets sets the texts that lines must not show.
func (b *logbook) setSecrets(secrets []string) {
	var pairs []string
	for _, s := range secrets {
		if len(s) >= 8 {
			pairs = append(pairs, s, "•••")
		}
	}
	b.mask.Store(strings.NewReplacer(pairs...))
}

// Append takes a line.
func (b *logbook) Append(line invocation.LogLine) {
	if r := b.mask.Load(); r != nil {
		line.Text = r.Replace(line.Text)
	}
	b.keep(line)
	b.show(line)
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.lines) < bookLines {
		b.lines = append(b.lines, line)
	} else {
		b.lines[b.next] = line
		b.next = (b.next + 1) % bookLines
	}
	for f := range b.followers {
		if !matches(f.q, line) {
			continue
		}
		select {
		case f.lines <- line:
		default:
			// Cut off, never waited for: it can ask again.
			delete(b.followers, f)
			close(f.lines)
		}
	}
}

// Tail implements server.Logs.
func (b *logbook) Tail(_ context.Context, q server.LogQuery) ([]invocation.LogLine, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.tail(q), nil
}

// tail returns the last matching lines, oldest first. b.mu is held.
func (b *logbook) tail(q server.LogQuery) []invocation.LogLine {
	var found []invocation.LogLine
	for i := range b.lines {
		line := b.lines[(b.next+i)%len(b.lines)]
		if matches(q, line) {
			found = append(found, line)
		}
	}
	if q.Limit > 0 && len(found) > q.Limit {
		found = found[len(found)-q.Limit:]
	}
	return found
}

// Follow implements server.Logs.
func (b *logbook) Follow(ctx context.Context, q server.LogQuery, emit func(invocation.LogLine) error) error {
	f := &follower{q: q, lines: make(chan invocation.LogLine, followerLines)}
	b.mu.Lock()
	last := b.tail(q)
	b.followers[f] = struct{}{}
	b.mu.Unlock()
	defer func() {
		b.mu.Lock()
		delete(b.followers, f)
		b.mu.Unlock()
	}()
	for _, line := range last {
		if err := emit(line); err != nil {
			return err
		}
	}
	for {
		select {
		case line, ok := <-f.lines:
			if !ok {
				return nil
			}
			if err := emit(line); err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func matches(q server.LogQuery, line invocation.LogLine) bool {
	return (q.AgentID == "" || line.AgentID == "" || q.AgentID == line.AgentID) &&
		(q.InvocationID == "" || q.InvocationID == line.InvocationID)
}

var _ server.Logs = (*logbook)(nil)
