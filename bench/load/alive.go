package load

import (
	"errors"
	"io"
	"net"
	"syscall"
)

var errClosed = errors.New("the connection is closed")

// alive tells without waiting whether the other side has closed conn.
func alive(conn net.Conn) error {
	if conn == nil {
		return errClosed
	}
	raw, err := conn.(syscall.Conn).SyscallConn()
	if err != nil {
		return err
	}
	var n int
	var peeked error
	err = raw.Control(func(fd uintptr) {
		n, _, peeked = syscall.Recvfrom(int(fd), make([]byte, 1), syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
	})
	switch {
	case err != nil:
		return err
	case errors.Is(peeked, syscall.EAGAIN):
		return nil
	case peeked == nil && n == 0:
		return io.EOF
	}
	return peeked
}

// Alive returns an error if the connection is closed, by whichever side.
func (h *HTTP) Alive() error { return alive(h.conn) }

// Alive returns an error if the connection is closed, by whichever side.
func (s *Socket) Alive() error { return alive(s.conn) }
