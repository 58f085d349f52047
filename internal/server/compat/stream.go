package compat

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"github.com/coder/websocket"

	"github.com/runagent/runagent/api"
	"github.com/runagent/runagent/internal/fault"
	"github.com/runagent/runagent/internal/invocation"
	"github.com/runagent/runagent/internal/server/door"
)

const (
	// FirstMessage is how long a client may take to say what to run.
	FirstMessage = 30 * time.Second
	// lastFramePause keeps the final frame out of the TCP segment of the last
	// chunk: the TypeScript client drops chunks that arrive together with it.
	lastFramePause = 10 * time.Millisecond
	// maxWaiting is how much a stream gathers before it writes, whatever follows.
	maxWaiting = 64 << 10
)

// RunStream streams an entrypoint to a published client.
func (p *Door) RunStream(w http.ResponseWriter, r *http.Request) error {
	if _, err := p.door.Agents.Describe(r.Context(), r.PathValue("agent")); err != nil {
		return err
	}
	req := p.request(w, r)
	sock, err := p.door.OpenSocket(w, r)
	if err != nil {
		return err
	}
	defer sock.Close()
	first := readFirst(sock)
	c := call{door: p.door, sock: sock, req: req}
	select {
	case body := <-first:
		c.run(body)
	case <-p.door.After(FirstMessage):
		c.fail(fault.New(fault.RequestTimeout, "no message came that says what to run"))
	case <-p.door.Draining.Done():
		c.fail(fault.New(fault.AgentUnavailable, "the server is stopping"))
	case <-sock.Ctx.Done():
	}
	return nil
}

// readFirst hands over the first message and then reads on, so that pings are
// answered and a client that goes away ends the socket.
func readFirst(k *door.Socket) <-chan []byte {
	first := make(chan []byte, 1)
	k.Running.Go(func() {
		for n := 0; ; n++ {
			_, body, err := k.Conn.Read(k.Ctx)
			if err != nil {
				k.Cancel(door.ErrClientGone)
				return
			}
			if n == 0 {
				first <- body
			}
		}
	})
	return first
}

// call is one call of a published client, and its frames.
type call struct {
	door   *door.Door
	sock   *door.Socket
	req    invocation.Request
	chunks int
	// waiting holds frames that others follow at once.
	waiting []byte
	lastAt  time.Time // when the last chunk was sent
}

func (c *call) run(body []byte) {
	begin := time.Now()
	c.req.StreamOnly = true
	if err := readCall(body, &c.req); err != nil {
		c.fail(err)
		return
	}
	out, err := c.door.Executor.Execute(c.sock.Ctx, c.req, c.emit)
	if err == nil && c.chunks == 0 && len(out.Result.Output) > 0 {
		err = c.data(out.Result.Output, false)
	}
	if c.sock.Ctx.Err() != nil {
		return
	}
	if err != nil {
		c.fail(err)
		return
	}
	c.pause()
	seconds := time.Since(begin).Seconds()
	// A client that has gone needs no last frame.
	_ = c.sock.Send(api.CompatFrame{Type: "status", Status: "stream_completed", TotalChunks: &c.chunks,
		ExecutionTime: &seconds, InvocationID: out.ID})
	c.sock.Status = websocket.StatusNormalClosure
}

func (c *call) emit(e invocation.Event) error {
	switch e.Kind {
	case invocation.Started:
		var start api.StartEvent
		if err := json.Unmarshal(e.Data, &start); err != nil {
			return err
		}
		return c.sock.Send(api.CompatFrame{Type: "status", Status: "stream_started", InvocationID: start.InvocationID})
	case invocation.Chunk:
		return c.data(e.Data, e.More)
	case invocation.Log, invocation.Final, invocation.Failed: // this door has no frames for them
	}
	return nil
}

// data sends one item, unless others follow at once. The limit is on the frame:
// the quotes of both layers can make an item eight times as long.
func (c *call) data(item []byte, more bool) error {
	before := len(c.waiting)
	frames := door.AppendMessage(c.waiting, func(dst []byte) []byte {
		return append(appendData(append(dst, `{"type":"data","content":`...), item), '}')
	})
	if size, limit := len(frames)-before, c.door.MaxBytes; int64(size) > limit {
		return fault.New(fault.Execution, "an item of the stream, encoded, has %s bytes: the limit is %d", strconv.Itoa(size), limit)
	}
	c.chunks++
	c.waiting = frames
	if more && len(frames) < maxWaiting {
		return nil
	}
	return c.flush()
}

// flush sends what waits.
func (c *call) flush() error {
	if len(c.waiting) == 0 {
		return nil
	}
	err := c.sock.Write(c.waiting)
	c.waiting = c.waiting[:0]
	if cap(c.waiting) > 2*maxWaiting {
		c.waiting = nil
	}
	c.lastAt = time.Now()
	return err
}

// pause waits until the last chunk is on its way alone.
func (c *call) pause() {
	_ = c.flush() // a client that has gone is seen by its socket
	if wait := lastFramePause - time.Since(c.lastAt); c.chunks > 0 && wait > 0 {
		select {
		case <-c.door.After(wait):
		case <-c.sock.Ctx.Done():
		}
	}
}

// fail sends the error frame that ends a stream.
func (c *call) fail(err error) {
	f := c.door.Public(context.WithoutCancel(c.sock.Ctx), c.req.RequestID, err)
	c.pause()
	message := message(f)
	_ = c.sock.Send(api.CompatFrame{Type: "error", Error: message, Detail: message})
	c.sock.Status = websocket.StatusNormalClosure
}
