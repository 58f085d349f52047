package server

import (
	"encoding/json"
	"net/http"

	"github.com/runagent/runagent/api"
	"github.com/runagent/runagent/internal/invocation"
	"github.com/runagent/runagent/internal/server/door"
)

const (
	defaultLines = 100
	maxLines     = 10_000
)

// handleLogs answers with an agent's last log lines, or follows them as events.
func (s *Server) handleLogs(w http.ResponseWriter, r *http.Request) error {
	d, err := s.door.Agents.Describe(r.Context(), r.PathValue("agent"))
	if err != nil {
		return err
	}
	q := door.ReadQuery(r, "follow", "limit", "invocation", "revision", "since")
	which := LogQuery{
		AgentID: d.Agent.ID, InvocationID: q.Text("invocation"), Revision: q.Text("revision"), Since: q.Time("since"),
		Limit: q.Number("limit", defaultLines, maxLines),
	}
	follow := q.Flag("follow")
	if q.Err != nil {
		return q.Err
	}
	if s.o.Platform != nil && which.Revision != "" { // which may be a number there
		rev, err := s.o.Platform.Revision(r.Context(), d.Agent.ID, which.Revision)
		if err != nil {
			return err
		}
		which.Revision = rev.ID
	}
	if follow {
		return s.followLogs(w, r, which)
	}
	lines, err := s.o.Logs.Tail(r.Context(), which)
	if err != nil {
		return err
	}
	list := api.LogList{Logs: make([]api.LogLine, 0, len(lines))}
	for _, line := range lines {
		list.Logs = append(list.Logs, api.LogLine(line))
	}
	return s.door.AnswerJSON(w, r, list)
}

// followLogs sends lines as they come, until the client goes or the server stops.
func (s *Server) followLogs(w http.ResponseWriter, r *http.Request, which LogQuery) error {
	ctx, cancel := merge(r.Context(), s.door.Draining)
	defer cancel()
	events := s.door.OpenEvents(w)
	defer events.Close()
	events.Begin()
	err := s.o.Logs.Follow(ctx, which, func(line invocation.LogLine) error {
		text, err := json.Marshal(api.LogLine(line))
		if err != nil {
			return err
		}
		return events.Send("log", 0, func(dst []byte) []byte { return append(dst, text...) })
	})
	if err != nil && ctx.Err() == nil {
		f := s.door.Public(ctx, door.RequestID(w), err)
		if text, err := json.Marshal(door.WireError(f, door.RequestID(w), "")); err == nil {
			_ = events.Send("error", 0, func(dst []byte) []byte { return append(dst, text...) })
		}
	}
	return nil
}
