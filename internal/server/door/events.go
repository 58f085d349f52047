package door

import (
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
	// maxPending is how much a stream gathers while a write is under way.
	// Beyond it the call waits for the reader.
	maxPending = 256 << 10
)

// EventStream writes server-sent events. While one write is under way, further
// events gather and leave together in the next: the first is never held back,
// and a busy stream needs few writes.
type EventStream struct {
	w     http.ResponseWriter
	rc    *http.ResponseController
	stall time.Duration
	after func(time.Duration) <-chan time.Time

	wake    chan struct{} // there is something to write, or the end
	drained chan struct{} // what was pending has been written
	ended   chan struct{} // the writer has returned
	last    time.Time     // of the latest write; the writer's own

	mu      sync.Mutex
	pending []byte
	closed  bool
	err     error
}

// OpenEvents starts an answer of events. The Caller closes it.
func (d *Door) OpenEvents(w http.ResponseWriter) *EventStream {
	h := w.Header()
	h.Set("Content-Type", EventStreamType)
	h.Set("Cache-Control", "no-cache, no-transform")
	h.Set("X-Accel-Buffering", "no")
	w.WriteHeader(http.StatusOK)
	es := &EventStream{
		w: w, rc: http.NewResponseController(w), stall: d.StallTimeout, after: d.After,
		wake: make(chan struct{}, 1), drained: make(chan struct{}, 1), ended: make(chan struct{}),
	}
	go es.run()
	return es
}

// Send adds an event whose data is appended by data; a seq of 0 gives it no
// id. It waits while the reader is too far behind, and returns the error that
// ended the stream. Only one goroutine may send.
func (es *EventStream) Send(event string, seq int64, data func(dst []byte) []byte) error {
	es.mu.Lock()
	for len(es.pending) > maxPending && es.err == nil {
		es.mu.Unlock()
		select {
		case <-es.drained:
		case <-es.ended:
		}
		es.mu.Lock()
	}
	if es.err != nil {
		defer es.mu.Unlock()
		return es.err
	}
	p := es.pending
	if seq > 0 {
		p = append(strconv.AppendInt(append(p, "id: "...), seq, 10), '\n')
	}
	p = append(append(append(p, "event: "...), event...), "\ndata: "...)
	es.pending = append(data(p), "\n\n"...)
	es.mu.Unlock()
	signal(es.wake)
	return nil
}

// Begin lets the client see that the stream is open, before there is an event.
func (es *EventStream) Begin() {
	es.mu.Lock()
	es.pending = append(es.pending, ": open\n\n"...)
	es.mu.Unlock()
	signal(es.wake)
}

// Close writes what is pending and returns when it is on its way.
func (es *EventStream) Close() {
	es.mu.Lock()
	es.closed = true
	es.mu.Unlock()
	signal(es.wake)
	<-es.ended
}

func signal(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}

// run is the writer.
func (es *EventStream) run() {
	defer close(es.ended)
	// The connection may serve other requests afterwards.
	defer func() { _ = es.rc.SetWriteDeadline(time.Time{}) }()
	es.last = time.Now()
	beat := es.after(heartbeat)
	var batch []byte
	for {
		select {
		case <-es.wake:
		case now := <-beat:
			silent := now.Sub(es.last)
			if silent >= heartbeat && es.write([]byte(": heartbeat\n\n")) != nil {
				return
			}
			beat = es.after(nextBeat(silent))
		}
		es.mu.Lock()
		batch, es.pending = es.pending, batch[:0]
		closed := es.closed
		es.mu.Unlock()
		if len(batch) > 0 && es.write(batch) != nil {
			return
		}
		if closed {
			return
		}
		if cap(batch) > 2*maxPending {
			batch = nil
		}
		signal(es.drained)
	}
}

// nextBeat is when to look again at a stream that has been silent so long.
func nextBeat(silent time.Duration) time.Duration {
	if silent >= heartbeat {
		return heartbeat
	}
	return heartbeat - silent
}

func (es *EventStream) write(batch []byte) error {
	es.last = time.Now()
	_ = es.rc.SetWriteDeadline(es.last.Add(es.stall))
	_, err := es.w.Write(batch)
	if err == nil {
		err = es.rc.Flush()
	}
	if err != nil {
		es.mu.Lock()
		es.err = err
		es.mu.Unlock()
	}
	return err
}
