package load

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"time"
)

// Socket is a WebSocket client. With fresh set every call opens a connection
// of its own, as the protocol of published RunAgent clients wants it.
type Socket struct {
	addr, path string
	fresh      bool
	conn       net.Conn
	in         []byte
	pos        int
	out        []byte
	body       []byte
}

// NewSocket returns a client that keeps one WebSocket.
func NewSocket(addr, path string) *Socket {
	return &Socket{addr: addr, path: path, in: make([]byte, 0, 64<<10)}
}

// NewFreshSocket returns a client that opens a WebSocket for every call.
func NewFreshSocket(addr, path string) *Socket {
	s := NewSocket(addr, path)
	s.fresh = true
	return s
}

// Call implements Caller: it sends one text message and returns the texts of
// all messages up to the last, a line each.
func (s *Socket) Call(shot *Shot) ([]byte, Timing, error) {
	if err := s.Open(); err != nil {
		return nil, Timing{}, err
	}
	t, err := s.exchange(shot)
	if err != nil || s.fresh {
		s.drop()
	}
	return s.body, t, err
}

// Send writes a message and returns when the marker has been seen in what comes
// back. For callers that leave in the middle.
func (s *Socket) Send(wire, marker []byte) error {
	if err := s.Open(); err != nil {
		return err
	}
	if _, err := s.conn.Write(appendMessage(nil, opText, wire)); err != nil {
		return fmt.Errorf("write message: %w", err)
	}
	for s.body = s.body[:0]; !bytes.Contains(s.body, marker); {
		if err := s.readMessage(); err != nil {
			return fmt.Errorf("wait for the first item: %w", err)
		}
	}
	return nil
}

// Close implements Caller.
func (s *Socket) Close() error {
	s.drop()
	return nil
}

// Open connects and shakes hands, unless that is done.
func (s *Socket) Open() error {
	if s.conn != nil {
		return nil
	}
	conn, err := dial(s.addr)
	if err != nil {
		return err
	}
	s.conn, s.in, s.pos = conn, s.in[:0], 0
	if err := s.handshake(); err != nil {
		s.drop()
		return fmt.Errorf("open WebSocket %s: %w", s.path, err)
	}
	return nil
}

func (s *Socket) drop() {
	if s.conn != nil {
		s.conn.Close()
		s.conn = nil
	}
}

func (s *Socket) handshake() error {
	if err := s.conn.SetDeadline(time.Now().Add(dialTimeout)); err != nil {
		return err
	}
	_, err := fmt.Fprintf(s.conn, "GET %s HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
		"Sec-WebSocket-Key: YmVuY2htYXJrLXNvY2tldA==\r\nSec-WebSocket-Version: 13\r\n\r\n", s.path, s.addr)
	if err != nil {
		return err
	}
	for {
		end := bytes.Index(s.in, blankLine)
		if end >= 0 {
			s.pos = end + len(blankLine)
			break
		}
		if err := s.fill(); err != nil {
			return err
		}
	}
	if !bytes.HasPrefix(s.in, []byte("HTTP/1.1 101 ")) {
		return fmt.Errorf("refused: %.200q", s.in)
	}
	return nil
}

func (s *Socket) exchange(shot *Shot) (Timing, error) {
	if err := s.conn.SetDeadline(time.Now().Add(callTimeout)); err != nil {
		return Timing{}, err
	}
	s.out = appendMessage(s.out[:0], opText, shot.Wire)
	if _, err := s.conn.Write(s.out); err != nil {
		return Timing{}, fmt.Errorf("write message: %w", err)
	}
	s.body = s.body[:0]
	w := watch{marker: shot.First}
	for {
		begin := len(s.body)
		if err := s.readMessage(); err != nil {
			return Timing{}, fmt.Errorf("read message: %w", err)
		}
		w.look(s.body)
		if shot.End(s.body[begin:]) {
			return Timing{First: w.at}, nil
		}
		s.body = append(s.body, '\n')
	}
}

const (
	opContinuation = 0
	opText         = 1
	opClose        = 8
	opPing         = 9
	opPong         = 10

	finalBit = 0x80
	maskBit  = 0x80
)

// appendMessage appends a client's frame. Its mask is zero, which the protocol
// allows, so that masking costs the load generator nothing.
func appendMessage(b []byte, op byte, text []byte) []byte {
	b = append(b, finalBit|op)
	switch n := len(text); {
	case n < 126:
		b = append(b, maskBit|byte(n))
	case n < 1<<16:
		b = binary.BigEndian.AppendUint16(append(b, maskBit|126), uint16(n))
	default:
		b = binary.BigEndian.AppendUint64(append(b, maskBit|127), uint64(n))
	}
	b = append(b, 0, 0, 0, 0)
	return append(b, text...)
}

// readMessage appends the text of the next message to s.body.
func (s *Socket) readMessage() error {
	for {
		first, size, err := s.frameHead()
		if err != nil {
			return err
		}
		if err := s.need(size); err != nil {
			return err
		}
		payload := s.in[s.pos : s.pos+size]
		s.pos += size
		switch first & 0x0f {
		case opClose:
			return fmt.Errorf("closed by the server: %.100q", payload)
		case opPing:
			if _, err := s.conn.Write(appendMessage(nil, opPong, payload)); err != nil {
				return err
			}
		case opText, opContinuation:
			s.body = append(s.body, payload...)
			if first&finalBit != 0 {
				return nil
			}
		}
	}
}

func (s *Socket) frameHead() (first byte, size int, err error) {
	if err := s.need(2); err != nil {
		return 0, 0, err
	}
	first, size = s.in[s.pos], int(s.in[s.pos+1]&0x7f)
	s.pos += 2
	switch size {
	case 126:
		if err := s.need(2); err != nil {
			return 0, 0, err
		}
		size = int(binary.BigEndian.Uint16(s.in[s.pos:]))
		s.pos += 2
	case 127:
		if err := s.need(8); err != nil {
			return 0, 0, err
		}
		size = int(binary.BigEndian.Uint64(s.in[s.pos:]))
		s.pos += 8
	}
	return first, size, nil
}

func (s *Socket) need(n int) error {
	for len(s.in)-s.pos < n {
		if err := s.fill(); err != nil {
			return err
		}
	}
	return nil
}

func (s *Socket) fill() error {
	if s.pos > 0 {
		n := copy(s.in, s.in[s.pos:])
		s.in, s.pos = s.in[:n], 0
	}
	if len(s.in) == cap(s.in) {
		s.in = append(s.in, 0)[:len(s.in)]
	}
	n, err := s.conn.Read(s.in[len(s.in):cap(s.in)])
	s.in = s.in[:len(s.in)+n]
	if n > 0 {
		return nil
	}
	if err == io.EOF { //nolint:errorlint // what a Conn returns bare
		return io.ErrUnexpectedEOF
	}
	return err
}

var _ Caller = (*Socket)(nil)
