package door

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/runagent/runagent/internal/fault"
	"github.com/runagent/runagent/internal/invocation"
)

// CompactFrom is the size from which an answer is worth compressing.
const CompactFrom = 4 << 10

// CopyUpTo is the size up to which a result is copied beside its envelope, to
// leave in one write.
const CopyUpTo = 64 << 10

// buffers holds the scratch space answers are put together in.
type buffers struct{ pool sync.Pool }

// Take returns scratch space, to be given back.
func (b *buffers) Take() *[]byte {
	if p, ok := b.pool.Get().(*[]byte); ok {
		return p
	}
	p := make([]byte, 0, 1024)
	return &p
}

// Give takes scratch space back, unless it has grown so much that keeping it
// would be a leak.
func (b *buffers) Give(p *[]byte, used []byte) {
	if cap(used) > 2*CopyUpTo {
		return
	}
	*p = used[:0]
	b.pool.Put(p)
}

// Collector gathers a stream's items into one JSON list.
type Collector struct {
	Limit int64
	// Err is what Emit refused an item with.
	Err   error
	items []byte
	count int
}

// Emit takes one event. It refuses the item with which the list gets larger
// than an answer may be.
func (c *Collector) Emit(e invocation.Event) error {
	if e.Kind != invocation.Chunk {
		return nil
	}
	if int64(len(c.items)+len(e.Data)+2) > c.Limit {
		c.Err = fault.New(fault.Execution, "the stream's items are larger than the limit of %d bytes for one answer", c.Limit).
			WithSuggestion("Ask for a stream instead: Accept: text/event-stream.")
		return c.Err
	}
	separator := byte(',')
	if c.count == 0 {
		separator = '['
	}
	c.items = append(append(c.items, separator), e.Data...)
	c.count++
	return nil
}

// Result is the JSON a Caller gets who asked for no stream.
func (c *Collector) Result(res *invocation.Result) []byte {
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

// Write answers 200 with JSON that stands in three parts. It reports whether
// all went out, and nothing refers to the parts any more; what goes wrong with
// the connection now, no one is left to hear.
func (d *Door) Write(w http.ResponseWriter, r *http.Request, parts ...[]byte) bool {
	size := 0
	for _, p := range parts {
		size += len(p)
	}
	w.Header()["Content-Type"] = jsonType
	if size >= CompactFrom && strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		return d.writeCompact(w, r, parts)
	}
	if size > 2048 { // below, net/http sets it
		w.Header()["Content-Length"] = []string{strconv.Itoa(size)}
	}
	if size <= CopyUpTo {
		return writeParts(w, parts)
	}
	// More than fits into Socket buffers: don't wait forever for the reader.
	rc := http.NewResponseController(w)
	_ = rc.SetWriteDeadline(time.Now().Add(d.StallTimeout))
	out := writeParts(w, parts)
	_ = rc.Flush()
	_ = rc.SetWriteDeadline(time.Time{})
	return out
}

func (d *Door) writeCompact(w http.ResponseWriter, r *http.Request, parts [][]byte) (out bool) {
	d.compact(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { out = writeParts(w, parts) })).ServeHTTP(w, r)
	return out
}

func writeParts(w http.ResponseWriter, parts [][]byte) bool {
	for _, p := range parts {
		if len(p) == 0 {
			continue
		}
		if _, err := w.Write(p); err != nil {
			return false
		}
	}
	return true
}

// AnswerJSON answers 200 with a value of one of api's types.
func (d *Door) AnswerJSON(w http.ResponseWriter, r *http.Request, value any) error {
	text, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("encode the answer: %w", err)
	}
	d.Write(w, r, append(text, '\n'))
	return nil
}
