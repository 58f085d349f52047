package instance

import (
	"encoding/json"
	"fmt"
	"strconv"
	"sync"
	"time"

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
	wake       chan struct{} // holds a token when there is something to take
	joint      joint         // of the goroutine that reads

	mu        sync.Mutex // guards all that follows
	events    []invocation.Event
	logs      int // log lines among events
	ended     bool
	abandoned bool // its caller has gone: nothing is kept for it
	result    result
	failure   *userError
	err       error // the instance's end

	// overdue runs out when the instance does not confirm a cancel.
	overdue *time.Timer
	// pongsAtCancel is the instance's count of pongs when the cancel was sent.
	pongsAtCancel int64
}

// add appends an event and wakes the caller.
func (c *inflight) add(e invocation.Event) {
	c.mu.Lock()
	if c.abandoned || (e.Kind == invocation.Log && c.logs >= maxCallLogs) {
		c.mu.Unlock()
		return
	}
	if e.Kind == invocation.Log {
		c.logs++
	}
	c.events = append(c.events, e)
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
func (c *inflight) take(spare []invocation.Event) (events []invocation.Event, ended bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	events, c.events, c.logs = c.events, spare[:0], 0
	return events, c.ended
}

// joint is where the parts of split payloads come together. It is of one call,
// and of the goroutine that reads.
type joint struct{ parts []byte }

// add reads the payload of f and returns it when it is whole, with ok. What it
// returns is the receiver's own.
func (j *joint) add(fr *frameReader, f *frame, limit int) (payload []byte, ok bool, err error) {
	have := len(j.parts)
	switch f.flags & (flagMore | flagContinues) {
	case 0:
		if j.parts != nil {
			return nil, false, errSplit
		}
		payload = make([]byte, f.size())
		return payload, true, fr.take(f, payload)
	case flagMore:
		if j.parts != nil {
			return nil, false, errSplit
		}
		if f.whole > limit {
			return nil, false, fmt.Errorf("payload over %d bytes", limit)
		}
		j.parts = make([]byte, 0, f.whole)
	}
	all := have + f.size()
	if j.parts == nil || all > cap(j.parts) || !f.more() && all != cap(j.parts) {
		return nil, false, errSplit
	}
	j.parts = j.parts[:all]
	if err := fr.take(f, j.parts[have:]); err != nil || f.more() {
		return nil, false, err
	}
	payload, j.parts = j.parts, nil
	return payload, true, nil
}

// callMetadata is the JSON that user code may ask for.
func callMetadata(c invocation.Call) []byte {
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
