package server

import (
	"net/http"
	"strings"

	"github.com/runagent/runagent/internal/fault"
	"github.com/runagent/runagent/internal/invocation"
	"github.com/runagent/runagent/internal/server/door"
	"github.com/runagent/runagent/internal/server/envelope"
	"github.com/runagent/runagent/internal/slab"
)

// handleInvoke runs an entrypoint and answers in the form the caller accepts.
func (s *Server) handleInvoke(w http.ResponseWriter, r *http.Request) error {
	req, body, err := s.readCall(w, r)
	if err != nil {
		return err
	}
	if strings.Contains(r.Header.Get("Accept"), door.EventStreamType) {
		return s.stream(w, r, req)
	}
	items := door.Collector{Limit: s.door.MaxBytes}
	out, err := s.door.Executor.Execute(r.Context(), req, items.Emit)
	if items.Err != nil {
		err = items.Err
	}
	if err != nil {
		return &door.CallError{ID: out.ID, Err: err}
	}
	slab.Put(body)
	return s.answer(w, r, &out, &items)
}

// handleStream runs an entrypoint and answers with events.
func (s *Server) handleStream(w http.ResponseWriter, r *http.Request) error {
	req, _, err := s.readCall(w, r)
	if err != nil {
		return err
	}
	return s.stream(w, r, req)
}

// readCall reads what is asked for. Payloads stay as they came: they are parts
// of the body.
func (s *Server) readCall(w http.ResponseWriter, r *http.Request) (invocation.Request, []byte, error) {
	req := invocation.Request{
		Agent:       r.PathValue("agent"),
		Revision:    r.Header.Get(door.RevisionHeader),
		TraceParent: r.Header.Get("Traceparent"),
		Door:        "v1",
		RequestID:   door.RequestID(w),
	}
	req.SDKType, req.Client = door.Caller(r)
	if err := refuseHeaders(r.Header); err != nil {
		return req, nil, err
	}
	body, err := s.door.ReadBody(r)
	if err != nil {
		return req, nil, err
	}
	e, err := envelope.Read(body, &envelope.V1)
	if err != nil {
		return req, nil, err
	}
	if err := e.Call(&req); err != nil {
		return req, nil, err
	}
	return req, body, pathEntrypoint(r, &req)
}

// pathEntrypoint takes the entrypoint from the path, where a route has it there.
func pathEntrypoint(r *http.Request, req *invocation.Request) error {
	tag := r.PathValue("entrypoint")
	if tag == "" {
		return nil
	}
	if req.Entrypoint != "" && req.Entrypoint != tag {
		return fault.New(fault.Validation, "the path names the entrypoint %q, the body %q", envelope.Clip(tag, 64), envelope.Clip(req.Entrypoint, 64)).
			WithField("entrypoint")
	}
	req.Entrypoint = tag
	return nil
}

// refuseHeaders refuses headers that are specified and not built yet.
func refuseHeaders(h http.Header) error {
	if h.Get("Idempotency-Key") != "" {
		return envelope.NotBuilt("Idempotency-Key")
	}
	for _, prefer := range h.Values("Prefer") {
		if strings.Contains(strings.ToLower(prefer), "respond-async") {
			return envelope.NotBuilt("Prefer: respond-async")
		}
	}
	return nil
}

// answer writes an InvokeResponse. The result goes out as it came.
func (s *Server) answer(w http.ResponseWriter, r *http.Request, out *invocation.Outcome, items *door.Collector) error {
	result := items.Result(&out.Result)
	if int64(len(result)) > s.door.MaxBytes {
		return &door.CallError{ID: out.ID, Err: fault.New(fault.Execution, "the result of %d bytes is larger than the limit of %d", len(result), s.door.MaxBytes)}
	}
	scratch := s.door.Scratch.Take()
	head := append((*scratch)[:0], `{"invocation_id":`...)
	head = door.AppendQuoted(head, out.ID)
	head = append(head, `,"status":"succeeded","result":`...)
	cut := len(head)
	if len(result) <= door.CopyUpTo {
		head = append(head, result...)
		cut, result = len(head), nil
	}
	head = append(head, `,"metadata":`...)
	head = door.AppendMetadata(head, out)
	head = append(head, "}\n"...)
	if s.door.Write(w, r, head[:cut], result, head[cut:]) {
		slab.Put(out.Result.Memory)
	}
	s.door.Scratch.Give(scratch, head)
	return nil
}
