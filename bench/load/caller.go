// Package load sends calls to a server as fast as it answers, checks every
// answer, and says how long each took. Its HTTP and WebSocket clients do the
// least that a client can: on a small machine the load generator shares the
// cores with the server it measures.
package load

import (
	"bytes"
	"fmt"
	"net"
	"time"
)

// Shot is one call, ready to be written to a socket.
type Shot struct {
	// Label groups latencies; it may be empty.
	Label string
	// Wire holds the bytes of the request: HTTP, or the text of a message.
	Wire []byte
	// First marks the first item of a streamed answer; nil: not timed.
	First []byte
	// End tells from a message that it is the last one (WebSockets only).
	End func(message []byte) bool
	// Check returns an error unless body is the answer that is due.
	Check func(body []byte) error
}

// Timing says when the parts of an answer came.
type Timing struct {
	First time.Time // when Shot.First was seen; zero: it was not
}

// Caller is one client with one connection. It is not safe for concurrent use.
type Caller interface {
	// Call sends the shot and reads the whole answer; the body is valid until
	// the next Call.
	Call(s *Shot) (body []byte, t Timing, err error)
	Close() error
}

const (
	dialTimeout = 10 * time.Second
	// callTimeout ends the wait for a server that hangs.
	callTimeout = 60 * time.Second
	// firstTimeout ends the wait for the first item of a call to be abandoned.
	firstTimeout = 5 * time.Second
)

func dial(addr string) (net.Conn, error) {
	conn, err := net.DialTimeout("tcp", addr, dialTimeout)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	return conn, nil
}

// watch notes when marker shows up in a body that grows.
type watch struct {
	marker []byte
	seen   int // bytes of the body looked at
	at     time.Time
}

func (w *watch) look(body []byte) {
	if w.marker == nil || !w.at.IsZero() || len(body) == w.seen {
		return
	}
	from := max(0, w.seen-len(w.marker))
	w.seen = len(body)
	if bytes.Contains(body[from:], w.marker) {
		w.at = time.Now()
	}
}
