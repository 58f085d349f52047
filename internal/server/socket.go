package server

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
// closing a socket that is silent.
const pingEvery = 30 * time.Second

// errClientGone is the cause with which calls end whose client closed its socket.
var errClientGone = errors.New("the client closed the socket")

// socket is one open WebSocket. Its writes may come from many goroutines.
type socket struct {
	s      *Server
	conn   *websocket.Conn
	ctx    context.Context //nolint:containedctx // the lifetime of the socket
	cancel context.CancelCauseFunc
	wg     sync.WaitGroup
	// status is what the socket is closed with; 0 drops it without a word.
	status websocket.StatusCode
	reason string
}

// openSocket accepts a WebSocket. The caller closes it.
func (s *Server) openSocket(w http.ResponseWriter, r *http.Request) (*socket, error) {
	if !strings.EqualFold(r.Header.Get("Upgrade"), "websocket") || r.ProtoMajor != 1 {
		return nil, fault.New(fault.Validation, "this route is a WebSocket: ask for it with Upgrade: websocket over HTTP/1.1")
	}
	if !s.sockets.enter() {
		return nil, fault.New(fault.AgentUnavailable, "the server is stopping")
	}
	conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{
		InsecureSkipVerify: true, // the guard has checked the origin
		CompressionMode:    websocket.CompressionDisabled,
	})
	if err != nil {
		s.sockets.leave()
		// Accept has answered already.
		panic(http.ErrAbortHandler)
	}
	conn.SetReadLimit(s.o.MaxBytes)
	k := &socket{s: s, conn: conn}
	k.ctx, k.cancel = context.WithCancelCause(r.Context())
	k.wg.Go(k.ping)
	return k, nil
}

// close ends the socket and waits for its goroutines.
func (k *socket) close() {
	if k.status != 0 && k.ctx.Err() == nil {
		_ = k.conn.Close(k.status, k.reason)
	}
	k.cancel(nil)
	_ = k.conn.CloseNow()
	k.wg.Wait()
	k.s.sockets.leave()
}

// ping asks the peer for a sign of life until the socket ends.
func (k *socket) ping() {
	for {
		select {
		case <-k.ctx.Done():
			return
		case <-k.s.o.After(pingEvery):
		}
		ctx, cancel := context.WithTimeout(k.ctx, k.s.o.StallTimeout)
		err := k.conn.Ping(ctx)
		cancel()
		if err != nil {
			k.cancel(errClientGone)
			return
		}
	}
}

// write sends one text message. A reader that takes nothing for too long loses
// the socket.
func (k *socket) write(message []byte) error {
	ctx, cancel := context.WithTimeout(k.ctx, k.s.o.StallTimeout)
	defer cancel()
	return k.conn.Write(ctx, websocket.MessageText, message)
}

// send writes a message of one of api's types.
func (k *socket) send(message any) error {
	text, err := json.Marshal(message)
	if err != nil {
		return err
	}
	return k.write(text)
}
