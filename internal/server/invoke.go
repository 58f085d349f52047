package server

import (
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/runagent/runagent/internal/fault"
	"github.com/runagent/runagent/internal/invocation"
)

// compactFrom is the size from which an answer is worth compressing.
const compactFrom = 4 << 10

// copyUpTo is the size up to which a result is copied beside its envelope, to
// leave in one write.
const copyUpTo = 64 << 10

// buffers holds the scratch space answers are put together in.
type buffers struct{ pool sync.Pool }

func (b *buffers) take() *[]byte {
	if p, ok := b.pool.Get().(*[]byte); ok {
		return p
	}
	p := make([]byte, 0, 1024)
	return &p
}

// give takes scratch space back, unless it has grown so much that keeping it
// would be a leak.
func (b *buffers) give(p *[]byte, used []byte) {
	if cap(used) > 2*copyUpTo {
		return
	}
	*p = used[:0]
	b.pool.Put(p)
}

// callError is the failure of an invocation that exists.
type callError struct {
	id  string
	err error
}

func (e *callError) Error() string { return e.err.Error() }
func (e *callError) Unwrap() error { return e.err }

// handleInvoke runs an entrypoint and answers in the form the caller accepts.
func (s *Server) handleInvoke(w http.ResponseWriter, r *http.Request) error {
	req, err := s.readCall(w, r)
	if err != nil {
		return err
	}
	if strings.Contains(r.Header.Get("Accept"), eventStreamType) {
		return s.stream(w, r, req)
	}
	items := collector{limit: s.o.MaxBytes}
	out, err := s.o.Executor.Execute(r.Context(), req, items.emit)
	if items.err != nil {
		err = items.err
	}
	if err != nil {
		return &callError{out.ID, err}
	}
	return s.answer(w, r, &out, &items)
}

// handleStream runs an entrypoint and answers with events.
func (s *Server) handleStream(w http.ResponseWriter, r *http.Request) error {
	req, err := s.readCall(w, r)
	if err != nil {
		return err
	}
	return s.stream(w, r, req)
}

// readCall reads what is asked for. Payloads stay as they came.
func (s *Server) readCall(w http.ResponseWriter, r *http.Request) (invocation.Request, error) {
	req := invocation.Request{
		Agent:       r.PathValue("agent"),
		TraceParent: r.Header.Get("Traceparent"),
		Door:        "v1",
		RequestID:   requestID(w),
	}
	req.SDKType, req.Client = caller(r)
	if err := refuseHeaders(r.Header); err != nil {
		return req, err
	}
	body, err := s.readBody(r)
	if err != nil {
		return req, err
	}
	e, err := readEnvelope(body, &v1Dialect)
	if err != nil {
		return req, err
	}
	if err := e.call(&req); err != nil {
		return req, err
	}
	return req, pathEntrypoint(r, &req)
}

// pathEntrypoint takes the entrypoint from the path, where a route has it there.
func pathEntrypoint(r *http.Request, req *invocation.Request) error {
	tag := r.PathValue("entrypoint")
	if tag == "" {
		return nil
	}
	if req.Entrypoint != "" && req.Entrypoint != tag {
		return fault.New(fault.Validation, "the path names the entrypoint %q, the body %q", clip(tag, 64), clip(req.Entrypoint, 64)).
			WithField("entrypoint")
	}
	req.Entrypoint = tag
	return nil
}

// refuseHeaders refuses headers that are specified and not built yet.
func refuseHeaders(h http.Header) error {
	if h.Get("Idempotency-Key") != "" {
		return notBuilt("Idempotency-Key")
	}
	for _, prefer := range h.Values("Prefer") {
		if strings.Contains(strings.ToLower(prefer), "respond-async") {
			return notBuilt("Prefer: respond-async")
		}
	}
	return nil
}

// caller says who calls: the client library's name, and where it runs.
func caller(r *http.Request) (sdk, client string) {
	agent := clip(r.UserAgent(), 128)
	sdk, _, _ = strings.Cut(agent, "/")
	return sdk, r.RemoteAddr + " " + agent
}

// collector gathers a stream's items into one JSON list.
type collector struct {
	limit int64
	items []byte
	count int
	err   error
}

// emit takes one event. It refuses the item with which the list gets larger
// than an answer may be.
func (c *collector) emit(e invocation.Event) error {
	if e.Kind != invocation.Chunk {
		return nil
	}
	if int64(len(c.items)+len(e.Data)+2) > c.limit {
		c.err = fault.New(fault.Execution, "the stream's items are larger than the limit of %d bytes for one answer", c.limit).
			WithSuggestion("Ask for a stream instead: Accept: text/event-stream.")
		return c.err
	}
	separator := byte(',')
	if c.count == 0 {
		separator = '['
	}
	c.items = append(append(c.items, separator), e.Data...)
	c.count++
	return nil
}

// result is the JSON a caller gets who asked for no stream.
func (c *collector) result(res *invocation.Result) []byte {
	switch {
	case c.count > 0:
		return append(c.items, ']')
	case len(res.Output) > 0:
		return res.Output
	case res.Streams:
		return []byte("[]")
	}
	return []byte("null")
}

// answer writes an InvokeResponse. The result goes out as it came.
func (s *Server) answer(w http.ResponseWriter, r *http.Request, out *invocation.Outcome, items *collector) error {
	result := items.result(&out.Result)
	if int64(len(result)) > s.o.MaxBytes {
		return &callError{out.ID, fault.New(fault.Execution, "the result of %d bytes is larger than the limit of %d", len(result), s.o.MaxBytes)}
	}
	scratch := s.scratch.take()
	head := append((*scratch)[:0], `{"invocation_id":`...)
	head = appendQuoted(head, out.ID)
	head = append(head, `,"status":"succeeded","result":`...)
	cut := len(head)
	if len(result) <= copyUpTo {
		head = append(head, result...)
		cut, result = len(head), nil
	}
	head = append(head, `,"metadata":`...)
	head = appendMetadata(head, out)
	head = append(head, "}\n"...)
	s.write(w, r, head[:cut], result, head[cut:])
	s.scratch.give(scratch, head)
	return nil
}

// write answers 200 with JSON that stands in three parts. What goes wrong with
// the connection now, no one is left to hear.
func (s *Server) write(w http.ResponseWriter, r *http.Request, parts ...[]byte) {
	size := 0
	for _, p := range parts {
		size += len(p)
	}
	w.Header()["Content-Type"] = jsonType
	if size >= compactFrom && strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		s.compact(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { writeParts(w, parts) })).ServeHTTP(w, r)
		return
	}
	if size > 2048 { // below, net/http sets it
		w.Header()["Content-Length"] = []string{strconv.Itoa(size)}
	}
	if size <= copyUpTo {
		writeParts(w, parts)
		return
	}
	// More than fits into socket buffers: don't wait forever for the reader.
	rc := http.NewResponseController(w)
	_ = rc.SetWriteDeadline(time.Now().Add(s.o.StallTimeout))
	writeParts(w, parts)
	_ = rc.Flush()
	_ = rc.SetWriteDeadline(time.Time{})
}

func writeParts(w http.ResponseWriter, parts [][]byte) {
	for _, p := range parts {
		if len(p) == 0 {
			continue
		}
		if _, err := w.Write(p); err != nil {
			return
		}
	}
}
