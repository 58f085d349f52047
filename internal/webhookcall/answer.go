package webhookcall

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/runagent/runagent/internal/fault"
)

// errTooLarge ends the reading of an answer.
var errTooLarge = errors.New("too large")

// whole returns an answer as one JSON value: null for none, the list of its
// items for one that is a stream.
func (x *exchange) whole(resp *http.Response) (json.RawMessage, error) {
	raw, err := io.ReadAll(io.LimitReader(resp.Body, x.limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(raw)) > x.limit {
		return nil, x.tooLarge()
	}
	if mediaType(resp) != eventStream {
		raw = bytes.TrimSpace(bytes.TrimPrefix(raw, []byte("\uFEFF")))
		switch {
		case len(raw) == 0:
			return json.RawMessage("null"), nil
		case json.Valid(raw) && utf8.Valid(raw):
			return raw, nil
		}
	}
	list := []json.RawMessage{}
	resp.Body = io.NopCloser(bytes.NewReader(raw))
	err = x.stream(resp, func(item json.RawMessage) error {
		list = append(list, item)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return json.Marshal(list)
}

// stream hands each item of an answer to take as it comes: of server-sent
// events their data, else JSON values, one after the other.
func (x *exchange) stream(resp *http.Response, take func(json.RawMessage) error) error {
	if mediaType(resp) == eventStream {
		return x.events(resp.Body, take)
	}
	limited := &meter{r: resp.Body, limit: x.limit}
	dec := json.NewDecoder(limited)
	for n := 0; ; n++ {
		var item json.RawMessage
		err := dec.Decode(&item)
		var syntax *json.SyntaxError
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case errors.Is(err, errTooLarge):
			return x.tooLarge()
		case errors.Is(err, io.ErrUnexpectedEOF):
			return fault.New(fault.Execution, "webhook %q: the answer breaks off in item %d", x.hook.Tag, n+1)
		case errors.As(err, &syntax) || err == nil && !utf8.Valid(item):
			return x.notJSON(resp, n, dec)
		case err != nil:
			return err
		}
		limited.n = 0
		if err := take(slices.Clip(item)); err != nil {
			return err
		}
	}
}

func (x *exchange) notJSON(resp *http.Response, n int, dec *json.Decoder) error {
	kind := mediaType(resp)
	if kind == "" {
		kind = "something of no media type"
	}
	if n > 0 {
		return fault.New(fault.Execution, "webhook %q: item %d of the answer (%s) is not JSON", x.hook.Tag, n+1, kind)
	}
	text := quote(dec.Buffered())
	return fault.New(fault.Execution, "webhook %q did not answer JSON but %s: %s", x.hook.Tag, kind, oneLine(text)).
		WithDetails(map[string]any{"status": resp.StatusCode, "body": text})
}

func (x *exchange) tooLarge() error {
	return fault.New(fault.Execution, "webhook %q: the answer is larger than the limit of %d bytes", x.hook.Tag, x.limit)
}

const eventStream = "text/event-stream"

func mediaType(resp *http.Response) string {
	kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type")) // a bad one is none
	return kind
}

// events reads server-sent events. Data that is JSON is an item as it is,
// other data is one text. An event named error fails the call; data "[DONE]",
// by which services of OpenAI's kind end, ends it.
func (x *exchange) events(body io.Reader, take func(json.RawMessage) error) error {
	lines := bufio.NewScanner(body)
	lines.Buffer(make([]byte, 0, 4096), int(min(x.limit, 1<<30)))
	var name string
	var data []byte
	for given := false; lines.Scan(); {
		line := strings.TrimPrefix(lines.Text(), "\uFEFF")
		if line == "" {
			done, err := x.dispatch(name, data, given, take)
			if done || err != nil {
				return err
			}
			name, data, given = "", nil, false
			continue
		}
		field, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch field {
		case "event":
			name = value
		case "data":
			if given {
				data = append(data, '\n')
			}
			data, given = append(data, value...), true
			if int64(len(data)) > x.limit {
				return x.tooLarge()
			}
		}
	}
	if errors.Is(lines.Err(), bufio.ErrTooLong) {
		return x.tooLarge()
	}
	return lines.Err()
}

// dispatch passes one event on; done says that it was the last.
func (x *exchange) dispatch(name string, data []byte, given bool, take func(json.RawMessage) error) (done bool, err error) {
	switch {
	case !given:
		return false, nil
	case name == "error":
		return true, fault.New(fault.Execution, "webhook %q reported an error: %s", x.hook.Tag, oneLine(string(data))).
			WithDetails(map[string]any{"body": strings.ToValidUTF8(string(data[:min(len(data), quoteLimit)]), "\uFFFD")})
	case string(data) == "[DONE]":
		return true, nil
	case json.Valid(data) && utf8.Valid(data):
		return false, take(bytes.TrimSpace(data))
	}
	text, err := json.Marshal(string(data))
	if err != nil {
		return false, fmt.Errorf("write the event's text: %w", err)
	}
	return false, take(text)
}

// meter fails a read beyond its limit; who has used up an item sets n back.
type meter struct {
	r     io.Reader
	n     int64
	limit int64
}

// Read implements io.Reader.
func (m *meter) Read(p []byte) (int, error) {
	if m.n > m.limit {
		return 0, errTooLarge
	}
	n, err := m.r.Read(p)
	m.n += int64(n)
	return n, err
}
