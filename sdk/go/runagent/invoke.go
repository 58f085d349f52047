package runagent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"time"

	"github.com/runagent/runagent/api"
)

// Call says what to invoke with what.
type Call struct {
	// Agent is an ID, a slug or a name.
	Agent string
	// Entrypoint is a tag; "" chooses the only one, or main, or generic.
	Entrypoint string
	// Input is what becomes a JSON object, the keyword arguments, or a JSON
	// list, the positional ones. nil means no arguments.
	Input any
	// Args are positional arguments beside an Input that is an object.
	Args []any
	// Timeout bounds the invocation on the server, a stream's whole life
	// included; 0 means the agent's own limit.
	Timeout time.Duration
	// Metadata is handed to the agent; it becomes a JSON object, or is nil.
	Metadata any
	// SessionID names the session the call belongs to, "" for none: 1 to 256
	// bytes without control characters. While an agent's traffic is split, the
	// calls of a session go to one revision.
	SessionID string
	// Logs asks a stream for what the agent prints, too.
	Logs bool
}

// Invoke runs an entrypoint and returns when it has ended. The result of a
// streaming one is the list of its items. When ctx ends first, the server
// cancels the invocation.
func (c *Client) Invoke(ctx context.Context, call Call) (*api.InvokeResponse, error) {
	body, err := call.request()
	if err != nil {
		return nil, err
	}
	var answer api.InvokeResponse
	err = c.fetch(ctx, request{
		method: http.MethodPost, path: []string{"v1", "agents", call.Agent, "invoke"}, body: body,
	}, &answer)
	if err != nil {
		return nil, err
	}
	return &answer, nil
}

// Kind says what an Event is.
type Kind string

// The kinds of events. A stream that succeeds begins with Start and ends with Done.
const (
	Start Kind = "start"
	Chunk Kind = "chunk"
	Log   Kind = "log"
	Done  Kind = "done"
)

// Event is one event of a stream.
type Event struct {
	Kind Kind
	// Seq numbers the events of an invocation from 1.
	Seq int64
	// InvocationID is set on Start.
	InvocationID string
	// Content and Index, from 0, are set on Chunk.
	Content json.RawMessage
	Index   int
	// Log is set on Log.
	Log *api.LogLine
	// Done is set on Done. Its Result is what an entrypoint that does not
	// stream returned.
	Done *api.DoneEvent
}

// ErrCut says that a stream ended before its last event, because the server or
// the connection went away.
var ErrCut = errors.New("the stream was cut before its end")

// Stream runs an entrypoint and iterates over its events as they come. A
// failure, also one that comes after some chunks, is the last pair, with a zero
// Event. Leaving the loop or ending ctx cancels the invocation.
func (c *Client) Stream(ctx context.Context, call Call) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		body, err := call.request()
		if err != nil {
			yield(Event{}, err)
			return
		}
		query := url.Values{}
		if call.Logs {
			query.Set("logs", "1")
		}
		messages := c.events(ctx, request{
			method: http.MethodPost, path: []string{"v1", "agents", call.Agent, "stream"}, query: query, body: body,
		})
		for msg, err := range messages {
			event := Event{}
			if err == nil {
				event, err = decodeEvent(msg)
			}
			if !yield(event, err) || err != nil || event.Kind == Done {
				return
			}
		}
		yield(Event{}, ErrCut)
	}
}

// request returns the body that asks for the call.
func (call *Call) request() (*api.InvokeRequest, error) {
	body := &api.InvokeRequest{
		Entrypoint: call.Entrypoint, TimeoutSeconds: call.Timeout.Seconds(), SessionID: call.SessionID,
	}
	parts := []struct {
		name  string
		value any
		into  *json.RawMessage
	}{{"input", call.Input, &body.Input}, {"metadata", call.Metadata, &body.Metadata}}
	if call.Args != nil {
		parts = append(parts, struct {
			name  string
			value any
			into  *json.RawMessage
		}{"args", call.Args, &body.Args})
	}
	for _, part := range parts {
		if part.value == nil {
			continue
		}
		raw, err := json.Marshal(part.value)
		if err != nil {
			return nil, fmt.Errorf("encode %s: %w", part.name, err)
		}
		*part.into = raw
	}
	return body, nil
}

// decodeEvent turns an event of the wire into one of ours. An error event is
// returned as the *Error it holds. Kinds it does not know pass with Kind and
// Seq only: a newer server may send more.
func decodeEvent(msg message) (Event, error) {
	event := Event{Kind: Kind(msg.event), Seq: msg.seq}
	var err error
	switch event.Kind {
	case Start:
		var start api.StartEvent
		err = json.Unmarshal(msg.data, &start)
		event.InvocationID = start.InvocationID
	case Chunk:
		var chunk api.ChunkEvent
		err = json.Unmarshal(msg.data, &chunk)
		event.Content, event.Index = chunk.Content, chunk.Index
	case Log:
		err = json.Unmarshal(msg.data, &event.Log)
	case Done:
		err = json.Unmarshal(msg.data, &event.Done)
	case "error":
		return Event{}, decodeErrorEvent(msg.data)
	}
	if err != nil {
		return Event{}, fmt.Errorf("decode %s event: %w", msg.event, err)
	}
	return event, nil
}

// decodeErrorEvent accepts the error object bare, and in the envelope of answers.
func decodeErrorEvent(data []byte) error {
	var wire struct {
		api.Error
		Inner *api.Error `json:"error"`
	}
	if err := json.Unmarshal(data, &wire); err != nil {
		return fmt.Errorf("decode error event: %w", err)
	}
	if wire.Inner != nil {
		return newError(*wire.Inner)
	}
	return newError(wire.Error)
}
