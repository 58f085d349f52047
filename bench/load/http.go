package load

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"time"
)

// HTTP is a keep-alive HTTP/1.1 client. A connection that the server closes is
// opened again at the next call.
type HTTP struct {
	addr string
	conn net.Conn
	in   []byte // read and not yet used: in[pos:]
	pos  int
	body []byte
	// deadline is renewed now and then: setting one costs as much as a write.
	deadline time.Time
	// used is when the last answer had come.
	used  time.Time
	stale time.Duration
}

// staleAfter is how long a connection may lie idle before it is opened anew:
// most servers close theirs after five seconds.
const staleAfter = 2 * time.Second

// NewHTTP returns a client of the server at addr, host:port. It connects at
// the first call.
func NewHTTP(addr string) *HTTP {
	return &HTTP{addr: addr, in: make([]byte, 0, 64<<10), stale: staleAfter}
}

// Post returns the bytes of a POST of JSON, with further header lines such as
// "Authorization: Bearer KEY".
func Post(host, path string, body []byte, header ...string) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\n", path, host)
	for _, line := range header {
		fmt.Fprintf(&b, "%s\r\n", line)
	}
	fmt.Fprintf(&b, "Content-Length: %d\r\n\r\n", len(body))
	b.Write(body)
	return b.Bytes()
}

// Call implements Caller. Any status but 200 is an error that holds the body.
func (h *HTTP) Call(s *Shot) ([]byte, Timing, error) {
	if err := h.open(); err != nil {
		return nil, Timing{}, err
	}
	w := watch{marker: s.First}
	status, keep, err := h.exchange(s.Wire, &w)
	h.used = time.Now()
	if err != nil || !keep {
		h.drop()
	}
	if err != nil {
		return nil, Timing{}, err
	}
	if status != 200 {
		return nil, Timing{}, fmt.Errorf("status %d: %.200s", status, h.body)
	}
	return h.body, Timing{First: w.at}, nil
}

// Close implements Caller.
func (h *HTTP) Close() error {
	h.drop()
	return nil
}

// Send writes a request and returns when the marker has been seen in the
// answer; the rest stays unread. For callers that leave in the middle.
func (h *HTTP) Send(wire, marker []byte) error {
	if err := h.open(); err != nil {
		return err
	}
	if err := h.conn.SetDeadline(time.Now().Add(firstTimeout)); err != nil {
		return err
	}
	if _, err := h.conn.Write(wire); err != nil {
		return fmt.Errorf("write request: %w", err)
	}
	w := watch{marker: marker}
	for w.at.IsZero() {
		if err := h.fill(); err != nil {
			return fmt.Errorf("wait for the first item: %w", err)
		}
		w.look(h.in)
	}
	return nil
}

func (h *HTTP) open() error {
	now := time.Now()
	if h.conn != nil && now.Sub(h.used) > h.stale {
		h.drop()
	}
	if h.conn == nil {
		conn, err := dial(h.addr)
		if err != nil {
			return err
		}
		h.conn, h.in, h.pos, h.deadline, h.used = conn, h.in[:0], 0, time.Time{}, now
	}
	if h.deadline.Sub(now) < callTimeout/2 {
		h.deadline = now.Add(callTimeout)
		return h.conn.SetDeadline(h.deadline)
	}
	return nil
}

func (h *HTTP) drop() {
	if h.conn != nil {
		h.conn.Close()
		h.conn = nil
	}
}

// exchange writes one request and reads its answer into h.body.
func (h *HTTP) exchange(wire []byte, w *watch) (status int, keep bool, err error) {
	if _, err := h.conn.Write(wire); err != nil {
		return 0, false, fmt.Errorf("write request: %w", err)
	}
	h.body = h.body[:0]
	head, err := h.readHead()
	if err != nil {
		return 0, false, err
	}
	switch {
	case head.chunked:
		err = h.readChunks(w)
	case head.length >= 0:
		err = h.readBytes(head.length, w)
	default:
		head.close, err = true, h.readAll(w)
	}
	return head.status, !head.close, err
}

// fill reads once more from the connection.
func (h *HTTP) fill() error {
	if h.pos == len(h.in) {
		h.in, h.pos = h.in[:0], 0
	}
	if len(h.in) == cap(h.in) {
		if h.pos > 0 {
			n := copy(h.in, h.in[h.pos:])
			h.in, h.pos = h.in[:n], 0
		} else {
			h.in = append(h.in, 0)[:len(h.in)]
		}
	}
	n, err := h.conn.Read(h.in[len(h.in):cap(h.in)])
	h.in = h.in[:len(h.in)+n]
	if n > 0 {
		return nil
	}
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// head is what a client must know of an answer's header.
type head struct {
	status  int
	length  int // -1: not said
	chunked bool
	close   bool
}

var (
	blankLine = []byte("\r\n\r\n")
	newLine   = []byte("\r\n")
)

func (h *HTTP) readHead() (head, error) {
	for {
		if end := bytes.Index(h.in[h.pos:], blankLine); end >= 0 {
			text := h.in[h.pos : h.pos+end+2]
			h.pos += end + len(blankLine)
			return parseHead(text)
		}
		if err := h.fill(); err != nil {
			return head{}, fmt.Errorf("read header: %w", err)
		}
	}
}

func parseHead(text []byte) (head, error) {
	out := head{length: -1}
	line, rest, _ := bytes.Cut(text, newLine)
	if len(line) < 12 || !bytes.HasPrefix(line, []byte("HTTP/1.")) {
		return out, fmt.Errorf("not an HTTP answer: %.80q", line)
	}
	status, err := strconv.Atoi(string(line[9:12]))
	if err != nil {
		return out, fmt.Errorf("not an HTTP status: %.80q", line)
	}
	out.status, out.close = status, line[7] == '0'
	for len(rest) > 0 {
		line, rest, _ = bytes.Cut(rest, newLine)
		colon := bytes.IndexByte(line, ':')
		if colon < 0 {
			continue
		}
		value := bytes.TrimSpace(line[colon+1:])
		switch {
		case is(line[:colon], "content-length"):
			if out.length, err = strconv.Atoi(string(value)); err != nil {
				return out, fmt.Errorf("content length %.20q", value)
			}
		case is(line[:colon], "transfer-encoding"):
			out.chunked = is(value, "chunked")
		case is(line[:colon], "connection"):
			out.close = is(value, "close")
		}
	}
	return out, nil
}

// is compares a header's name or value without regard to case.
func is(b []byte, lower string) bool {
	return len(b) == len(lower) && bytes.EqualFold(b, []byte(lower))
}

func (h *HTTP) readBytes(n int, w *watch) error {
	for {
		take := min(n, len(h.in)-h.pos)
		h.body = append(h.body, h.in[h.pos:h.pos+take]...)
		h.pos += take
		n -= take
		w.look(h.body)
		if n == 0 {
			return nil
		}
		if err := h.fill(); err != nil {
			return fmt.Errorf("read body: %w", err)
		}
	}
}

func (h *HTTP) readAll(w *watch) error {
	for {
		h.body = append(h.body, h.in[h.pos:]...)
		h.pos = len(h.in)
		w.look(h.body)
		if err := h.fill(); errors.Is(err, io.ErrUnexpectedEOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("read body: %w", err)
		}
	}
}

func (h *HTTP) readChunks(w *watch) error {
	for {
		size, err := h.chunkSize()
		if err != nil {
			return err
		}
		if size == 0 {
			return h.skip(2)
		}
		if err := h.readBytes(size, w); err != nil {
			return err
		}
		if err := h.skip(2); err != nil {
			return err
		}
	}
}

func (h *HTTP) chunkSize() (int, error) {
	for {
		if end := bytes.Index(h.in[h.pos:], newLine); end >= 0 {
			digits, _, _ := bytes.Cut(h.in[h.pos:h.pos+end], []byte(";"))
			size, err := strconv.ParseUint(string(digits), 16, 31)
			if err != nil {
				return 0, fmt.Errorf("chunk size %.20q", digits)
			}
			h.pos += end + 2
			return int(size), nil
		}
		if err := h.fill(); err != nil {
			return 0, fmt.Errorf("read chunk: %w", err)
		}
	}
}

func (h *HTTP) skip(n int) error {
	for len(h.in)-h.pos < n {
		if err := h.fill(); err != nil {
			return fmt.Errorf("read body: %w", err)
		}
	}
	h.pos += n
	return nil
}

var _ Caller = (*HTTP)(nil)
