// Command limit is the smallest HTTP server in front of one Python process
// over a Unix socket: frames batched per system call, raw bytes passed
// through, no records, no limits, no checks. It shows how fast the idea of
// RunAgent can be, before it does anything for its users.
package main

import (
	"context"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"syscall"
)

func main() {
	addr := flag.String("listen", "127.0.0.1:0", "address")
	python := flag.String("python", "python3", "interpreter")
	script := flag.String("script", "bench/limit/limit.py", "the Python side")
	flag.Parse()
	p, err := start(*python, *script)
	if err != nil {
		log.Fatal(err)
	}
	http.HandleFunc("GET /ready", func(http.ResponseWriter, *http.Request) {})
	http.HandleFunc("POST /{function}", p.serve)
	log.Fatal(http.ListenAndServe(*addr, nil))
}

// functions has the order of the list in limit.py.
var functions = map[string]byte{
	"echo": 0, "stream": 1, "slow_stream": 2, "big": 3, "sleep": 4, "asleep": 5, "maybe": 6, "cpu": 7, "endless": 8, "graph": 9,
}

const (
	kindResult = 1
	kindChunk  = 2
	kindError  = 3
	cancel     = 255

	headSize = 9
)

// answer is one frame from Python.
type answer struct {
	kind byte
	body []byte
}

// process is the Python side and the calls in flight on it.
type process struct {
	conn net.Conn

	mu      sync.Mutex // guards all that follows
	calls   map[uint32]*call
	next    uint32
	pending []byte
	writing bool
}

// call gathers the answers of one request.
type call struct {
	wake chan struct{}

	mu      sync.Mutex
	answers []answer
}

func start(python, script string) (*process, error) {
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err != nil {
		return nil, fmt.Errorf("socket pair: %w", err)
	}
	syscall.CloseOnExec(fds[0])
	syscall.CloseOnExec(fds[1]) // its copy for the child, as ExtraFiles, stays open
	ours, theirs := os.NewFile(uintptr(fds[0]), "ours"), os.NewFile(uintptr(fds[1]), "theirs")
	defer ours.Close()
	defer theirs.Close()
	conn, err := net.FileConn(ours)
	if err != nil {
		return nil, fmt.Errorf("socket pair: %w", err)
	}
	cmd := exec.Command(python, script)
	cmd.ExtraFiles = []*os.File{theirs}
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", python, err)
	}
	// The first byte says that the functions are imported.
	if _, err := io.ReadFull(conn, make([]byte, 1)); err != nil {
		return nil, fmt.Errorf("wait for %s: %w", script, err)
	}
	p := &process{conn: conn, calls: map[uint32]*call{}}
	go p.read()
	return p, nil
}

// write sends a frame, together with what others add meanwhile.
func (p *process) write(id uint32, fn byte, body []byte) {
	p.mu.Lock()
	p.pending = binary.BigEndian.AppendUint32(p.pending, uint32(len(body)))
	p.pending = append(binary.BigEndian.AppendUint32(p.pending, id), fn)
	p.pending = append(p.pending, body...)
	if p.writing {
		p.mu.Unlock()
		return
	}
	p.writing = true
	var spare []byte
	for len(p.pending) > 0 {
		batch := p.pending
		p.pending = spare[:0]
		p.mu.Unlock()
		if _, err := p.conn.Write(batch); err != nil {
			log.Fatal(err)
		}
		spare = batch
		p.mu.Lock()
	}
	p.writing = false
	p.mu.Unlock()
}

func (p *process) read() {
	buf := make([]byte, 256<<10)
	begin, end := 0, 0
	for {
		for end-begin >= headSize {
			size := int(binary.BigEndian.Uint32(buf[begin:]))
			if end-begin < headSize+size {
				break
			}
			body := append([]byte(nil), buf[begin+headSize:begin+headSize+size]...)
			p.deliver(binary.BigEndian.Uint32(buf[begin+4:]), answer{buf[begin+8], body})
			begin += headSize + size
		}
		end = copy(buf, buf[begin:end])
		begin = 0
		if end == len(buf) {
			buf = append(buf, make([]byte, len(buf))...)
		}
		n, err := p.conn.Read(buf[end:])
		if err != nil {
			log.Fatal(err)
		}
		end += n
	}
}

func (p *process) deliver(id uint32, a answer) {
	p.mu.Lock()
	c := p.calls[id]
	if a.kind != kindChunk {
		delete(p.calls, id)
	}
	p.mu.Unlock()
	if c == nil {
		return
	}
	c.mu.Lock()
	c.answers = append(c.answers, a)
	c.mu.Unlock()
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

func (p *process) serve(w http.ResponseWriter, r *http.Request) {
	fn, ok := functions[r.PathValue("function")]
	body, err := io.ReadAll(r.Body)
	if !ok || err != nil {
		http.Error(w, "no such function, or half a body", http.StatusBadRequest)
		return
	}
	c := &call{wake: make(chan struct{}, 1)}
	p.mu.Lock()
	p.next++
	id := p.next
	p.calls[id] = c
	p.mu.Unlock()
	p.write(id, fn, body)
	if err := c.answer(r.Context(), w); err != nil {
		p.write(id, cancel, nil)
	}
}

var errLeft = errors.New("the caller has left")

func (c *call) answer(ctx context.Context, w http.ResponseWriter) error {
	streaming := false
	var spare []answer
	var out []byte
	for {
		select {
		case <-c.wake:
		case <-ctx.Done():
			return errLeft
		}
		c.mu.Lock()
		answers := c.answers
		c.answers = spare[:0]
		c.mu.Unlock()
		spare = answers
		out = out[:0]
		for _, a := range answers {
			if a.kind != kindChunk {
				finish(w, a, streaming, out)
				return nil
			}
			streaming = true
			out = append(append(append(out, "data: "...), a.body...), "\n\n"...)
		}
		if len(out) > 0 {
			w.Header()["Content-Type"] = []string{"text/event-stream"}
			if _, err := w.Write(out); err != nil {
				return errLeft
			}
			_ = http.NewResponseController(w).Flush()
		}
	}
}

func finish(w http.ResponseWriter, a answer, streaming bool, rest []byte) {
	switch {
	case a.kind == kindError:
		http.Error(w, string(a.body), http.StatusInternalServerError)
	case streaming:
		w.Header()["Content-Type"] = []string{"text/event-stream"}
		_, _ = w.Write(rest)
	default:
		w.Header()["Content-Type"] = []string{"application/json"}
		w.Header()["Content-Length"] = []string{strconv.Itoa(len(a.body))}
		_, _ = w.Write(a.body)
	}
}
