package runagent

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/runagent/runagent/api"
)

// The codes of errors, to compare an Error's Code with.
const (
	CodeValidation         = "VALIDATION_ERROR"
	CodeInvalidKey         = "INVALID_API_KEY"
	CodePermission         = "PERMISSION_ERROR"
	CodeAgentNotFound      = "AGENT_NOT_FOUND"
	CodeEntrypointNotFound = "ENTRYPOINT_NOT_FOUND"
	CodeNotFound           = "NOT_FOUND"
	CodeConflict           = "CONFLICT"
	CodePayloadTooLarge    = "PAYLOAD_TOO_LARGE"
	CodeRateLimited        = "RATE_LIMIT_EXCEEDED"
	CodeExecution          = "EXECUTION_ERROR"
	CodeInternal           = "INTERNAL_ERROR"
	CodeOverloaded         = "OVERLOADED"
	CodeAgentUnavailable   = "AGENT_UNAVAILABLE"
	CodeTimeout            = "TIMEOUT_ERROR"
	CodeCanceled           = "CANCELED"
	CodeNotImplemented     = "NOT_IMPLEMENTED"
)

// Error is a failure that the server reported.
type Error struct {
	// Status is that of HTTP; 0 when the error ended a stream that had begun.
	Status int
	// Code is one of the Code constants; "" when something between us and the
	// server answered.
	Code    string
	Message string
	// Field names the field of the request that is wrong, if one is.
	Field string
	// Details is a JSON object with more, by code, or nil.
	Details    json.RawMessage
	Suggestion string
	// InvocationID is the invocation that failed, if there was one.
	InvocationID string
	RequestID    string
	// RetryAfter is how long to wait before trying again; 0 says nothing.
	RetryAfter time.Duration

	body []byte
}

// Error returns the message.
func (e *Error) Error() string { return e.Message }

// Exception is what the agent raised.
type Exception struct {
	Type      string `json:"type"`
	Message   string `json:"message"`
	Traceback string `json:"traceback"`
}

// Exception returns what the agent raised, or nil when it did not raise.
func (e *Error) Exception() *Exception {
	var x Exception
	if e.Code != CodeExecution || json.Unmarshal(e.Details, &x) != nil {
		return nil
	}
	return &x
}

// HasCode reports whether err is, or wraps, an Error with the given code.
func HasCode(err error, code string) bool {
	var e *Error
	return errors.As(err, &e) && e.Code == code
}

// readError makes the Error of an answer that is not a success.
func readError(res *http.Response) error {
	body, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return fmt.Errorf("read error answer (%s): %w", res.Status, err)
	}
	var wire api.ErrorBody
	if json.Unmarshal(body, &wire) != nil || wire.Error.Code == "" {
		wire.Error = api.Error{Message: "the server answered " + res.Status}
	}
	e := newError(wire.Error)
	e.Status = res.StatusCode
	e.body = body
	if seconds, err := strconv.Atoi(res.Header.Get("Retry-After")); err == nil {
		e.RetryAfter = time.Duration(seconds) * time.Second
	}
	return e
}

func newError(wire api.Error) *Error {
	return &Error{
		Code: wire.Code, Message: wire.Message, Field: wire.Field, Details: wire.Details,
		Suggestion: wire.Suggestion, InvocationID: wire.InvocationID, RequestID: wire.RequestID,
	}
}
