package server

import (
	"bytes"
	"net/http"
	"time"

	"github.com/runagent/runagent/internal/fault"
	"github.com/runagent/runagent/internal/invocation"
)

// compatTimeout is what a published client means that sends no timeout.
const compatTimeout = 300 * time.Second

// handleRun runs an entrypoint for a published client.
func (s *Server) handleRun(w http.ResponseWriter, r *http.Request) error {
	req := s.compatRequest(w, r)
	body, err := s.readBody(r)
	if err != nil {
		return err
	}
	if err := readCompatCall(body, &req); err != nil {
		return err
	}
	req.PlainOnly = true
	// The Go client waits exactly as long as it asks for.
	req.AnswerEarly = true
	items := collector{limit: s.o.MaxBytes}
	out, err := s.o.Executor.Execute(r.Context(), req, items.emit)
	if items.err != nil {
		err = items.err
	}
	if err != nil {
		err = &callError{out.ID, err}
		if runFailed(err) {
			s.failRun(w, fault.As(err))
			return nil
		}
		return err
	}
	s.answerRun(w, r, items.result(&out.Result))
	return nil
}

func (s *Server) compatRequest(w http.ResponseWriter, r *http.Request) invocation.Request {
	req := invocation.Request{
		Agent:       r.PathValue("agent"),
		TraceParent: r.Header.Get("Traceparent"),
		Door:        "compat",
		RequestID:   requestID(w),
	}
	req.SDKType, req.Client = caller(r)
	return req
}

// readCompatCall reads a run body. Fields it does not know are ignored.
func readCompatCall(body []byte, req *invocation.Request) error {
	e, err := readEnvelope(body, &compatDialect)
	if err != nil {
		return err
	}
	if !e.present(fEntrypoint) {
		return fault.New(fault.Validation, "entrypoint_tag is missing").WithField("entrypoint_tag")
	}
	if err := e.call(req); err != nil {
		return err
	}
	if req.Entrypoint == "" {
		return fault.New(fault.Validation, "entrypoint_tag is empty").WithField("entrypoint_tag")
	}
	if req.Timeout == 0 {
		req.Timeout = compatTimeout
	}
	return nil
}

// answerRun writes an api.CompatEnvelope around the result.
func (s *Server) answerRun(w http.ResponseWriter, r *http.Request, result []byte) {
	scratch := s.scratch.take()
	text := append((*scratch)[:0], `{"success":true,"data":`...)
	text = appendData(text, result)
	text = append(text, `,"message":"Agent executed successfully","error":null,"timestamp":"`...)
	text = time.Now().UTC().AppendFormat(text, time.RFC3339Nano)
	text = appendQuoted(append(text, `","request_id":`...), envelopeID(w))
	text = append(text, "}\n"...)
	s.write(w, r, text)
	s.scratch.give(scratch, text)
}

// appendData appends value as published clients read it: a JSON string that
// holds an api.CompatData, whose payload is a JSON string that holds value. Both
// layers of quotes are put on in one pass.
func appendData(dst, value []byte) []byte {
	dst = append(dst, `"{\"type\":\"`...)
	dst = append(dst, typeName(value)...)
	dst = append(dst, `\",\"payload\":\"`...)
	from := 0
	for i, c := range value {
		var quoted string
		switch c {
		case '"':
			quoted = `\\\"`
		case '\\':
			quoted = `\\\\`
		case '\n', '\r', '\t': // between tokens; inside strings they can't stand
			quoted = " "
		default:
			continue
		}
		dst = append(append(dst, value[from:i]...), quoted...)
		from = i + 1
	}
	dst = append(dst, value[from:]...)
	return append(dst, `\"}"`...)
}

// typeName names the type of a JSON value. A whole float stays a number: how
// it is written tells, not what it is worth.
func typeName(value []byte) string {
	value = bytes.TrimSpace(value)
	if len(value) == 0 {
		return "null"
	}
	switch value[0] {
	case '"':
		return "string"
	case '{':
		return "object"
	case '[':
		return "array"
	case 't', 'f':
		return "boolean"
	case 'n':
		return "null"
	}
	if bytes.ContainsAny(value, ".eE") {
		return "number"
	}
	return "integer"
}
