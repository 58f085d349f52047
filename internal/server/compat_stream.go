package server

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
)

const (
	// firstMessage is how long a client may take to say what to run.
	firstMessage = 30 * time.Second
	// lastFramePause keeps the final frame out of the TCP segment of the last
	// chunk: the TypeScript client drops chunks that arrive together with it.
	lastFramePause = 15 * time.Millisecond
)

// handleRunStream streams an entrypoint to a published client.
func (s *Server) handleRunStream(w http.ResponseWriter, r *http.Request) error {
	if _, err := s.o.Agents.Describe(r.Context(), r.PathValue("agent")); err != nil {
		return err
	}
	req := s.compatRequest(w, r)
	sock, err := s.openSocket(w, r)
	if err != nil {
		return err
	}
	defer sock.close()
	first := sock.readFirst()
	c := compatStream{sock: sock, req: req}
	select {
	case body := <-first:
		c.run(body)
	case <-s.o.After(firstMessage):
		c.fail(fault.New(fault.RequestTimeout, "no message came that says what to run"))
	case <-s.draining.Done():
		c.fail(fault.New(fault.AgentUnavailable, "the server is stopping"))
	case <-sock.ctx.Done():
	}
	return nil
}

// readFirst hands over the first message and then reads on, so that pings are
// answered and a client that goes away ends the socket.
func (k *socket) readFirst() <-chan []byte {
	first := make(chan []byte, 1)
	k.wg.Go(func() {
		for n := 0; ; n++ {
			_, body, err := k.conn.Read(k.ctx)
			if err != nil {
				k.cancel(errClientGone)
				return
			}
			if n == 0 {
				first <- body
			}
		}
	})
	return first
}

// compatStream is one call of a published client, and its frames.
type compatStream struct {
	sock   *socket
	req    invocation.Request
	frame  []byte
	chunks int
	lastAt time.Time
}

func (c *compatStream) run(body []byte) {
	begin := time.Now()
	c.req.StreamOnly = true
	if err := readCompatCall(body, &c.req); err != nil {
		c.fail(err)
		return
	}
	out, err := c.sock.s.o.Executor.Execute(c.sock.ctx, c.req, c.emit)
	if err == nil && c.chunks == 0 && len(out.Result.Output) > 0 {
		err = c.data(out.Result.Output)
	}
	if c.sock.ctx.Err() != nil {
		return
	}
	if err != nil {
		c.fail(err)
		return
	}
	c.pause()
	seconds := time.Since(begin).Seconds()
	c.sock.send(api.CompatFrame{Type: "status", Status: "stream_completed", TotalChunks: &c.chunks,
		ExecutionTime: &seconds, InvocationID: out.ID})
	c.sock.status = websocket.StatusNormalClosure
}

func (c *compatStream) emit(e invocation.Event) error {
	switch e.Kind {
	case invocation.Started:
		var start api.StartEvent
		if err := json.Unmarshal(e.Data, &start); err != nil {
			return err
		}
		return c.sock.send(api.CompatFrame{Type: "status", Status: "stream_started", InvocationID: start.InvocationID})
	case invocation.Chunk:
		return c.data(e.Data)
	case invocation.Log, invocation.Final, invocation.Failed: // this door has no frames for them
	}
	return nil
}

// data sends one item. The limit is on the frame: the quotes of both layers
// can make an item eight times as long.
func (c *compatStream) data(item []byte) error {
	c.frame = appendData(append(c.frame[:0], `{"type":"data","content":`...), item)
	c.frame = append(c.frame, '}')
	if limit := c.sock.s.o.MaxBytes; int64(len(c.frame)) > limit {
		return fault.New(fault.Execution, "an item of the stream, encoded, has %s bytes: the limit is %d",
			strconv.Itoa(len(c.frame)), limit)
	}
	c.chunks++
	err := c.sock.write(c.frame)
	c.lastAt = time.Now()
	return err
}

// pause waits until the last chunk is on its way alone.
func (c *compatStream) pause() {
	if wait := lastFramePause - time.Since(c.lastAt); c.chunks > 0 && wait > 0 {
		select {
		case <-c.sock.s.o.After(wait):
		case <-c.sock.ctx.Done():
		}
	}
}

// fail sends the error frame that ends a stream.
func (c *compatStream) fail(err error) {
	f := c.sock.s.public(context.WithoutCancel(c.sock.ctx), c.req.RequestID, err)
	c.pause()
	message := compatMessage(f)
	_ = c.sock.send(api.CompatFrame{Type: "error", Error: message, Detail: message})
	c.sock.status = websocket.StatusNormalClosure
}
