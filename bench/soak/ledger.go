package main

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/runagent/runagent/api"
	"github.com/runagent/runagent/sdk/go/runagent"
)

// ending is what a client saw of its call.
type ending int

const (
	open     ending = iota
	answered        // with what was due
	refused         // by the function's own error
	lost            // by an instance that ended: the client was told
	left            // by the client itself
)

// maxTold is how many wrongs are kept in words.
const maxTold = 20

// ledger holds every call that was sent, by its request ID. It is safe for
// concurrent use.
type ledger struct {
	mu     sync.Mutex // guards all that follows
	calls  map[string]ending
	counts map[ending]int
	told   []string
	wrongs int
	why    map[string]int // of broken calls: the beginning of what was said
}

func newLedger() *ledger {
	return &ledger{calls: map[string]ending{}, counts: map[ending]int{}, why: map[string]int{}}
}

func (l *ledger) sent(id string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.calls[id] = open
}

func (l *ledger) ended(id string, e ending) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.calls[id] = e
	l.counts[e]++
}

// broken notes a call that failed without the function's doing.
func (l *ledger) broken(id, said string) {
	l.ended(id, lost)
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.why) < maxTold || l.why[said] > 0 {
		l.why[said]++
	}
}

// wrong notes what must not be.
func (l *ledger) wrong(id string, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.wrongs++
	if len(l.told) < maxTold {
		l.told = append(l.told, fmt.Sprintf("%s: %v", id, err))
	}
}

// pages reads records, newest first.
type pages interface {
	Invocations(ctx context.Context, q runagent.InvocationQuery) (*api.InvocationList, error)
}

// statuses are what a record may say of a call that ended so. A client that
// left may have been served to the end.
var statuses = map[ending][]string{
	answered: {"succeeded"},
	refused:  {"failed"},
	lost:     {"failed"},
	left:     {"canceled", "succeeded", "failed"},
}

// compare reads all records and enters every difference as a wrong: a call
// without a record, a record without a call, two for one, or another ending.
func (l *ledger) compare(ctx context.Context, records pages) (stored int, err error) {
	seen := make(map[string]bool, len(l.calls))
	query := runagent.InvocationQuery{Limit: 1000}
	for {
		page, err := records.Invocations(ctx, query)
		if err != nil {
			return stored, fmt.Errorf("read records: %w", err)
		}
		for i := range page.Invocations {
			r := &page.Invocations[i]
			stored++
			l.match(seen, r.RequestID, r.Status)
		}
		if query.Cursor = page.NextCursor; query.Cursor == "" {
			break
		}
	}
	for id := range l.calls {
		if !seen[id] {
			l.wrong(id, errors.New("the call has no record"))
		}
	}
	return stored, nil
}

func (l *ledger) match(seen map[string]bool, id, status string) {
	ended, known := l.calls[id]
	switch {
	case !known:
		l.wrong(id, errors.New("a record of a call that was not made"))
	case seen[id]:
		l.wrong(id, errors.New("a second record"))
	case !allowed(ended, status):
		l.wrong(id, fmt.Errorf("the record says %s, the client saw ending %d", status, ended))
	}
	seen[id] = true
}

func allowed(e ending, status string) bool {
	for _, s := range statuses[e] {
		if s == status {
			return true
		}
	}
	return false
}
