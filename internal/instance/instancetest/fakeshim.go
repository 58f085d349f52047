// Package instancetest helps to test what stands on instances: a shim that
// lives in the test's own process and speaks docs/protocol.md as told.
package instancetest

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"syscall"

	"github.com/runagent/runagent/internal/invocation"
	"github.com/runagent/runagent/internal/sandbox"
)

// The frame types that a script needs.
const (
	Chunk  = 19
	Log    = 20
	Result = 21
	Error  = 22
	Chunks = 24
)

// Call is a CALL frame as the fake shim got it.
type Call struct {
	ID           uint32
	Entrypoint   int
	CreditItems  int
	CreditBytes  int
	Metadata     json.RawMessage
	Args, Kwargs json.RawMessage
	// Canceled is closed when a CANCEL frame came, Credit gets every CREDIT.
	Canceled chan struct{}
	Credit   chan [2]int
}

// Launcher makes fake instances. Its fields are set before the first launch.
type Launcher struct {
	// Entrypoints is the JSON list that READY carries.
	Entrypoints string
	// OnCall is run on a goroutine of its own for each call.
	OnCall func(*Shim, *Call)
	// FailStart, when it returns a JSON object, is sent as FAILED.
	FailStart func() string
	// Mute makes pings go unanswered.
	Mute bool

	mu    sync.Mutex
	shims []*Shim
}

// Shims returns the instances launched so far.
func (l *Launcher) Shims() []*Shim {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]*Shim(nil), l.shims...)
}

// Launch implements instance.Launcher.
func (l *Launcher) Launch(_ context.Context, token string, sock, stdout, stderr *os.File) (sandbox.Process, invocation.StartKind, error) {
	fd, err := syscall.Dup(int(sock.Fd()))
	if err != nil {
		return nil, "", err
	}
	f := os.NewFile(uintptr(fd), "fake shim")
	conn, err := net.FileConn(f)
	f.Close()
	if err != nil {
		return nil, "", err
	}
	s := &Shim{l: l, conn: conn, calls: map[uint32]*Call{}, Proc: &Process{done: make(chan struct{})}}
	s.Proc.onKill = func() { s.Die(sandbox.Exit{Known: true, Signal: syscall.SIGKILL}) }
	l.mu.Lock()
	l.shims = append(l.shims, s)
	l.mu.Unlock()
	go s.run(token)
	return s.Proc, invocation.Warm, nil
}

// Shim is one fake instance.
type Shim struct {
	Proc *Process
	l    *Launcher
	conn net.Conn

	mu    sync.Mutex // guards writing and calls
	calls map[uint32]*Call
}

// maxPayload is the longest payload of a frame.
const maxPayload = 256 << 10

// Send writes one payload, in as many frames as it needs.
func (s *Shim) Send(kind byte, call uint32, payload []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(payload) > maxPayload {
		payload = append(binary.BigEndian.AppendUint32(nil, uint32(len(payload))), payload...)
	}
	for first := true; first || len(payload) > 0; first = false {
		n := min(len(payload), maxPayload)
		var h [12]byte
		binary.BigEndian.PutUint32(h[:], uint32(n))
		h[4] = kind
		if n < len(payload) {
			h[5] |= 1
		}
		if !first {
			h[5] |= 2
		}
		binary.BigEndian.PutUint32(h[8:], call)
		_, _ = s.conn.Write(append(h[:], payload[:n]...))
		payload = payload[n:]
	}
}

// Raw writes bytes that may be no frame at all.
func (s *Shim) Raw(b []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, _ = s.conn.Write(b)
}

// Result answers a call.
func (s *Shim) Result(call uint32, output string) {
	s.Send(Result, call, append(make([]byte, 12), output...))
}

// Die ends the instance as if its process had ended so.
func (s *Shim) Die(how sandbox.Exit) {
	s.Proc.end(how)
	s.conn.Close()
}

func (s *Shim) run(token string) {
	s.Send(16, 0, fmt.Appendf(nil, `{"token":%q,"protocol":1}`, token))
	r := bufio.NewReader(s.conn)
	parts := map[uint32][]byte{}
	for {
		var h [12]byte
		if _, err := io.ReadFull(r, h[:]); err != nil {
			s.Die(sandbox.Exit{Known: true})
			return
		}
		payload := make([]byte, binary.BigEndian.Uint32(h[:]))
		if _, err := io.ReadFull(r, payload); err != nil {
			s.Die(sandbox.Exit{Known: true})
			return
		}
		call := binary.BigEndian.Uint32(h[8:])
		if h[5] == 1 {
			payload = payload[4:] // the length of the whole
		}
		payload = append(parts[call], payload...)
		if h[5]&1 != 0 {
			parts[call] = payload
			continue
		}
		delete(parts, call)
		if !s.take(h[4], call, payload) {
			return
		}
	}
}

// take acts on one whole message; false ends the shim.
func (s *Shim) take(kind byte, call uint32, payload []byte) bool {
	switch kind {
	case 1:
		if s.l.FailStart != nil {
			if text := s.l.FailStart(); text != "" {
				s.Send(18, 0, []byte(text))
				s.Die(sandbox.Exit{Known: true, Code: 1})
				return false
			}
		}
		s.Send(17, 0, []byte(`{"entrypoints":`+s.l.Entrypoints+`,"modules":["json"],"python":"3.11.0","codec":"json"}`))
	case 2:
		c := parseCall(call, payload)
		s.mu.Lock()
		s.calls[call] = c
		s.mu.Unlock()
		go s.l.OnCall(s, c)
	case 3:
		if c := s.call(call); c != nil {
			c.Credit <- [2]int{int(binary.BigEndian.Uint32(payload)), int(binary.BigEndian.Uint32(payload[4:]))}
		}
	case 4:
		if c := s.call(call); c != nil {
			close(c.Canceled)
		}
	case 5:
		if !s.l.Mute {
			s.Send(23, 0, payload)
		}
	case 6:
		s.Die(sandbox.Exit{Known: true})
		return false
	}
	return true
}

func (s *Shim) call(id uint32) *Call {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls[id]
}

func parseCall(id uint32, p []byte) *Call {
	m, a := binary.BigEndian.Uint32(p[16:]), binary.BigEndian.Uint32(p[20:])
	return &Call{
		ID: id, Entrypoint: int(binary.BigEndian.Uint16(p)),
		CreditItems: int(binary.BigEndian.Uint32(p[8:])), CreditBytes: int(binary.BigEndian.Uint32(p[12:])),
		Metadata: p[24 : 24+m], Args: p[24+m : 24+m+a], Kwargs: p[24+m+a:],
		Canceled: make(chan struct{}), Credit: make(chan [2]int, 1024),
	}
}

// Process is a process that exists only in the test.
type Process struct {
	once   sync.Once
	done   chan struct{}
	exit   sandbox.Exit
	onKill func()
}

// LimitMemory does nothing.
func (p *Process) LimitMemory(int64) error { return nil }

// Memory is none.
func (p *Process) Memory() int64 { return 0 }

// PID returns a number no process has.
func (p *Process) PID() int { return -1 }

// Done is closed when it has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Exit says how.
func (p *Process) Exit() sandbox.Exit { return p.exit }

// Kill ends it.
func (p *Process) Kill() { p.onKill() }

func (p *Process) end(how sandbox.Exit) {
	p.once.Do(func() {
		p.exit = how
		close(p.done)
	})
}
