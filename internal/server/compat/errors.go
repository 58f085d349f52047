package compat

import (
	"encoding/json"
	"errors"
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/runagent/runagent/api"
	"github.com/runagent/runagent/internal/fault"
	"github.com/runagent/runagent/internal/server/door"
)

// uuids are cut out of messages for published clients, which guess codes from
// digits they find: a UUID may well hold 403.
var uuids = regexp.MustCompile(`"?\b[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\b"? ?`)

// statusWords are the digits that published clients take for a status.
var statusWords = regexp.MustCompile(`\b(401|403|404|500|502|503)\b`)

// Fail answers with an error that came before the run, with its status.
func (p *Door) Fail(w http.ResponseWriter, r *http.Request, err error) {
	f := p.door.Public(r.Context(), door.RequestID(w), err)
	door.SetErrorHeaders(w.Header(), f)
	body := failedEnvelope(f, envelopeID(w))
	body.Detail = body.Error.Message
	door.WriteJSON(w, door.StatusOf(f.Code), body)
}

// failRun answers with the failure of the run itself, which is a success to HTTP.
func (p *Door) failRun(w http.ResponseWriter, f *fault.Error) {
	door.WriteJSON(w, http.StatusOK, failedEnvelope(f, envelopeID(w)))
}

func failedEnvelope(f *fault.Error, id string) *api.CompatEnvelope {
	details := f.Details
	if details == nil {
		details = json.RawMessage("null")
	}
	e := &api.CompatError{Code: string(f.Code), Message: message(f), Details: details, Suggestion: f.Suggestion}
	if field := f.Field; field != "" {
		if field == "entrypoint" { // as this door calls it
			field = "entrypoint_tag"
		}
		e.Field = &field
	}
	return &api.CompatEnvelope{Data: json.RawMessage("null"), Error: e, Timestamp: time.Now().UTC(), RequestID: id}
}

// message words f so that clients that guess from words guess right.
// What the agent's own exception says is left as it is.
func message(f *fault.Error) string {
	text := f.Message
	switch f.Code {
	case fault.Execution:
		return text
	case fault.Internal:
		return "the server failed inside; its log has more"
	case fault.Timeout:
		if !strings.Contains(strings.ToLower(text), "timeout") {
			text = "timeout: " + text
		}
	case fault.AgentNotFound, fault.EntrypointNotFound, fault.NotFound:
		if !strings.Contains(strings.ToLower(text), "not found") {
			text = "not found: " + text
		}
	}
	text = uuids.ReplaceAllString(text, "")
	return statusWords.ReplaceAllString(text, "…")
}

// runFailed reports whether err came from the run itself: there was an
// invocation, and its code or its input ended it.
func runFailed(err error) bool {
	var call *door.CallError
	if !errors.As(err, &call) || call.ID == "" {
		return false
	}
	switch fault.CodeOf(call.Err) {
	case fault.Execution, fault.Validation, fault.Timeout, fault.Canceled:
		return true
	}
	return false
}

// envelopeID is the request ID as an envelope wants it: a UUID, whatever the
// client may have sent in the header.
func envelopeID(w http.ResponseWriter) string {
	id := door.RequestID(w)
	if len(id) == 36 && uuids.MatchString(id) {
		return id
	}
	return door.NewRequestID()
}
