package peer

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/runagent/runagent/bench/load"
)

// Call is one call of a function of bench/agent/work.py: what goes in and what
// must come out, as compact JSON.
type Call struct {
	Function string
	Args     string
	// Want is the result; Items are those of a stream, in order.
	Want  string
	Items []string
}

// Dialect says a call as one server wants to hear it, and knows its answers.
type Dialect interface {
	// Caller returns a client of the server at addr for calls like c.
	Caller(addr string, c *Call) load.Caller
	// Shot returns c ready to be sent to addr.
	Shot(addr string, c *Call) *load.Shot
}

// httpShot posts body and looks for the result or the items in the answer.
func httpShot(addr, path, body string, c *Call, want string, items []string) *load.Shot {
	var header []string
	if c.Items != nil {
		header = append(header, "Accept: text/event-stream")
	}
	s := &load.Shot{Wire: load.Post(addr, path, []byte(body), header...), Check: contains(want)}
	if c.Items != nil {
		s.Check, s.First = containsInOrder(items), marker(items[0])
	}
	return s
}

// marker returns what an item begins with, whichever way JSON is spaced.
func marker(item string) []byte {
	wide, n := spaced(item), 0
	for n < len(item) && item[n] == wide[n] {
		n++
	}
	return []byte(item[:n])
}

// contains checks that an answer holds the result, whichever way its server
// spaces JSON.
func contains(want string) func([]byte) error {
	compact, wide := []byte(want), []byte(spaced(want))
	return func(body []byte) error {
		if holds(body, compact) || holds(body, wide) {
			return nil
		}
		return fmt.Errorf("the answer lacks %.100s: %.200s", compact, body)
	}
}

// beginning is how much of a long text is searched for; the rest is compared.
const beginning = 64

// holds is bytes.Contains for long texts, too: that one hashes all of what it
// looks for, which for 1 MiB takes longer than a server takes to answer.
func holds(body, want []byte) bool {
	for len(want) > beginning {
		at := bytes.Index(body, want[:beginning])
		if at < 0 || len(body)-at < len(want) {
			return false
		}
		if bytes.Equal(body[at:at+len(want)], want) {
			return true
		}
		body = body[at+1:]
	}
	return bytes.Contains(body, want)
}

// containsInOrder checks that an answer holds all items, each after the other,
// and none beside them.
func containsInOrder(items []string) func([]byte) error {
	compact, wide := newSeries(items, func(item string) string { return item }), newSeries(items, spaced)
	return func(body []byte) error {
		one, other := compact.in(body), wide.in(body)
		if one == len(items) || other == len(items) {
			return nil
		}
		n := max(one, other)
		return fmt.Errorf("item %d, %s, is missing, out of order or followed by one too many: %.300s", n, items[n], body)
	}
}

// series is the items of a stream as one server writes them.
type series struct {
	items [][]byte
	// mark is what all begin with; empty for fewer than two.
	mark []byte
}

func newSeries(items []string, write func(string) string) series {
	var s series
	for _, item := range items {
		s.items = append(s.items, []byte(write(item)))
	}
	if len(items) > 1 {
		first, second, n := s.items[0], s.items[1], 0
		for n < min(len(first), len(second)) && first[n] == second[n] {
			n++
		}
		s.mark = first[:n]
	}
	return s
}

// in returns how many of the items come one after the other in body, with no
// other item before the next or the end.
func (s series) in(body []byte) int {
	for n, item := range s.items {
		at := bytes.Index(body, item)
		if at < 0 {
			return n
		}
		if s.marked(body[:at]) {
			return max(n-1, 0)
		}
		body = body[at+len(item):]
	}
	if s.marked(body) {
		return len(s.items) - 1
	}
	return len(s.items)
}

// marked reports whether text holds what may be an item.
func (s series) marked(text []byte) bool { return len(s.mark) > 0 && bytes.Contains(text, s.mark) }

// spaced writes compact JSON as Python's json does: a space after each colon
// and comma. Escaped quotes, as of JSON inside JSON, count as quotes.
func spaced(compact string) string {
	var b strings.Builder
	inText := false
	for i := range len(compact) {
		c := compact[i]
		b.WriteByte(c)
		switch {
		case c == '"':
			inText = !inText
		case !inText && (c == ',' || c == ':') && !strings.HasPrefix(compact[i+1:], " "):
			b.WriteByte(' ')
		}
	}
	return b.String()
}

// Plain is what a web framework's user writes: POST /function with the
// arguments as the body, the result alone as the answer, items as SSE data.
type Plain struct{}

// Caller implements Dialect.
func (Plain) Caller(addr string, _ *Call) load.Caller { return load.NewHTTP(addr) }

// Shot implements Dialect.
func (Plain) Shot(addr string, c *Call) *load.Shot {
	return httpShot(addr, "/"+c.Function, c.Args, c, c.Want, prefixed("data: ", c.Items))
}

// Mirror is Plain for a server that sends back what it gets.
type Mirror struct{ Plain }

// Shot implements Dialect.
func (Mirror) Shot(addr string, c *Call) *load.Shot {
	items := make([]string, len(c.Items))
	for i := range items {
		items[i] = fmt.Sprintf(`{"i":%d,"text":%s}`, i, c.Args)
	}
	return httpShot(addr, "/"+c.Function, c.Args, c, c.Args, items)
}

// Native is RunAgent's own door.
type Native struct{}

// Caller implements Dialect.
func (Native) Caller(addr string, _ *Call) load.Caller { return load.NewHTTP(addr) }

// Shot implements Dialect.
func (Native) Shot(addr string, c *Call) *load.Shot {
	body := fmt.Sprintf(`{"entrypoint":%q,"input":%s}`, tag(c), c.Args)
	return httpShot(addr, "/v1/agents/bench/invoke", body, c, `"result":`+c.Want, prefixed(`"content":`, c.Items))
}

// tag is the name of c's function in the agent's manifest.
func tag(c *Call) string {
	switch {
	case c.Function == "stream":
		return "chunks_stream"
	case c.Items != nil && !strings.HasSuffix(c.Function, "_stream"):
		return c.Function + "_stream"
	}
	return c.Function
}

// NativeSocket is RunAgent's own WebSocket, one for all calls of a client.
type NativeSocket struct{}

// Caller implements Dialect.
func (NativeSocket) Caller(addr string, _ *Call) load.Caller {
	return load.NewSocket(addr, "/v1/agents/bench/ws")
}

// Shot implements Dialect.
func (NativeSocket) Shot(_ string, c *Call) *load.Shot {
	s := &load.Shot{
		Wire:  fmt.Appendf(nil, `{"type":"invoke","ref":"1","entrypoint":%q,"input":%s}`, tag(c), c.Args),
		Check: contains(c.Want),
		End: func(message []byte) bool {
			return hasType(message, "result") || hasType(message, "error")
		},
	}
	if c.Items != nil {
		s.Check, s.First = containsInOrder(c.Items), marker(c.Items[0])
	}
	return s
}

// hasType looks for the type near the beginning of a message, where it stands.
func hasType(message []byte, name string) bool {
	begin := message[:min(len(message), 64)]
	return bytes.Contains(begin, []byte(`"type":"`+name+`"`)) || bytes.Contains(begin, []byte(`"type": "`+name+`"`))
}

// Compat is the door of the published RunAgent clients: JSON inside JSON, and
// streams on a WebSocket each.
type Compat struct{}

// Caller implements Dialect.
func (Compat) Caller(addr string, c *Call) load.Caller {
	if c.Items != nil {
		return load.NewFreshSocket(addr, "/api/v1/agents/bench/run-stream")
	}
	return load.NewHTTP(addr)
}

// Shot implements Dialect.
func (Compat) Shot(addr string, c *Call) *load.Shot {
	body := fmt.Sprintf(`{"entrypoint_tag":%q,"input_args":[],"input_kwargs":%s}`, tag(c), c.Args)
	if c.Items == nil {
		return &load.Shot{
			Wire:  load.Post(addr, "/api/v1/agents/bench/run", []byte(body)),
			Check: containsEscaped(c.Want),
		}
	}
	items := make([]string, len(c.Items))
	wide := make([]string, len(c.Items))
	for i, item := range c.Items {
		items[i], wide[i] = escaped(item, 2), escaped(spaced(item), 2)
	}
	one, other := containsInOrder(items), containsInOrder(wide)
	return &load.Shot{
		Wire:  []byte(body),
		First: []byte(`"data"`),
		End: func(message []byte) bool {
			return bytes.Contains(message, []byte("stream_completed")) || hasType(message, "error")
		},
		Check: func(body []byte) error {
			err := one(body)
			if err != nil && other(body) == nil {
				err = nil
			}
			return err
		},
	}
}

// containsEscaped is contains for JSON inside JSON inside JSON.
func containsEscaped(want string) func([]byte) error {
	compact, wide := []byte(escaped(want, 2)), []byte(escaped(spaced(want), 2))
	return func(body []byte) error {
		if holds(body, compact) || holds(body, wide) {
			return nil
		}
		return fmt.Errorf("the answer lacks %.100s: %.300s", compact, body)
	}
}

// escaped returns JSON as it stands in a text, or in a text inside a text: depth 2.
func escaped(value string, depth int) string {
	for range depth {
		quoted, err := json.Marshal(value)
		if err != nil {
			return value
		}
		value = string(quoted[1 : len(quoted)-1])
	}
	return value
}

func prefixed(prefix string, items []string) []string {
	out := make([]string, len(items))
	for i, item := range items {
		out[i] = prefix + item
	}
	return out
}
