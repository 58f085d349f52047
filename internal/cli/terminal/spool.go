package terminal

import (
	"bytes"
	"fmt"
	"io"
	"sync"
	"time"
)

const (
	// spoolBytes is what waits for a terminal: several screens, and little memory.
	spoolBytes = 256 << 10
	// lastWords is how long a terminal may take for what is left at the end.
	lastWords = time.Second
)

// Spool stands between a server and what shows its output. A terminal that is
// stopped, or a pipe that nobody reads, holds up nothing: what comes meanwhile
// is dropped, and how much that was is said later. Safe for concurrent use.
type Spool struct {
	talk io.Writer
	wake chan struct{}
	done chan struct{}

	mu     sync.Mutex
	queued []spooled
	size   int
	lost   int // lines
	closed bool
}

// spooled is output on its way to one writer.
type spooled struct {
	to   io.Writer
	text []byte
}

// NewSpool returns a Spool that tells on talk what it dropped. The caller closes it.
func NewSpool(talk io.Writer) *Spool {
	s := &Spool{talk: talk, wake: make(chan struct{}, 1), done: make(chan struct{})}
	go s.run()
	return s
}

// For returns a writer whose output goes to w, in one order with that of all
// others of this Spool. Its Write returns at once and never fails.
func (s *Spool) For(w io.Writer) io.Writer { return spoolWriter{s, w} }

type spoolWriter struct {
	s  *Spool
	to io.Writer
}

// Write implements io.Writer.
func (w spoolWriter) Write(p []byte) (int, error) {
	w.s.put(w.to, p)
	return len(p), nil
}

func (s *Spool) put(to io.Writer, p []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	if s.size > 0 && s.size+len(p) > spoolBytes {
		s.lost += bytes.Count(p, []byte{'\n'})
		return
	}
	s.size += len(p)
	if n := len(s.queued); n > 0 && s.queued[n-1].to == to {
		s.queued[n-1].text = append(s.queued[n-1].text, p...)
	} else {
		s.queued = append(s.queued, spooled{to, bytes.Clone(p)})
	}
	s.signal()
}

func (s *Spool) signal() {
	select {
	case s.wake <- struct{}{}:
	default: // it is awake
	}
}

// Close waits until all is written, but not for a terminal that takes nothing.
func (s *Spool) Close() { s.close(time.After(lastWords)) }

func (s *Spool) close(end <-chan time.Time) {
	s.mu.Lock()
	s.closed = true
	s.signal()
	s.mu.Unlock()
	select {
	case <-s.done:
	case <-end: // run hangs in a write until the process ends
	}
}

// run writes what is queued, until the end.
func (s *Spool) run() {
	defer close(s.done)
	for range s.wake {
		for s.writeQueued() {
		}
		s.mu.Lock()
		closed := s.closed
		s.mu.Unlock()
		if closed {
			return
		}
	}
}

// writeQueued reports whether there was anything.
func (s *Spool) writeQueued() bool {
	s.mu.Lock()
	queued, lost := s.queued, s.lost
	s.queued, s.size, s.lost = nil, 0, 0
	s.mu.Unlock()
	for _, q := range queued {
		_, _ = q.to.Write(q.text) // who reads it is gone
	}
	if lost > 0 {
		fmt.Fprintf(s.talk, "runagent: %d lines were not shown here: the output was not read\n", lost)
	}
	return len(queued) > 0
}
