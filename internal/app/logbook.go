package app

import (
	"cmp"
	"context"
	"slices"
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
// keeps the line, and hands it to who follows. Readers get the latest lines and
// those that were kept before, by earlier servers too. It is safe for concurrent use.
type logbook struct {
	kept  invocation.Logs
	show  func(invocation.LogLine)
	agent atomic.Pointer[author]

	mu        sync.Mutex // guards all that follows
	lines     []invocation.LogLine
	next      int // where the oldest line stands, once lines is full
	followers map[*follower]struct{}
}

// author is whose lines come in.
type author struct {
	id   string
	mask *strings.Replacer
}

type follower struct {
	q     server.LogQuery
	lines chan invocation.LogLine
}

func newLogbook(kept invocation.Logs, show func(invocation.LogLine)) *logbook {
	return &logbook{kept: kept, show: show, followers: map[*follower]struct{}{}}
}

// setAgent says whose lines are those that name no agent, such as a zygote's,
// and sets the texts that lines must not show.
func (b *logbook) setAgent(id string, secrets []string) {
	var pairs []string
	for _, s := range secrets {
		if len(s) >= 8 {
			pairs = append(pairs, s, "•••")
		}
	}
	b.agent.Store(&author{id, strings.NewReplacer(pairs...)})
}

// Append takes a line.
func (b *logbook) Append(line invocation.LogLine) {
	if a := b.agent.Load(); a != nil {
		line.Text = a.mask.Replace(line.Text)
		line.AgentID = cmp.Or(line.AgentID, a.id)
	}
	b.show(line)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.kept.AppendLog(line) // under b.mu, so that no follower gets it twice
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
func (b *logbook) Tail(ctx context.Context, q server.LogQuery) ([]invocation.LogLine, error) {
	kept, err := b.readKept(ctx, q)
	if err != nil {
		return nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return joinLines(kept, b.tail(q), q.Limit), nil
}

// readKept returns the last matching lines that were kept, oldest first.
func (b *logbook) readKept(ctx context.Context, q server.LogQuery) ([]invocation.LogLine, error) {
	kept, err := b.kept.Logs(ctx, invocation.LogFilter{AgentID: q.AgentID, InvocationID: q.InvocationID, Limit: q.Limit})
	if err != nil {
		return nil, err
	}
	lines := make([]invocation.LogLine, len(kept))
	for i := range kept {
		lines[i] = kept[i].LogLine
	}
	return lines, nil
}

// tail returns the last matching lines in memory, oldest first. b.mu is held.
func (b *logbook) tail(q server.LogQuery) []invocation.LogLine {
	var found []invocation.LogLine
	for i := range b.lines {
		line := b.lines[(b.next+i)%len(b.lines)]
		if matches(q, line) {
			found = append(found, line)
		}
	}
	return lastLines(found, q.Limit)
}

// sameLine is what makes two lines one: the time as it is kept, in microseconds.
type sameLine struct {
	at                                 int64
	instance, invocation, stream, text string
}

// joinLines adds to the kept lines those that are in memory only, which a disk
// that fails did not take or a batch under way does not hold yet. Lines of
// several servers are in the order of their times.
func joinLines(kept, latest []invocation.LogLine, limit int) []invocation.LogLine {
	same := func(l invocation.LogLine) sameLine {
		return sameLine{l.Time.UnixMicro(), l.Instance, l.InvocationID, l.Stream, l.Text}
	}
	there := make(map[sameLine]int, len(kept))
	for _, line := range kept {
		there[same(line)]++
	}
	for _, line := range latest {
		if key := same(line); there[key] > 0 {
			there[key]--
			continue
		}
		kept = append(kept, line)
	}
	slices.SortStableFunc(kept, func(a, b invocation.LogLine) int { return a.Time.Compare(b.Time) })
	return lastLines(kept, limit)
}

func lastLines(lines []invocation.LogLine, limit int) []invocation.LogLine {
	if limit > 0 && len(lines) > limit {
		return lines[len(lines)-limit:]
	}
	return lines
}

// Follow implements server.Logs.
func (b *logbook) Follow(ctx context.Context, q server.LogQuery, emit func(invocation.LogLine) error) error {
	// What is kept is read first: a line that comes meanwhile is in memory too.
	kept, err := b.readKept(ctx, q)
	if err != nil {
		return err
	}
	f := &follower{q: q, lines: make(chan invocation.LogLine, followerLines)}
	b.mu.Lock()
	last := joinLines(kept, b.tail(q), q.Limit)
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
