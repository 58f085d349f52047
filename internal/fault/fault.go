// Package fault holds the errors that users can act on: each carries one of
// the wire codes, a message that reads well alone, and where to look.
// An error without a code is internal: its text goes to the log only.
package fault

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// Code is an error code as it stands on the wire. Clients branch on it.
type Code string

// The wire codes. The HTTP status of each stands in one table of the server.
const (
	Validation          Code = "VALIDATION_ERROR"
	InvalidKey          Code = "INVALID_API_KEY"
	Permission          Code = "PERMISSION_ERROR"
	AgentNotFound       Code = "AGENT_NOT_FOUND"
	EntrypointNotFound  Code = "ENTRYPOINT_NOT_FOUND"
	NotFound            Code = "NOT_FOUND"
	Conflict            Code = "CONFLICT"
	MethodNotAllowed    Code = "METHOD_NOT_ALLOWED"
	RequestTimeout      Code = "REQUEST_TIMEOUT"
	UnsupportedMedia    Code = "UNSUPPORTED_MEDIA_TYPE"
	PayloadTooLarge     Code = "PAYLOAD_TOO_LARGE"
	IdempotencyMismatch Code = "IDEMPOTENCY_MISMATCH"
	RateLimited         Code = "RATE_LIMIT_EXCEEDED"
	Execution           Code = "EXECUTION_ERROR"
	Internal            Code = "INTERNAL_ERROR"
	Overloaded          Code = "OVERLOADED"
	AgentUnavailable    Code = "AGENT_UNAVAILABLE"
	Timeout             Code = "TIMEOUT_ERROR"
	Canceled            Code = "CANCELED"
	NotImplemented      Code = "NOT_IMPLEMENTED"
)

// Error is a failure with a code. It is immutable once returned.
type Error struct {
	Code    Code
	Message string
	// Field names the field of the request that is wrong, if one is.
	Field string
	// Details is a JSON object with more, such as the user's traceback.
	Details json.RawMessage
	// Suggestion says what to do next, if there is something to do.
	Suggestion string
	// RetryAfter is how long a client should wait before it tries again; 0 says nothing.
	RetryAfter time.Duration

	cause error
}

// New returns an Error. The format may hold one %w: that error is the cause.
func New(code Code, format string, args ...any) *Error {
	err := fmt.Errorf(format, args...)
	return &Error{Code: code, Message: err.Error(), cause: errors.Unwrap(err)}
}

// Error returns the message.
func (e *Error) Error() string { return e.Message }

// Unwrap returns the cause, if there is one.
func (e *Error) Unwrap() error { return e.cause }

// WithField returns a copy that names the field at fault.
func (e *Error) WithField(field string) *Error {
	c := *e
	c.Field = field
	return &c
}

// WithDetails returns a copy that carries details, which must marshal to a JSON object.
func (e *Error) WithDetails(details any) *Error {
	c := *e
	if raw, err := json.Marshal(details); err == nil {
		c.Details = raw
	}
	return &c
}

// WithSuggestion returns a copy that says what to do next.
func (e *Error) WithSuggestion(format string, args ...any) *Error {
	c := *e
	c.Suggestion = fmt.Sprintf(format, args...)
	return &c
}

// WithRetryAfter returns a copy that asks the client to wait for d.
func (e *Error) WithRetryAfter(d time.Duration) *Error {
	c := *e
	c.RetryAfter = d
	return &c
}

// As returns the Error in err's chain, or nil.
func As(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return nil
}

// CodeOf returns the code in err's chain: Internal when there is none, "" for nil.
func CodeOf(err error) Code {
	if err == nil {
		return ""
	}
	if e := As(err); e != nil {
		return e.Code
	}
	return Internal
}
