package webhookcall

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/runagent/runagent/internal/agent"
	"github.com/runagent/runagent/internal/fault"
	"github.com/runagent/runagent/internal/invocation"
)

// quoteLimit is how much of an answer that says what went wrong is passed on.
const quoteLimit = 2000

// errTimeout ends a request that took longer than the manifest allows.
var errTimeout = errors.New("the webhook took too long")

// exchange is one request to a webhook and its answer.
type exchange struct {
	hook   *agent.Entrypoint
	client *http.Client
	limit  int64
	agent  string // the User-Agent
}

// run sends the call and returns the JSON of the answer, or nothing when its
// items went to emit.
func (x *exchange) run(ctx context.Context, call invocation.Call, emit func(invocation.Event) error) (json.RawMessage, error) {
	sent, err := payload(call)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, x.hook.Timeout, errTimeout)
	defer cancel()
	req, err := x.request(ctx, call, sent)
	if err != nil {
		return nil, err
	}
	resp, err := x.client.Do(req)
	if err != nil {
		return nil, x.broken(ctx, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return nil, x.refused(resp)
	}
	if !streams(x.hook) {
		output, err := x.whole(resp)
		return output, x.brokenOff(ctx, err)
	}
	var gone error // of a caller who takes no more
	err = x.stream(resp, func(item json.RawMessage) error {
		gone = emit(invocation.Event{Kind: invocation.Chunk, Data: item})
		return gone
	})
	if gone != nil {
		return nil, gone
	}
	return nil, x.brokenOff(ctx, err)
}

// payload is what a webhook is sent: the keywords as an object, or the one
// positional argument. Keywords that are only "payload" stand for what that
// holds, as published clients of n8n agents send it. nil means: nothing.
func payload(call invocation.Call) (json.RawMessage, error) {
	var args []json.RawMessage
	if call.Args != nil {
		if err := json.Unmarshal(call.Args, &args); err != nil {
			return nil, fault.New(fault.Validation, "args: %w", err).WithField("args")
		}
	}
	var kwargs map[string]json.RawMessage
	if call.Kwargs != nil {
		if err := json.Unmarshal(call.Kwargs, &kwargs); err != nil {
			return nil, fault.New(fault.Validation, "input: %w", err).WithField("input")
		}
	}
	switch {
	case len(args) > 1 || len(args) == 1 && len(kwargs) > 0:
		return nil, fault.New(fault.Validation, "a webhook takes one input: an object of named values, or one positional argument").
			WithField("args")
	case len(args) == 1:
		return args[0], nil
	case len(kwargs) == 1 && kwargs["payload"] != nil:
		return kwargs["payload"], nil
	case len(kwargs) > 0:
		return bytes.Clone(call.Kwargs), nil // a request may outlive its answer
	}
	return nil, nil
}

// request is the HTTP request of a call.
func (x *exchange) request(ctx context.Context, call invocation.Call, sent json.RawMessage) (*http.Request, error) {
	target, body := x.hook.WebhookURL, io.Reader(nil)
	switch {
	case x.hook.Method == http.MethodGet || x.hook.Method == http.MethodDelete:
		var err error
		if target, err = withQuery(target, sent); err != nil {
			return nil, err
		}
	case sent == nil:
		body = strings.NewReader("{}")
	default:
		body = bytes.NewReader(sent)
	}
	req, err := http.NewRequestWithContext(ctx, x.hook.Method, target, body)
	if err != nil {
		return nil, fault.New(fault.Execution, "webhook %q: %w", x.hook.Tag, err)
	}
	req.Header.Set("Accept", "application/json")
	if streams(x.hook) {
		req.Header.Set("Accept", "text/event-stream, application/x-ndjson, application/json")
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	req.Header.Set("User-Agent", x.agent)
	req.Header.Set("Idempotency-Key", call.ID)
	if call.TraceParent != "" {
		req.Header.Set("Traceparent", call.TraceParent)
	}
	return req, nil
}

// withQuery adds the fields of an object to an address: texts as they are,
// lists as several values, all else as JSON.
func withQuery(target string, sent json.RawMessage) (string, error) {
	if sent == nil {
		return target, nil
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(sent, &fields); err != nil || fields == nil {
		return "", fault.New(fault.Validation, "this webhook is asked by its address: its input must be an object of named values").WithField("input")
	}
	u, err := url.Parse(target)
	if err != nil {
		return "", fault.New(fault.Execution, "webhook_url: %w", err)
	}
	query := u.Query()
	for name, value := range fields {
		var list []json.RawMessage
		if json.Unmarshal(value, &list) != nil {
			list = []json.RawMessage{value}
		}
		for _, one := range list {
			query.Add(name, plainText(one))
		}
	}
	u.RawQuery = query.Encode()
	return u.String(), nil
}

func plainText(value json.RawMessage) string {
	var text string
	if json.Unmarshal(value, &text) == nil && string(value) != "null" {
		return text
	}
	return string(value)
}

// ended returns why ctx has ended, or nil.
func (x *exchange) ended(ctx context.Context) error {
	cause := context.Cause(ctx)
	if errors.Is(cause, errTimeout) {
		return fault.New(fault.Timeout, "webhook %q did not answer within %v, the timeout in the manifest", x.hook.Tag, x.hook.Timeout)
	}
	return cause
}

// brokenOff tells why an answer was not read to its end; nil stays nil.
func (x *exchange) brokenOff(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if cause := x.ended(ctx); cause != nil {
		return cause
	}
	if f := fault.As(err); f != nil {
		return f
	}
	return fault.New(fault.Execution, "webhook %q: the answer breaks off: %w", x.hook.Tag, err)
}

// broken tells why a request got no answer.
func (x *exchange) broken(ctx context.Context, err error) error {
	if cause := x.ended(ctx); cause != nil {
		return cause
	}
	var asked *url.Error // names the whole address, which may be a secret
	if errors.As(err, &asked) {
		err = asked.Err
	}
	if errors.Is(err, errRedirect) {
		return fault.New(fault.Execution, "webhook %q: %w", x.hook.Tag, err)
	}
	return fault.New(fault.AgentUnavailable, "webhook %q can't be reached: %w", x.hook.Tag, err).WithRetryAfter(time.Second)
}

// refused tells what an answer that is no success means for the caller: what
// trying again can mend, and what it can't.
func (x *exchange) refused(resp *http.Response) error {
	text := quote(resp.Body)
	code := fault.Execution
	switch resp.StatusCode {
	case http.StatusBadRequest, http.StatusUnprocessableEntity:
		code = fault.Validation
	case http.StatusTooManyRequests:
		code = fault.RateLimited
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		code = fault.AgentUnavailable
	}
	says := ""
	if text != "" {
		says = ": " + oneLine(text)
	}
	f := fault.New(code, "webhook %q answered %s%s", x.hook.Tag, statusText(resp.StatusCode), says).
		WithDetails(map[string]any{"status": resp.StatusCode, "body": text})
	if seconds, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil && seconds > 0 && code != fault.Validation {
		f = f.WithRetryAfter(time.Duration(min(seconds, 3600)) * time.Second)
	}
	return f
}

func statusText(status int) string {
	return strings.TrimSpace(fmt.Sprintf("%d %s", status, http.StatusText(status)))
}

// quote reads the beginning of an answer that people should see.
func quote(body io.Reader) string {
	raw, _ := io.ReadAll(io.LimitReader(body, quoteLimit)) // what came is better than nothing
	return strings.TrimSpace(strings.ToValidUTF8(string(raw), "\uFFFD"))
}

// oneLine shortens a text for a message.
func oneLine(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	if runes := []rune(text); len(runes) > 200 {
		return string(runes[:200]) + "…"
	}
	return text
}
