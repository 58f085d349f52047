package server

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"sync"

	"github.com/coder/websocket"

	"github.com/runagent/runagent/api"
	"github.com/runagent/runagent/internal/fault"
	"github.com/runagent/runagent/internal/invocation"
	"github.com/runagent/runagent/internal/server/door"
	"github.com/runagent/runagent/internal/server/envelope"
)

const (
	// maxSocketCalls bounds the calls in flight on one socket.
	maxSocketCalls = 1000
	// maxWaiting is how much a call gathers before it writes, whatever follows.
	maxWaiting = 64 << 10
)

// errCallerCanceled is the cause of a cancel message.
var errCallerCanceled = errors.New("canceled by the caller")

// handleSocket serves many calls on one WebSocket.
func (s *Server) handleSocket(w http.ResponseWriter, r *http.Request) error {
	if _, err := s.door.Agents.Describe(r.Context(), r.PathValue("agent")); err != nil {
		return err
	}
	template := invocation.Request{Agent: r.PathValue("agent"), Revision: r.Header.Get(door.RevisionHeader), Door: "v1", RequestID: door.RequestID(w), TraceParent: r.Header.Get("Traceparent")}
	template.SDKType, template.Client = door.Caller(r)
	sock, err := s.door.OpenSocket(w, r)
	if err != nil {
		return err
	}
	defer sock.Close()
	k := &callSocket{Socket: sock, door: s.door, template: template, calls: map[string]context.CancelCauseFunc{}}
	k.serve()
	return nil
}

// callSocket is a socket that carries calls, each named by the client's ref.
type callSocket struct {
	*door.Socket
	door     *door.Door
	template invocation.Request
	running  sync.WaitGroup

	mu      sync.Mutex
	calls   map[string]context.CancelCauseFunc
	leaving bool // takes no more calls
}

// serve reads messages until the socket ends, then ends the calls.
func (k *callSocket) serve() {
	leaving := make(chan struct{})
	stop := context.AfterFunc(k.door.Draining, func() {
		defer close(leaving)
		k.leave()
	})
	for {
		_, text, err := k.Conn.Read(k.Ctx)
		if err != nil {
			break
		}
		k.take(text)
	}
	k.Cancel(door.ErrClientGone)
	if !stop() {
		<-leaving
	}
	k.running.Wait()
}

// leave closes the socket at a shutdown, once its calls have ended.
func (k *callSocket) leave() {
	k.mu.Lock()
	k.leaving = true
	k.mu.Unlock()
	k.running.Wait()
	_ = k.Conn.Close(websocket.StatusGoingAway, "the server is stopping")
}

// take acts on one message. Whatever is wrong with it is answered.
func (k *callSocket) take(text []byte) {
	e, err := envelope.Read(text, &envelope.Socket)
	ref, refErr := e.Str(envelope.Ref)
	kind, kindErr := e.Str(envelope.Type)
	if err = errors.Join(err, refErr, kindErr); err != nil {
		k.fail(ref, 0, "", err)
		return
	}
	switch kind {
	case api.SocketInvoke:
		err = k.invoke(ref, &e)
	case api.SocketCancel:
		err = k.cancelCall(ref)
	default:
		err = fault.New(fault.Validation, "the message's type is %q; it must be invoke or cancel", envelope.Clip(kind, 64)).WithField("type")
	}
	if err != nil {
		k.fail(ref, 0, "", err)
	}
}

// invoke starts a call.
func (k *callSocket) invoke(ref string, e *envelope.Envelope) error {
	req := k.template
	if err := e.Call(&req); err != nil {
		return err
	}
	logs, err := e.Truth(envelope.Logs)
	if err != nil {
		return err
	}
	if ref == "" {
		return fault.New(fault.Validation, "ref is missing: it names the call in what comes back").WithField("ref")
	}
	ctx, cancel := context.WithCancelCause(k.Ctx)
	if err := k.enter(ref, cancel); err != nil {
		cancel(err)
		return err
	}
	c := &socketCall{callSocket: k, ref: ref, logs: logs}
	go func() { // serve waits for it by running
		defer k.running.Done()
		c.run(ctx, req)
	}()
	return nil
}

func (k *callSocket) enter(ref string, cancel context.CancelCauseFunc) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.leaving {
		return fault.New(fault.AgentUnavailable, "the server is stopping")
	}
	if k.calls[ref] != nil {
		return fault.New(fault.Conflict, "a call with this ref is in flight").WithField("ref")
	}
	if len(k.calls) >= maxSocketCalls {
		return fault.New(fault.Overloaded, "%d calls are in flight on this socket", maxSocketCalls)
	}
	k.calls[ref] = cancel
	k.running.Add(1)
	return nil
}

// forget frees the ref. It comes before the call's last frame: who has read
// that may use the ref again.
func (k *callSocket) forget(ref string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.calls[ref](nil)
	delete(k.calls, ref)
}

func (k *callSocket) cancelCall(ref string) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	cancel := k.calls[ref]
	if cancel == nil {
		return fault.New(fault.NotFound, "no call with this ref is in flight").WithField("ref")
	}
	cancel(errCallerCanceled)
	return nil
}

// fail sends an error. A client that is gone does not hear it.
func (k *callSocket) fail(ref string, seq int64, id string, err error) {
	f := k.door.Public(context.WithoutCancel(k.Ctx), k.template.RequestID, err)
	_ = k.Send(api.SocketEvent{Type: api.SocketError, Ref: ref, Seq: seq, InvocationID: id, Error: door.WireError(f, k.template.RequestID, id)})
}

// socketCall is one call on a socket.
type socketCall struct {
	*callSocket
	ref    string
	logs   bool
	seq    int64
	chunks int
	// waiting holds messages that others follow at once.
	waiting []byte
}

func (c *socketCall) run(ctx context.Context, req invocation.Request) {
	out, err := c.door.Executor.Execute(ctx, req, c.emit)
	c.forget(c.ref)
	if err == nil && int64(len(out.Result.Output)) > c.door.MaxBytes {
		err = fault.New(fault.Execution, "the result of %d bytes is larger than the limit of %d", len(out.Result.Output), c.door.MaxBytes)
	}
	if err != nil {
		if len(c.waiting) > 0 {
			_ = c.flush(c.waiting)
		}
		c.fail(c.ref, c.seq+1, out.ID, err)
		return
	}
	_ = c.flush(c.message(api.SocketResult, c.seq+1, func(p []byte) []byte {
		p = door.AppendQuoted(append(p, `,"invocation_id":`...), out.ID)
		p = append(p, `,"status":"succeeded","result":`...)
		if len(out.Result.Output) > 0 {
			p = append(p, out.Result.Output...)
		} else {
			p = append(p, "null"...)
		}
		p = strconv.AppendInt(append(p, `,"chunks":`...), int64(c.chunks), 10)
		return door.AppendMetadata(append(p, `,"metadata":`...), &out)
	}))
}

// message adds a message, with what all have and what rest appends, to those
// that wait.
func (c *socketCall) message(kind string, seq int64, rest func(p []byte) []byte) []byte {
	return door.AppendMessage(c.waiting, func(p []byte) []byte {
		p = append(append(p, `{"type":"`...), kind...)
		p = door.AppendQuoted(append(p, `","ref":`...), c.ref)
		p = strconv.AppendInt(append(p, `,"seq":`...), seq, 10)
		return append(rest(p), '}')
	})
}

// flush sends messages, and with them those that waited. It waits while the
// reader does not read: so a slow reader pauses its own calls, and nobody else's.
func (c *socketCall) flush(messages []byte) error {
	c.waiting = messages[:0]
	if cap(c.waiting) > 2*maxWaiting {
		c.waiting = nil
	}
	return c.Write(messages)
}

// emit sends one event, or has it wait for those that follow at once.
func (c *socketCall) emit(e invocation.Event) error {
	c.seq = e.Seq
	switch e.Kind {
	case invocation.Started:
		c.waiting = c.message(api.SocketStarted, e.Seq, func(p []byte) []byte {
			return append(append(p, ','), e.Data[1:len(e.Data)-1]...) // its members join the message's
		})
	case invocation.Chunk:
		index := c.chunks
		c.chunks++
		c.waiting = c.message(api.SocketChunk, e.Seq, func(p []byte) []byte {
			p = append(append(p, `,"content":`...), e.Data...)
			return strconv.AppendInt(append(p, `,"index":`...), int64(index), 10)
		})
	case invocation.Log:
		if c.logs {
			c.waiting = c.message(api.SocketLog, e.Seq, func(p []byte) []byte { return append(append(p, `,"log":`...), e.Data...) })
		}
	case invocation.Final, invocation.Failed: // sent from what Execute returns
	}
	if len(c.waiting) == 0 || e.More && len(c.waiting) < maxWaiting {
		return nil
	}
	return c.flush(c.waiting)
}
