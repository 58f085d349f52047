package fakellm

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
)

// apiError is an error in the form that OpenAI's clients read.
type apiError struct {
	status  int
	message string
	param   string
	code    string
}

func newAPIError(status int, format string, args ...any) *apiError {
	return &apiError{status: status, message: fmt.Sprintf(format, args...)}
}

// with names the parameter at fault and the code, either may be empty.
func (e *apiError) with(param, code string) *apiError {
	e.param, e.code = param, code
	return e
}

// Error implements error.
func (e *apiError) Error() string { return e.message }

// kind is the error's type on the wire.
func (e *apiError) kind() string {
	switch {
	case e.status == http.StatusTooManyRequests:
		return "requests"
	case e.status >= 500:
		return "server_error"
	}
	return "invalid_request_error"
}

// write sends the error, with what a client needs to try again.
func (e *apiError) write(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/json")
	if e.status == http.StatusTooManyRequests {
		w.Header().Set("Retry-After", "1")
		w.Header().Set("Retry-After-Ms", "50") // clients prefer it: tests need not wait a second
	}
	w.WriteHeader(e.status)
	_ = json.NewEncoder(w).Encode(map[string]any{"error": map[string]any{
		"message": e.message, "type": e.kind(), "param": orNull(e.param), "code": orNull(e.code),
	}}) // who hung up misses it
}

// asAPIError finds the apiError in err; what has none is an error of ours.
func asAPIError(err error) *apiError {
	if err == nil {
		return nil
	}
	var known *apiError
	if errors.As(err, &known) {
		return known
	}
	return newAPIError(http.StatusInternalServerError, "%v", err)
}

func orNull(text string) any {
	if text == "" {
		return nil
	}
	return text
}
