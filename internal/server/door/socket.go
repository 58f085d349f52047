package door

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/coder/websocket"

	"github.com/runagent/runagent/internal/fault"
)

// pingEvery finds peers that are gone without a word, and keeps proxies from
// closing a Socket that is silent.
const pingEvery = 30 * time.Second

// ErrClientGone is the cause with which calls end whose client closed its Socket.
var ErrClientGone = errors.New("the client closed the socket")

// Socket is one open WebSocket. Its writes may come from many goroutines.
type Socket struct {
	d      *Door
	Conn   *websocket.Conn
	Ctx    context.Context //nolint:containedctx // the lifetime of the Socket
	Cancel context.CancelCauseFunc
	// Running is waited for by Close.
	Running sync.WaitGroup
	conn    *frameConn
	// Status is what the Socket is closed with; 0 drops it without a word.
	Status websocket.StatusCode
}

// OpenSocket accepts a WebSocket. The Caller closes it.
func (d *Door) OpenSocket(w http.ResponseWriter, r *http.Request) (*Socket, error) {
	if !strings.EqualFold(r.Header.Get("Upgrade"), "websocket") || r.ProtoMajor != 1 {
		return nil, fault.New(fault.Validation, "this route is a WebSocket: ask for it with Upgrade: websocket over HTTP/1.1")
	}
	if !d.Sockets.enter() {
		return nil, fault.New(fault.AgentUnavailable, "the server is stopping")
	}
	fw := &frameWriter{ResponseWriter: w, stall: d.StallTimeout}
	conn, err := websocket.Accept(fw, r, &websocket.AcceptOptions{
		InsecureSkipVerify: true, // the Guard has checked the origin
		CompressionMode:    websocket.CompressionDisabled,
	})
	if err != nil {
		d.Sockets.leave()
		// Accept has answered already.
		panic(http.ErrAbortHandler) //nolint:forbidigo // how net/http is told to cut a connection
	}
	conn.SetReadLimit(d.MaxBytes)
	k := &Socket{d: d, Conn: conn, conn: fw.conn}
	k.Ctx, k.Cancel = context.WithCancelCause(r.Context())
	// A write that waits for its reader ends with the Socket.
	context.AfterFunc(k.Ctx, func() { _ = k.conn.SetWriteDeadline(time.Unix(1, 0)) })
	k.Running.Go(k.ping)
	return k, nil
}

// Close ends the Socket and waits for its goroutines.
func (k *Socket) Close() {
	if k.Status != 0 && k.Ctx.Err() == nil {
		_ = k.Conn.Close(k.Status, "")
	}
	k.Cancel(nil)
	_ = k.Conn.CloseNow()
	k.Running.Wait()
	k.d.Sockets.leave()
}

// ping asks the peer for a sign of life until the Socket ends.
func (k *Socket) ping() {
	for {
		select {
		case <-k.Ctx.Done():
			return
		case <-k.d.After(pingEvery):
		}
		ctx, cancel := context.WithTimeout(k.Ctx, k.d.StallTimeout)
		err := k.Conn.Ping(ctx)
		cancel()
		if err != nil {
			k.Cancel(ErrClientGone)
			return
		}
	}
}

// Write sends messages that AppendMessage has put together. A reader that takes
// nothing for too long loses the Socket.
func (k *Socket) Write(messages []byte) error {
	_, err := k.conn.write(messages, k.Ctx.Err)
	if err != nil {
		k.Cancel(ErrClientGone)
		_ = k.conn.Close() // the stream may end in half a frame: nothing can follow
	}
	return err
}

// Send writes a message of one of api's types.
func (k *Socket) Send(message any) error {
	text, err := json.Marshal(message)
	if err != nil {
		return err
	}
	return k.Write(AppendMessage(nil, func(dst []byte) []byte { return append(dst, text...) }))
}
