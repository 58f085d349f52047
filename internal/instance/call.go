package instance

import (
	"bytes"
	"encoding/json"
	"strconv"
	"sync"
	"time"

	"github.com/runagent/runagent/internal/instance/wire"
	"github.com/runagent/runagent/internal/invocation"
)

const (
	// creditItems and creditBytes bound what one call may have on the way:
	// enough that a fast reader never waits, little enough that 10,000 slow
	// ones are bearable.
	creditItems = 128
	creditBytes = 256 << 10
	// maxCallLogs bounds the log lines waiting for a slow reader of one call;
	// lines beyond it are not lost to the instance's log, only to this reader.
	maxCallLogs = 1024
)

// inflight is one call on an instance, from CALL to RESULT or ERROR.
type inflight struct {
	id         uint32
	invocation string
	slot       slotKind
	wake       chan struct{}   // holds a token when there is something to take
	sent       <-chan struct{} // closed when nothing refers to the call's input; nil if nothing does
	joint      wire.Joint      // of the goroutine that reads

	mu        sync.Mutex // guards all that follows
	arrived   []arrival
	logs      int // log lines among them
	ended     bool
	abandoned bool // its caller has gone: nothing is kept for it
	result    wire.Answer
	memory    []byte // in which result lies
	failure   *userError
	err       error // the instance's end

	// overdue runs out when the instance does not confirm a cancel.
	overdue *time.Timer
	// pongsAtCancel is the instance's count of pongs when the cancel was sent.
	pongsAtCancel int64
}

// arrival is what one frame brought for a call: a chunk, several chunks in
// lines, or a log line.
type arrival struct {
	kind byte // wire.Chunk, wire.Chunks or wire.Log
	data []byte
}

// items returns how many chunks arrived, and how much of the call's credit
// their bytes took.
func (a *arrival) items() (count, size int) {
	switch a.kind {
	case wire.Chunk:
		return 1, len(a.data)
	case wire.Chunks:
		breaks := bytes.Count(a.data, lineBreak)
		return breaks + 1, len(a.data) - breaks
	}
	return 0, 0
}

var lineBreak = []byte{'\n'} // between the items of a CHUNKS

// emit hands on what arrived, event by event. more says that other events
// follow at once.
func (a *arrival) emit(more bool, emit func(invocation.Event) error) error {
	if a.kind == wire.Log {
		return emit(invocation.Event{Kind: invocation.Log, Data: a.data, More: more})
	}
	rest := a.data
	for a.kind == wire.Chunks {
		at := bytes.IndexByte(rest, '\n')
		if at < 0 {
			break
		}
		if err := emit(invocation.Event{Kind: invocation.Chunk, Data: rest[:at:at], More: true}); err != nil {
			return err
		}
		rest = rest[at+1:]
	}
	return emit(invocation.Event{Kind: invocation.Chunk, Data: rest, More: more})
}

// add keeps what arrived and wakes the caller.
func (c *inflight) add(kind byte, data []byte) {
	c.mu.Lock()
	if c.abandoned || (kind == wire.Log && c.logs >= maxCallLogs) {
		c.mu.Unlock()
		return
	}
	if kind == wire.Log {
		c.logs++
	}
	c.arrived = append(c.arrived, arrival{kind, data})
	c.mu.Unlock()
	c.signal()
}

// finish ends the call and wakes the caller. The first end counts.
func (c *inflight) finish(set func()) {
	c.mu.Lock()
	if !c.ended {
		set()
		c.ended = true
	}
	if c.overdue != nil {
		c.overdue.Stop()
	}
	c.mu.Unlock()
	c.signal()
}

func (c *inflight) signal() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// take returns what has come since the last take.
func (c *inflight) take(spare []arrival) (arrived []arrival, ended bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	arrived, c.arrived, c.logs = c.arrived, spare[:0], 0
	return arrived, c.ended
}

// callMetadata is the JSON that user code may ask for.
func callMetadata(c *invocation.Call) []byte {
	b := make([]byte, 0, 128+len(c.Metadata))
	b = append(b, `{"invocation_id":"`...)
	b = append(b, c.ID...)
	b = strconv.AppendInt(append(b, `","attempt":`...), int64(c.Attempt), 10)
	if c.SessionID != "" {
		b = append(b, `,"session_id":`...)
		b = appendJSONString(b, c.SessionID)
	}
	if c.TraceParent != "" {
		b = append(b, `,"traceparent":`...)
		b = appendJSONString(b, c.TraceParent)
	}
	if c.Metadata != nil {
		b = append(append(b, `,"metadata":`...), c.Metadata...)
	}
	return append(b, '}')
}

func appendJSONString(b []byte, s string) []byte {
	raw, err := json.Marshal(s)
	if err != nil {
		return append(b, `""`...)
	}
	return append(b, raw...)
}
