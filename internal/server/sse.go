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
	"github.com/runagent/runagent/internal/server/door"
)

// startDelay is how long the start event waits for what comes next. A call that
// is refused at once, because its queue is full, is so answered by a status; one
// that ends sooner need not be kept alive.
const startDelay = 20 * time.Millisecond

// stream runs req and answers with its events. What fails before the first
// event is answered as a plain error.
func (s *Server) stream(w http.ResponseWriter, r *http.Request, req invocation.Request) error {
	c := eventCall{s: s, w: w, logs: wantsLogs(r)}
	defer c.close() // also when the call panics: the writer must not outlive the request
	out, err := s.door.Executor.Execute(r.Context(), req, c.emit)
	if err != nil && c.unopened(err) {
		return &door.CallError{ID: out.ID, Err: err}
	}
	c.open()
	if err != nil {
		f := s.door.Public(r.Context(), req.RequestID, err)
		data, err := json.Marshal(door.WireError(f, req.RequestID, out.ID))
		if err != nil {
			return nil // the stream has begun: there is no other way to answer
		}
		_ = c.events.Add("error", c.seq+1, func(dst []byte) []byte { return append(dst, data...) })
		return nil
	}
	_ = c.events.Add("done", c.seq+1, func(dst []byte) []byte { return c.done(dst, &out) })
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
	events  *door.EventStream
}

// open starts the answer, with the start event, which waits for what comes next.
func (c *eventCall) open() { c.once.Do(c.begin) }

// late is called when the call has taken a while: it starts the answer if
// nothing has come, and sees that it is kept alive.
func (c *eventCall) late() {
	c.once.Do(func() {
		c.begin()
		_ = c.events.Flush()
	})
	if c.events != nil {
		c.events.KeepAlive()
	}
}

func (c *eventCall) begin() {
	c.events = c.s.door.OpenEvents(c.w)
	_ = c.events.Add("start", c.startID, func(dst []byte) []byte { return door.AppendLine(dst, c.start) })
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
		c.events.Close()
	}
}

func (c *eventCall) emit(e invocation.Event) error {
	c.seq = e.Seq
	if e.Kind == invocation.Started {
		c.start, c.startID = e.Data, e.Seq
		c.delay = time.AfterFunc(startDelay, c.late)
		return nil
	}
	c.open()
	var err error
	switch e.Kind {
	case invocation.Chunk:
		index := c.chunks
		c.chunks++
		err = c.events.Add("chunk", e.Seq, func(dst []byte) []byte {
			dst = door.AppendLine(append(dst, `{"content":`...), e.Data)
			dst = strconv.AppendInt(append(dst, `,"index":`...), int64(index), 10)
			return append(dst, '}')
		})
	case invocation.Log:
		if c.logs {
			err = c.events.Add("log", e.Seq, func(dst []byte) []byte { return door.AppendLine(dst, e.Data) })
		}
	case invocation.Started, invocation.Final, invocation.Failed: // written from what Execute returns
	}
	if e.More || err != nil {
		return err
	}
	return c.events.Flush()
}

// done appends an api.DoneEvent.
func (c *eventCall) done(dst []byte, out *invocation.Outcome) []byte {
	dst = append(dst, `{"status":"succeeded","result":`...)
	if len(out.Result.Output) > 0 {
		dst = door.AppendLine(dst, out.Result.Output)
	} else {
		dst = append(dst, "null"...)
	}
	dst = strconv.AppendInt(append(dst, `,"chunks":`...), int64(c.chunks), 10)
	dst = door.AppendMetadata(append(dst, `,"metadata":`...), out)
	return append(dst, '}')
}

// merge returns a context that ends with either of two.
func merge(ctx, other context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(other, func() { cancel(context.Cause(other)) })
	return ctx, func() { stop(); cancel(nil) }
}
