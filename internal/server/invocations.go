package server

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"

	"github.com/runagent/runagent/api"
	"github.com/runagent/runagent/internal/fault"
	"github.com/runagent/runagent/internal/invocation"
	"github.com/runagent/runagent/internal/server/door"
	"github.com/runagent/runagent/internal/server/envelope"
)

const (
	defaultPage = 50
	maxPage     = 1000
)

// states are the values of a status filter.
var states = []invocation.Status{invocation.Queued, invocation.Running, invocation.Succeeded,
	invocation.FailedS, invocation.CanceledS, invocation.TimedOut}

// handleInvocations lists records, newest first.
func (s *Server) handleInvocations(w http.ResponseWriter, r *http.Request) error {
	q := door.ReadQuery(r, "agent", "status", "entrypoint", "session", "since", "cursor", "limit")
	f := invocation.Filter{
		AgentID: s.agentID(r.Context(), q.Text("agent")), Status: invocation.Status(q.Text("status")),
		Entrypoint: q.Text("entrypoint"), SessionID: q.Text("session"), Since: q.Time("since"),
		Cursor: q.Text("cursor"), Limit: q.Number("limit", defaultPage, maxPage),
	}
	checkStatus(q, f.Status)
	if q.Err != nil {
		return q.Err
	}
	records, next, err := s.door.History.Invocations(r.Context(), f)
	if err != nil {
		return err
	}
	list := api.InvocationList{Invocations: make([]api.Invocation, 0, len(records)), NextCursor: next}
	for i := range records {
		list.Invocations = append(list.Invocations, wireInvocation(&records[i]))
	}
	return s.door.AnswerJSON(w, r, list)
}

// agentID turns a reference into the ID records carry. What no agent answers
// to may be the ID of one that is gone.
func (s *Server) agentID(ctx context.Context, ref string) string {
	if ref == "" {
		return ""
	}
	if d, err := s.door.Agents.Describe(ctx, ref); err == nil {
		return d.Agent.ID
	}
	return ref
}

func checkStatus(q *door.Query, status invocation.Status) {
	names := make([]string, 0, len(states))
	for _, state := range states {
		if status == state || status == "" {
			return
		}
		names = append(names, string(state))
	}
	q.Refuse("status", "there is no status %q; there are %s", envelope.Clip(string(status), 64), strings.Join(names, ", "))
}

// handleInvocation shows one record.
func (s *Server) handleInvocation(w http.ResponseWriter, r *http.Request) error {
	rec, err := s.door.History.Invocation(r.Context(), r.PathValue("invocation"))
	if err != nil {
		return err
	}
	return s.door.AnswerJSON(w, r, wireInvocation(rec))
}

// handleCancel stops a running invocation.
func (s *Server) handleCancel(w http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("invocation")
	if err := s.door.Executor.Cancel(id); err != nil {
		return s.endedAlready(r.Context(), id, err)
	}
	door.WriteJSON(w, http.StatusOK, api.CancelResponse{InvocationID: id, Status: string(invocation.CanceledS)})
	return nil
}

// endedAlready makes a conflict of "not found" when there is a record: the
// Executor forgets what has ended.
func (s *Server) endedAlready(ctx context.Context, id string, err error) error {
	if fault.CodeOf(err) != fault.NotFound {
		return err
	}
	rec, recErr := s.door.History.Invocation(ctx, id)
	if recErr != nil || !rec.Status.Done() {
		return err
	}
	return fault.New(fault.Conflict, "the invocation has ended already: it is %s", rec.Status)
}

// handlePlanned refuses a route that is specified and not built yet.
func (s *Server) handlePlanned(_ http.ResponseWriter, r *http.Request) error {
	return envelope.NotBuilt(r.Method + " " + envelope.Clip(r.URL.Path, 128))
}

func wireInvocation(rec *invocation.Record) api.Invocation {
	v := api.Invocation{
		ID: rec.ID, AgentID: rec.AgentID, Revision: rec.Revision, Entrypoint: rec.Entrypoint,
		SessionID: rec.SessionID, Status: string(rec.Status), Attempt: rec.Attempt,
		Input: wirePayload(rec.Input), Output: wirePayload(rec.Output),
		Start: string(rec.Start), Chunks: rec.Chunks, CreatedAt: rec.CreatedAt.UTC(), Usage: rec.Usage,
		Door: rec.Door, SDKType: rec.SDKType, Client: rec.Client, RequestID: rec.RequestID,
	}
	if !rec.FinishedAt.IsZero() {
		at := rec.FinishedAt.UTC()
		v.FinishedAt, v.Timings = &at, door.WireTimings(rec.Timings)
	}
	if len(rec.Error) > 0 {
		v.Error = new(api.Error)
		if json.Unmarshal(rec.Error, v.Error) != nil {
			v.Error.Message = string(rec.Error)
		}
	}
	return v
}

func wirePayload(p invocation.Payload) *api.Payload {
	if p.Size == 0 && len(p.JSON) == 0 {
		return nil
	}
	v := &api.Payload{Size: p.Size, Digest: p.Digest, Truncated: p.Truncated}
	if p.Truncated {
		v.Prefix = strings.ToValidUTF8(string(p.JSON), "")
	} else {
		v.JSON = p.JSON
	}
	return v
}
