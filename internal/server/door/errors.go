package door

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"maps"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/runagent/runagent/api"
	"github.com/runagent/runagent/internal/fault"
)

// documentation is where each code is explained, by its name in lower case.
const documentation = "https://github.com/runagent/runagent/blob/main/docs/errors.md#"

// statusCanceled is nginx's "client closed request": HTTP has none of its own.
const statusCanceled = 499

// defaultRetryAfter goes with a 429 or 503 that does not say how long to wait.
const defaultRetryAfter = time.Second

// statuses is the one table from wire codes to HTTP.
var statuses = map[fault.Code]int{
	fault.Validation:          http.StatusBadRequest,
	fault.InvalidKey:          http.StatusUnauthorized,
	fault.Permission:          http.StatusForbidden,
	fault.AgentNotFound:       http.StatusNotFound,
	fault.EntrypointNotFound:  http.StatusNotFound,
	fault.NotFound:            http.StatusNotFound,
	fault.Conflict:            http.StatusConflict,
	fault.MethodNotAllowed:    http.StatusMethodNotAllowed,
	fault.RequestTimeout:      http.StatusRequestTimeout,
	fault.UnsupportedMedia:    http.StatusUnsupportedMediaType,
	fault.PayloadTooLarge:     http.StatusRequestEntityTooLarge,
	fault.IdempotencyMismatch: http.StatusUnprocessableEntity,
	fault.RateLimited:         http.StatusTooManyRequests,
	fault.Execution:           http.StatusInternalServerError,
	fault.Internal:            http.StatusInternalServerError,
	fault.Overloaded:          http.StatusServiceUnavailable,
	fault.AgentUnavailable:    http.StatusServiceUnavailable,
	fault.Timeout:             http.StatusGatewayTimeout,
	fault.Canceled:            statusCanceled,
	fault.NotImplemented:      http.StatusNotImplemented,
}

// Codes lists the codes there are.
func Codes() []fault.Code { return slices.Sorted(maps.Keys(statuses)) }

// StatusOf returns the HTTP status of a code.
func StatusOf(code fault.Code) int {
	if status, ok := statuses[code]; ok {
		return status
	}
	return http.StatusInternalServerError
}

// Public turns any error into one that may be shown: what carries no code is
// logged here and becomes INTERNAL_ERROR.
func (d *Door) Public(ctx context.Context, RequestID string, err error) *fault.Error {
	f := fault.As(err)
	if f != nil && f.Code != fault.Internal {
		return f
	}
	if f == nil && errors.Is(err, context.Canceled) {
		return fault.New(fault.Canceled, "the call was canceled")
	}
	if diskFull(err) {
		d.Log.ErrorContext(ctx, "disk is full", slog.String("request_id", RequestID), slog.Any("error", err))
		return fault.New(fault.AgentUnavailable, "the server's disk is full").WithSuggestion("Free some disk space on its machine, then try again.")
	}
	d.Log.ErrorContext(ctx, "request failed", slog.String("request_id", RequestID), slog.Any("error", err))
	return fault.New(fault.Internal, "internal error; the server's log has more under the request ID")
}

// diskFull reports whether err says so, as the system or as SQLite.
func diskFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || strings.Contains(err.Error(), "database or disk is full")
}

// WireError is f as clients see it.
func WireError(f *fault.Error, RequestID, invocationID string) *api.Error {
	return &api.Error{
		Code:             string(f.Code),
		Message:          f.Message,
		Details:          f.Details,
		Field:            f.Field,
		Suggestion:       f.Suggestion,
		InvocationID:     invocationID,
		RequestID:        RequestID,
		DocumentationURL: documentation + strings.ToLower(string(f.Code)),
	}
}

// SetErrorHeaders adds what HTTP wants beside the body.
func SetErrorHeaders(h http.Header, f *fault.Error) {
	switch f.Code {
	case fault.Overloaded, fault.AgentUnavailable, fault.RateLimited:
		wait := f.RetryAfter
		if wait <= 0 {
			wait = defaultRetryAfter
		}
		h.Set("Retry-After", strconv.Itoa(int(math.Ceil(wait.Seconds()))))
	case fault.InvalidKey:
		h.Set("WWW-Authenticate", "Bearer")
	case fault.RequestTimeout, fault.PayloadTooLarge:
		// What is left of the body is not worth reading.
		h.Set("Connection", "close")
	}
}

// WriteJSON answers with a small body. An error of the write has no one left
// to hear it: the client is gone.
func WriteJSON(w http.ResponseWriter, status int, body any) {
	text, err := json.Marshal(body)
	if err != nil {
		status = http.StatusInternalServerError
		text = []byte(`{"error":{"code":"INTERNAL_ERROR","message":"the answer can't be encoded"}}`)
	}
	h := w.Header()
	h["Content-Type"] = jsonType
	h["Content-Length"] = []string{strconv.Itoa(len(text) + 1)}
	w.WriteHeader(status)
	_, _ = w.Write(append(text, '\n'))
}

// CallError is the failure of an invocation that exists.
type CallError struct {
	// ID is the invocation's, "" if there is none.
	ID  string
	Err error
}

func (e *CallError) Error() string { return e.Err.Error() }
func (e *CallError) Unwrap() error { return e.Err }
