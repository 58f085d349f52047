// Package compat is the door of the published RunAgent clients, which must work
// unmodified: every shape here is fixed by what they send and read.
package compat

import (
	"bytes"
	"net/http"
	"time"

	"github.com/runagent/runagent/internal/fault"
	"github.com/runagent/runagent/internal/invocation"
	"github.com/runagent/runagent/internal/server/door"
	"github.com/runagent/runagent/internal/server/envelope"
	"github.com/runagent/runagent/internal/slab"
)

// defaultTimeout is what a published client means that sends no timeout.
const defaultTimeout = 300 * time.Second

// Door answers the routes of the published clients. What its handlers return is
// to be written by Fail.
type Door struct {
	door   *door.Door
	intake Intake
}

// New returns the published clients' Door. Without an intake it has no routes
// for those who deploy.
func New(d *door.Door, intake Intake) *Door { return &Door{door: d, intake: intake} }

// Run runs an entrypoint for a published client.
func (p *Door) Run(w http.ResponseWriter, r *http.Request) error {
	req := p.request(w, r)
	body, err := p.door.ReadBody(r)
	if err != nil {
		return err
	}
	if err := readCall(body, &req); err != nil {
		return err
	}
	req.PlainOnly = true
	// The Go client waits exactly as long as it asks for.
	req.AnswerEarly = true
	items := door.Collector{Limit: p.door.MaxBytes}
	out, err := p.door.Executor.Execute(r.Context(), req, items.Emit)
	if items.Err != nil {
		err = items.Err
	}
	if err != nil {
		err = &door.CallError{ID: out.ID, Err: err}
		if runFailed(err) {
			p.failRun(w, fault.As(err))
			return nil
		}
		return err
	}
	slab.Put(body)
	p.answerRun(w, r, items.Result(&out.Result))
	slab.Put(out.Result.Memory)
	return nil
}

func (p *Door) request(w http.ResponseWriter, r *http.Request) invocation.Request {
	req := invocation.Request{
		Agent:       r.PathValue("agent"),
		Revision:    r.Header.Get(door.RevisionHeader),
		TraceParent: r.Header.Get("Traceparent"),
		Door:        "compat",
		RequestID:   door.RequestID(w),
	}
	req.SDKType, req.Client = door.Caller(r)
	return req
}

// readCall reads a run body. Fields it does not know are ignored.
func readCall(body []byte, req *invocation.Request) error {
	e, err := envelope.Read(body, &envelope.Compat)
	if err != nil {
		return err
	}
	if !e.Present(envelope.Entrypoint) {
		return fault.New(fault.Validation, "entrypoint_tag is missing").WithField("entrypoint_tag")
	}
	if err := e.Call(req); err != nil {
		return err
	}
	if req.Entrypoint == "" {
		return fault.New(fault.Validation, "entrypoint_tag is empty").WithField("entrypoint_tag")
	}
	if req.Timeout == 0 {
		req.Timeout = defaultTimeout
	}
	return nil
}

// answerRun writes an api.CompatEnvelope around the result.
func (p *Door) answerRun(w http.ResponseWriter, r *http.Request, result []byte) {
	text := append(slab.Get(len(result)*5/4+256), `{"success":true,"data":`...)
	text = appendData(text, result)
	text = append(text, `,"message":"Agent executed successfully","error":null,"timestamp":"`...)
	text = time.Now().UTC().AppendFormat(text, time.RFC3339Nano)
	text = door.AppendQuoted(append(text, `","request_id":`...), envelopeID(w))
	if text = append(text, "}\n"...); p.door.Write(w, r, text) {
		slab.Put(text)
	}
}

// appendData appends value as published clients read it: a JSON string that
// holds an api.CompatData, whose payload is a JSON string that holds value. Both
// layers of quotes are put on in one pass.
func appendData(dst, value []byte) []byte {
	dst = append(dst, `"{\"type\":\"`...)
	dst = append(dst, typeName(value)...)
	dst = append(dst, `\",\"payload\":\"`...)
	for {
		n := envelope.Plain(value)
		dst = append(dst, value[:n]...)
		if n == len(value) {
			return append(dst, `\"}"`...)
		}
		switch value[n] {
		case '"':
			dst = append(dst, `\\\"`...)
		case '\\':
			dst = append(dst, `\\\\`...)
		default: // white space between tokens; other control characters can't stand here
			dst = append(dst, ' ')
		}
		value = value[n+1:]
	}
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
