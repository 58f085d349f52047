package served

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"time"
)

// Answer is what came of one call.
type Answer struct {
	HTTP   int
	Header http.Header
	Status string          `json:"status"`
	Result json.RawMessage `json:"result"`
	Error  Failure         `json:"error"`
	Body   string
}

// Failure is the error object of an answer.
type Failure struct {
	Code    string         `json:"code"`
	Message string         `json:"message"`
	Field   string         `json:"field"`
	Details map[string]any `json:"details"`
}

// Value is the result decoded, numbers as float64.
func (a Answer) Value() any {
	var v any
	if json.Unmarshal(a.Result, &v) != nil {
		return nil
	}
	return v
}

// Get returns one field of a result that is an object, or nil.
func (a Answer) Get(field string) any {
	object, _ := a.Value().(map[string]any)
	return object[field]
}

// Input is a call's keywords.
type Input map[string]any

// Invoke calls an entrypoint and waits for its end. Two keys of input are the
// call's own: "timeout_seconds", and "input" for an input that is no object.
func (a *Agent) Invoke(entrypoint string, input Input) Answer {
	a.t.Helper()
	return a.Post("/v1/agents/"+a.ID+"/invoke", Envelope(entrypoint, input))
}

// Envelope is the body of a call.
func Envelope(entrypoint string, input Input) string {
	body := map[string]any{"entrypoint": entrypoint, "input": map[string]any{}}
	rest := map[string]any{}
	for name, value := range input {
		if name == "timeout_seconds" {
			body[name] = value
		} else {
			rest[name] = value
		}
	}
	body["input"] = rest
	if whole, ok := input["input"]; ok {
		body["input"] = whole
	}
	raw, err := json.Marshal(body)
	if err != nil {
		return "" // the tests pass plain values only
	}
	return string(raw)
}

// Post sends a JSON body, with headers as name, value, ….
func (a *Agent) Post(path, body string, headers ...string) Answer {
	a.t.Helper()
	answer, err := a.TryPost(a.t.Context(), path, body, headers...)
	if err != nil {
		a.t.Fatalf("POST %s: %v", path, err)
	}
	return answer
}

// TryPost is Post for calls that may be cut off, or that have a deadline of their own in ctx.
func (a *Agent) TryPost(ctx context.Context, path, body string, headers ...string) (Answer, error) {
	if _, own := ctx.Deadline(); !own {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, patience)
		defer cancel()
	}
	res, err := a.send(ctx, http.MethodPost, path, body, headers...)
	if err != nil {
		return Answer{}, err
	}
	defer res.Body.Close()
	return Read(res)
}

// Fetch gets a path.
func (a *Agent) Fetch(path string, headers ...string) Answer {
	a.t.Helper()
	ctx, cancel := context.WithTimeout(a.t.Context(), patience)
	defer cancel()
	res, err := a.send(ctx, http.MethodGet, path, "", headers...)
	if err != nil {
		a.t.Fatalf("GET %s: %v", path, err)
	}
	defer res.Body.Close()
	answer, err := Read(res)
	if err != nil {
		a.t.Fatalf("GET %s: %v", path, err)
	}
	return answer
}

func (a *Agent) send(ctx context.Context, method, path, body string, headers ...string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, a.URL+path, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	if method == http.MethodPost {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(headers); i += 2 {
		if headers[i] == "Host" {
			req.Host = headers[i+1]
		}
		req.Header.Set(headers[i], headers[i+1])
	}
	return http.DefaultClient.Do(req)
}

// Read takes an answer in.
func Read(res *http.Response) (Answer, error) {
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return Answer{}, err
	}
	answer := Answer{HTTP: res.StatusCode, Header: res.Header, Body: string(body)}
	_ = json.Unmarshal(body, &answer) // what is not JSON is seen in Body
	return answer, nil
}

// Event is one server-sent event.
type Event struct {
	ID, Name string
	Data     json.RawMessage
}

// Stream is a call whose events arrive one by one.
type Stream struct {
	HTTP int
	// Close hangs up, as a client that goes away.
	Close func()

	agent *Agent
	lines *bufio.Reader
}

// Stream calls an entrypoint and returns its events as they come.
func (a *Agent) Stream(entrypoint string, input Input) *Stream {
	a.t.Helper()
	return a.stream("/v1/agents/"+a.ID+"/stream", entrypoint, input)
}

// StreamWithLogs is Stream with what the call prints among the events.
func (a *Agent) StreamWithLogs(entrypoint string, input Input) *Stream {
	a.t.Helper()
	return a.stream("/v1/agents/"+a.ID+"/stream?logs=1", entrypoint, input)
}

func (a *Agent) stream(path, entrypoint string, input Input) *Stream {
	a.t.Helper()
	ctx, cancel := context.WithCancel(a.t.Context())
	res, err := a.send(ctx, http.MethodPost, path, Envelope(entrypoint, input)) //nolint:bodyclose // hangUp does
	if err != nil {
		cancel()
		a.t.Fatalf("stream %s: %v", entrypoint, err)
	}
	hangUp := func() { cancel(); res.Body.Close() }
	watchdog := time.AfterFunc(patience, hangUp)
	a.t.Cleanup(func() { watchdog.Stop(); hangUp() })
	return &Stream{HTTP: res.StatusCode, Close: hangUp, agent: a, lines: bufio.NewReader(res.Body)}
}

// Next returns the next event; ok is false at the end of the stream.
func (s *Stream) Next() (event Event, ok bool) {
	s.agent.t.Helper()
	for {
		line, err := s.lines.ReadBytes('\n')
		if err != nil {
			return Event{}, false
		}
		name, value, _ := bytes.Cut(bytes.TrimRight(line, "\r\n"), []byte(":"))
		value = bytes.TrimPrefix(value, []byte(" "))
		switch string(name) {
		case "id":
			event.ID = string(value)
		case "event":
			event.Name = string(value)
		case "data":
			event.Data = append(event.Data, value...)
		case "":
			if event.Name != "" || event.Data != nil {
				return event, true
			}
		}
	}
}

// Rest returns all events to the end.
func (s *Stream) Rest() []Event {
	s.agent.t.Helper()
	var events []Event
	for {
		event, ok := s.Next()
		if !ok {
			return events
		}
		events = append(events, event)
	}
}
