package engine

import (
	"context"
	"slices"
	"strings"
	"sync"

	"github.com/runagent/runagent/internal/invocation"
	"github.com/runagent/runagent/internal/server"
)

const (
	// bookLines is how many of the latest lines are kept in memory.
	bookLines = 10_000
	// followerLines is how far a follower may fall behind before it is cut off.
	followerLines = 4096
)

// Logbook takes every line that agents print: it masks secrets, shows and
// keeps the line, and hands it to who follows. Readers get the latest lines and
// those that were kept before, by earlier servers too. It is safe for concurrent use.
type Logbook struct {
	kept invocation.Logs
	show func(invocation.LogLine)

	masking sync.RWMutex // guards masks
	masks   map[string]*strings.Replacer

	mu        sync.Mutex // guards all that follows
	lines     []invocation.LogLine
	next      int // where the oldest line stands, once lines is full
	followers map[*follower]struct{}
}

type follower struct {
	q     server.LogQuery
	lines chan invocation.LogLine
}

// NewLogbook returns a logbook that keeps lines in kept, and hands each to show.
func NewLogbook(kept invocation.Logs, show func(invocation.LogLine)) *Logbook {
	return &Logbook{kept: kept, show: show, masks: map[string]*strings.Replacer{}, followers: map[*follower]struct{}{}}
}

// Mask sets the texts that an agent's lines must not show; short ones would
// mask ordinary words, and stay.
func (b *Logbook) Mask(agentID string, secrets []string) {
	var pairs []string
	for _, s := range secrets {
		if len(s) >= 8 {
			pairs = append(pairs, s, "•••")
		}
	}
	b.masking.Lock()
	defer b.masking.Unlock()
	b.masks[agentID] = strings.NewReplacer(pairs...)
}

// Append takes a line.
func (b *Logbook) Append(line invocation.LogLine) {
	b.masking.RLock()
	mask := b.masks[line.AgentID]
	b.masking.RUnlock()
	if mask != nil {
		line.Text = mask.Replace(line.Text)
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
func (b *Logbook) Tail(ctx context.Context, q server.LogQuery) ([]invocation.LogLine, error) {
	kept, err := b.readKept(ctx, q)
	if err != nil {
		return nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return joinLines(kept, b.tail(q), q.Limit), nil
}

// readKept returns the last matching lines that were kept, oldest first.
func (b *Logbook) readKept(ctx context.Context, q server.LogQuery) ([]invocation.LogLine, error) {
	kept, err := b.kept.Logs(ctx, invocation.LogFilter{
		AgentID: q.AgentID, InvocationID: q.InvocationID, Revision: q.Revision, Since: q.Since, Limit: q.Limit,
	})
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
func (b *Logbook) tail(q server.LogQuery) []invocation.LogLine {
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
func (b *Logbook) Follow(ctx context.Context, q server.LogQuery, emit func(invocation.LogLine) error) error {
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
		(q.InvocationID == "" || q.InvocationID == line.InvocationID) &&
		(q.Revision == "" || q.Revision == line.Revision) && !line.Time.Before(q.Since)
}

var _ server.Logs = (*Logbook)(nil)
