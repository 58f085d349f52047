package door

import (
	"bufio"
	"encoding/binary"
	"errors"
	"net"
	"net/http"
	"sync"
	"time"
)

// What RFC 6455 says about the head of a frame that carries a whole text message.
const (
	finalText  = 0x81
	short      = 125 // a longer message has its length in two or eight more bytes
	longest    = 2 + 8
	size16     = 126
	size64     = 127
	maxSize16  = 1<<16 - 1
	headSize16 = 2 + 2
)

// AppendMessage appends the frame of a text message, which text appends. Many
// may be put together, to leave in one write.
func AppendMessage(dst []byte, text func(dst []byte) []byte) []byte {
	at := len(dst)
	dst = text(append(dst, finalText, 0, 0, 0, 0, 0, 0, 0, 0, 0))
	size := len(dst) - at - longest
	head := 2
	switch {
	case size <= short:
		dst[at+1] = byte(size)
	case size <= maxSize16:
		head = headSize16
		dst[at+1] = size16
		binary.BigEndian.PutUint16(dst[at+2:], uint16(size))
	default:
		dst[at+1] = size64
		binary.BigEndian.PutUint64(dst[at+2:], uint64(size))
		return dst
	}
	return dst[:at+head+copy(dst[at+head:], dst[at+longest:])]
}

// frameConn is the connection of a Socket. The library writes its control
// frames to it, each in one write, and the Socket whole messages beside them.
type frameConn struct {
	net.Conn
	stall time.Duration

	writing  sync.Mutex // guards all that follows, and is held by who writes
	deadline time.Time
}

// Write writes whole frames. A reader that takes nothing for too long is given up.
func (c *frameConn) Write(frames []byte) (int, error) {
	return c.write(frames, func() error { return nil })
}

// write is Write unless gone returns an error. Who wants to end a write that
// waits makes gone do so, then ends the time for it.
func (c *frameConn) write(frames []byte, gone func() error) (int, error) {
	c.writing.Lock()
	defer c.writing.Unlock()
	// Renewed now and then: to set one costs a fair part of a write.
	if now := time.Now(); c.deadline.Sub(now) < c.stall {
		c.deadline = now.Add(c.stall + c.stall/4)
		if err := c.SetWriteDeadline(c.deadline); err != nil {
			return 0, err
		}
	}
	if err := gone(); err != nil {
		return 0, err
	}
	return c.Conn.Write(frames)
}

// frameWriter hands a frameConn to the library that takes over the connection.
type frameWriter struct {
	http.ResponseWriter
	stall time.Duration
	conn  *frameConn // once it has been taken
}

// Hijack implements http.Hijacker.
func (w *frameWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(w.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	if rw.Writer.Buffered() > 0 {
		return nil, nil, errors.New("something was written before the connection was taken")
	}
	w.conn = &frameConn{Conn: conn, stall: w.stall}
	rw.Writer.Reset(w.conn)
	return w.conn, rw, nil
}
