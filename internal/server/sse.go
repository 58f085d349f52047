package server

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/runagent/runagent/internal/fault"
	"github.com/runagent/runagent/internal/invocation"
)

const (
	eventStreamType = "text/event-stream"
	// heartbeat keeps proxies from closing a stream that is silent.
	heartbeat = 15 * time.Second
	// maxPending is how much a stream gathers while a write is under way.
	// Beyond it the call waits for the reader.
	maxPending = 256 << 10
)

// startDelay is how long the start event waits for what comes next. A call that
// is refused at once, because its queue is full, is so answered by a status.
const startDelay = 20 * time.Millisecond

// stream runs req and answers with its events. What fails before the first
// event is answered as a plain error.
func (s *Server) stream(w http.ResponseWriter, r *http.Request, req invocation.Request) error {
	c := eventCall{s: s, w: w, logs: wantsLogs(r)}
	defer c.close() // also when the call panics: the writer must not outlive the request
	out, err := s.o.Executor.Execute(r.Context(), req, c.emit)
	if err != nil && c.unopened(err) {
		return &callError{out.ID, err}
	}
	c.open()
	if err != nil {
		f := s.public(r.Context(), req.RequestID, err)
		data, err := json.Marshal(wireError(f, req.RequestID, out.ID))
		if err != nil {
			return nil //nolint:nilerr // the stream has begun: there is no other way to answer
		}
		_ = c.events.send("error", c.seq+1, func(dst []byte) []byte { return append(dst, data...) })
		return nil
	}
	_ = c.events.send("done", c.seq+1, func(dst []byte) []byte { return c.done(dst, &out) })
	return nil
}

// wantsLogs reports whether a caller asked for log lines among the events.
func wantsLogs(r *http.Request) bool {
	switch r.URL.Query().Get("logs") {
	case "1", "true":
		return true
	}
	return false
}

// eventCall is one call whose events go out as SSE.
type eventCall struct {
	s      *Server
	w      http.ResponseWriter
	logs   bool
	seq    int64
	chunks int

	start   json.RawMessage // the start event's data, until it is sent
	startID int64
	delay   *time.Timer
	once    sync.Once // starts the answer, or settles that it is a plain error
	events  *eventStream
}

// open starts the answer, with the start event. It is called at the next
// event or when startDelay has passed.
func (c *eventCall) open() {
	c.once.Do(func() {
		c.events = c.s.openEvents(c.w)
		_ = c.events.send("start", c.startID, func(dst []byte) []byte { return appendLine(dst, c.start) })
	})
}

// unopened reports whether err can still be answered by a status, and should:
// the call was refused before any of its code ran.
func (c *eventCall) unopened(err error) bool {
	switch fault.CodeOf(err) {
	case fault.Overloaded, fault.AgentUnavailable, fault.RateLimited:
	default:
		if c.start != nil {
			return false
		}
	}
	c.once.Do(func() {})
	return c.events == nil
}

func (c *eventCall) close() {
	if c.delay != nil {
		c.delay.Stop()
	}
	c.once.Do(func() {})
	if c.events != nil {
		c.events.close()
	}
}

func (c *eventCall) emit(e invocation.Event) error {
	c.seq = e.Seq
	if e.Kind == invocation.Started {
		c.start, c.startID = e.Data, e.Seq
		c.delay = time.AfterFunc(startDelay, c.open)
		return nil
	}
	c.open()
	switch e.Kind {
	case invocation.Chunk:
		index := c.chunks
		c.chunks++
		return c.events.send("chunk", e.Seq, func(dst []byte) []byte {
			dst = appendLine(append(dst, `{"content":`...), e.Data)
			dst = strconv.AppendInt(append(dst, `,"index":`...), int64(index), 10)
			return append(dst, '}')
		})
	case invocation.Log:
		if c.logs {
			return c.events.send("log", e.Seq, func(dst []byte) []byte { return appendLine(dst, e.Data) })
		}
	case invocation.Started, invocation.Final, invocation.Failed: // written from what Execute returns
	}
	return nil
}

// done appends an api.DoneEvent.
func (c *eventCall) done(dst []byte, out *invocation.Outcome) []byte {
	dst = append(dst, `{"status":"succeeded","result":`...)
	if len(out.Result.Output) > 0 {
		dst = appendLine(dst, out.Result.Output)
	} else {
		dst = append(dst, "null"...)
	}
	dst = strconv.AppendInt(append(dst, `,"chunks":`...), int64(c.chunks), 10)
	dst = appendMetadata(append(dst, `,"metadata":`...), out)
	return append(dst, '}')
}

// eventStream writes server-sent events. While one write is under way, further
// events gather and leave together in the next: the first is never held back,
// and a busy stream needs few writes.
type eventStream struct {
	w     http.ResponseWriter
	rc    *http.ResponseController
	stall time.Duration
	after func(time.Duration) <-chan time.Time

	wake    chan struct{} // there is something to write, or the end
	drained chan struct{} // what was pending has been written
	ended   chan struct{} // the writer has returned

	mu      sync.Mutex
	pending []byte
	closed  bool
	err     error
}

// openEvents starts an answer of events. The caller closes it.
func (s *Server) openEvents(w http.ResponseWriter) *eventStream {
	h := w.Header()
	h.Set("Content-Type", eventStreamType)
	h.Set("Cache-Control", "no-cache, no-transform")
	h.Set("X-Accel-Buffering", "no")
	w.WriteHeader(http.StatusOK)
	es := &eventStream{
		w: w, rc: http.NewResponseController(w), stall: s.o.StallTimeout, after: s.o.After,
		wake: make(chan struct{}, 1), drained: make(chan struct{}, 1), ended: make(chan struct{}),
	}
	go es.run()
	return es
}

// send adds an event whose data is appended by data; a seq of 0 gives it no
// id. It waits while the reader is too far behind, and returns the error that
// ended the stream. Only one goroutine may send.
func (es *eventStream) send(event string, seq int64, data func(dst []byte) []byte) error {
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

// begin lets the client see that the stream is open, before there is an event.
func (es *eventStream) begin() {
	es.mu.Lock()
	es.pending = append(es.pending, ": open\n\n"...)
	es.mu.Unlock()
	signal(es.wake)
}

// close writes what is pending and returns when it is on its way.
func (es *eventStream) close() {
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
func (es *eventStream) run() {
	defer close(es.ended)
	// The connection may serve other requests afterwards.
	defer func() { _ = es.rc.SetWriteDeadline(time.Time{}) }()
	beat := es.after(heartbeat)
	var batch []byte
	for {
		select {
		case <-es.wake:
		case <-beat:
			beat = es.after(heartbeat)
			if es.write([]byte(": heartbeat\n\n")) != nil {
				return
			}
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

func (es *eventStream) write(batch []byte) error {
	_ = es.rc.SetWriteDeadline(time.Now().Add(es.stall))
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

// merge returns a context that ends with either of two.
func merge(ctx, other context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(other, func() { cancel(context.Cause(other)) })
	return ctx, func() { stop(); cancel(nil) }
}
