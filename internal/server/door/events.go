package door

import (
	"errors"
	"net/http"
	"strconv"
	"sync"
	"time"
)

const (
	// EventStreamType is the media type of server-sent events.
	EventStreamType = "text/event-stream"
	// heartbeat is how long a stream is silent before a comment is sent, which
	// keeps proxies from closing it.
	heartbeat = 15 * time.Second
	// maxGathered is how much a stream gathers before it writes, whatever follows.
	maxGathered = 64 << 10
)

// EventStream writes server-sent events. What is added leaves in one write with
// the next event that is sent.
type EventStream struct {
	d       *Door
	w       http.ResponseWriter
	rc      *http.ResponseController
	scratch *[]byte
	quit    chan struct{}  // closed by Close, if there is a heart
	heart   sync.WaitGroup // its goroutine

	writing  sync.Mutex // guards all that follows, and is held by who writes
	pending  []byte
	last     time.Time // of the latest write
	deadline time.Time // of writes
	err      error
}

// OpenEvents starts an answer of events. The Caller closes it, and has it kept
// alive if it is to last.
func (d *Door) OpenEvents(w http.ResponseWriter) *EventStream {
	h := w.Header()
	h.Set("Content-Type", EventStreamType)
	h.Set("Cache-Control", "no-cache, no-transform")
	h.Set("X-Accel-Buffering", "no")
	w.WriteHeader(http.StatusOK)
	es := &EventStream{
		d: d, w: w, rc: http.NewResponseController(w), scratch: d.Scratch.Take(), last: time.Now(),
	}
	es.pending = (*es.scratch)[:0]
	return es
}

// KeepAlive sends a comment whenever the stream has been silent for long, until
// it is closed.
func (es *EventStream) KeepAlive() {
	es.writing.Lock()
	defer es.writing.Unlock()
	if es.err != nil || es.quit != nil {
		return
	}
	quit := make(chan struct{})
	es.quit = quit
	es.heart.Go(func() { es.beat(quit) })
}

// Add adds an event whose data is appended by data; a seq of 0 gives it no id.
// It may be written later, with what follows. It returns the error that ended the stream.
func (es *EventStream) Add(event string, seq int64, data func(dst []byte) []byte) error {
	es.writing.Lock()
	defer es.writing.Unlock()
	es.append(event, seq, data)
	if len(es.pending) > maxGathered {
		es.write()
	}
	return es.err
}

// Send is Add and Flush.
func (es *EventStream) Send(event string, seq int64, data func(dst []byte) []byte) error {
	if err := es.Add(event, seq, data); err != nil {
		return err
	}
	return es.Flush()
}

// Flush writes what was added. It returns when that is on its way: so it waits
// for a reader that is too far behind.
func (es *EventStream) Flush() error {
	es.writing.Lock()
	defer es.writing.Unlock()
	es.write()
	return es.err
}

func (es *EventStream) append(event string, seq int64, data func(dst []byte) []byte) {
	if es.err != nil {
		return
	}
	p := es.pending
	if seq > 0 {
		p = append(strconv.AppendInt(append(p, "id: "...), seq, 10), '\n')
	}
	p = append(append(append(p, "event: "...), event...), "\ndata: "...)
	es.pending = append(data(p), "\n\n"...)
}

// Begin lets the client see that the stream is open, before there is an event,
// and keeps it alive.
func (es *EventStream) Begin() {
	es.KeepAlive()
	es.comment(": open\n\n")
}

func (es *EventStream) comment(text string) {
	es.writing.Lock()
	defer es.writing.Unlock()
	if es.err == nil {
		es.pending = append(es.pending, text...)
		es.write()
	}
}

// Close writes what is pending and ends the stream. What net/http adds to it as
// the handler returns leaves in the same write; the deadline of that it resets
// itself.
func (es *EventStream) Close() {
	es.end()
	es.heart.Wait()
}

func (es *EventStream) end() {
	es.writing.Lock()
	defer es.writing.Unlock()
	es.hand()
	if es.err == nil {
		es.err = errStreamClosed
	}
	es.d.Scratch.Give(es.scratch, es.pending)
	es.pending = nil
	if es.quit != nil {
		close(es.quit)
	}
}

var errStreamClosed = errors.New("the stream of events is closed")

// beat writes a comment whenever the stream has been silent for long.
func (es *EventStream) beat(quit <-chan struct{}) {
	wait := heartbeat
	for {
		select {
		case <-quit:
			return
		case now := <-es.d.After(wait):
			wait = es.beatOnce(now)
		}
	}
}

// beatOnce returns when to look again.
func (es *EventStream) beatOnce(now time.Time) time.Duration {
	es.writing.Lock()
	silent := now.Sub(es.last)
	es.writing.Unlock()
	if silent < heartbeat {
		return heartbeat - silent
	}
	es.comment(": heartbeat\n\n")
	return heartbeat
}

// write writes what is pending. Called with es.writing.
func (es *EventStream) write() {
	if es.hand() && es.err == nil {
		es.err = es.rc.Flush()
	}
}

// hand gives what is pending to net/http, and reports whether there was
// something. Called with es.writing.
func (es *EventStream) hand() bool {
	if len(es.pending) == 0 || es.err != nil {
		return false
	}
	es.last = time.Now()
	// Renewed now and then: to set one costs a fair part of a write.
	if es.deadline.Sub(es.last) < es.d.StallTimeout {
		es.deadline = es.last.Add(es.d.StallTimeout + es.d.StallTimeout/4)
		_ = es.rc.SetWriteDeadline(es.deadline)
	}
	_, es.err = es.w.Write(es.pending)
	es.pending = es.pending[:0]
	if cap(es.pending) > 2*maxGathered {
		es.pending = nil
	}
	return true
}
