package server

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/runagent/runagent/api"
	"github.com/runagent/runagent/internal/fault"
	"github.com/runagent/runagent/internal/invocation"
)

// compatEndpoints is what the door's root tells about itself.
var compatEndpoints = map[string]string{
	"GET /api/v1/health":                              "Health check",
	"POST /api/v1/agents/{agent_id}/run":              "Run an entrypoint",
	"GET /api/v1/agents/{agent_id}/run-stream":        "Stream an entrypoint over a WebSocket",
	"GET /api/v1/agents/{agent_id}/architecture":      "List the entrypoints",
	"GET /api/v1/agents/{agent_id}/invocations":       "Get invocation history",
	"GET /api/v1/agents/{agent_id}/invocations/stats": "Get invocation stats",
	"GET /api/v1/invocations/{invocation_id}":         "Get one invocation",
}

// handleCompatInfo says what is served here.
func (s *Server) handleCompatInfo(w http.ResponseWriter, r *http.Request) error {
	d, err := s.served(r)
	if err != nil {
		return err
	}
	info := api.CompatInfo{Message: "RunAgent API", Version: s.o.Version, Config: json.RawMessage("{}"), Endpoints: compatEndpoints}
	if addr, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr); ok {
		host, port, _ := net.SplitHostPort(addr.String())
		info.Host = host
		info.Port, _ = strconv.Atoi(port)
	}
	if d != nil {
		info.Message = fmt.Sprintf("RunAgent API - %s(%s)", d.Agent.Name, d.Agent.ID)
		if info.Config, err = publicConfig(d); err != nil {
			return err
		}
	}
	return s.answerJSON(w, r, info)
}

// publicConfig is the manifest without its variables, which may be secrets.
func publicConfig(d *Description) (json.RawMessage, error) {
	config := map[string]json.RawMessage{}
	if d.Agent.Manifest != nil && len(d.Agent.Manifest.Raw) > 0 {
		if err := json.Unmarshal(d.Agent.Manifest.Raw, &config); err != nil {
			return nil, fmt.Errorf("read the manifest: %w", err)
		}
	}
	delete(config, "env_vars")
	return json.Marshal(config)
}

// served returns the one agent of a local server, or nil.
func (s *Server) served(r *http.Request) (*Description, error) {
	agents, err := s.o.Agents.List(r.Context())
	if err != nil || len(agents) == 0 {
		return nil, err
	}
	return &agents[0], nil
}

// handleCompatHealth says how the served agent is.
func (s *Server) handleCompatHealth(w http.ResponseWriter, r *http.Request) error {
	h, err := s.health(r.Context())
	if err != nil {
		return err
	}
	d, err := s.served(r)
	if err != nil {
		return err
	}
	body := api.CompatHealth{Status: h.Status, Timestamp: time.Now().UTC(), UptimeSeconds: h.UptimeSeconds, Version: s.o.Version}
	if d != nil {
		body.AgentID, body.AgentName = d.Agent.ID, d.Agent.Name
		if d.Agent.Manifest != nil {
			body.Framework = d.Agent.Manifest.Framework
		}
	}
	return s.answerJSON(w, r, body)
}

// handleArchitecture lists the entrypoints as the manifest names them.
func (s *Server) handleArchitecture(w http.ResponseWriter, r *http.Request) error {
	d, err := s.o.Agents.Describe(r.Context(), r.PathValue("agent"))
	if err != nil {
		return err
	}
	a := api.CompatArchitecture{AgentID: d.Agent.ID, Entrypoints: []api.CompatEntrypoint{}}
	if d.Agent.Manifest != nil {
		for _, e := range d.Agent.Manifest.Entrypoints {
			extractor := e.Extractor
			if extractor == nil {
				extractor = map[string]string{}
			}
			a.Entrypoints = append(a.Entrypoints, api.CompatEntrypoint{
				Tag: e.Tag, File: e.File, Module: e.Module, Extractor: extractor, Type: string(e.Type), Description: e.Description})
		}
	}
	data, err := json.Marshal(a)
	if err != nil {
		return err
	}
	message := "Agent architecture retrieved successfully"
	return s.answerJSON(w, r, api.CompatEnvelope{Success: true, Data: data, Message: &message, Timestamp: time.Now().UTC(), RequestID: envelopeID(w)})
}

// compatStates are the published clients' words for a status.
var compatStates = map[string][]invocation.Status{
	"pending":   {invocation.Running, invocation.Queued},
	"completed": {invocation.Succeeded},
	"failed":    {invocation.FailedS, invocation.CanceledS, invocation.TimedOut},
}

// handleCompatInvocations lists an agent's records.
func (s *Server) handleCompatInvocations(w http.ResponseWriter, r *http.Request) error {
	d, err := s.o.Agents.Describe(r.Context(), r.PathValue("agent"))
	if err != nil {
		return err
	}
	q := &query{values: r.URL.Query()}
	limit := q.number("limit", defaultPage, maxPage)
	wanted, known := compatStates[q.text("status")]
	if q.text("status") == "" {
		wanted = []invocation.Status{""}
	} else if !known {
		q.refuse("status", "there is no status %q; there are pending, completed and failed", clip(q.text("status"), 64))
	}
	if q.err != nil {
		return q.err
	}
	list := api.CompatInvocationList{AgentID: d.Agent.ID, Invocations: []api.CompatInvocation{}}
	for _, status := range wanted {
		records, _, err := s.o.History.Invocations(r.Context(), invocation.Filter{AgentID: d.Agent.ID, Status: status, Limit: limit})
		if err != nil {
			return err
		}
		for i := range records {
			list.Invocations = append(list.Invocations, compatInvocation(&records[i]))
		}
	}
	list.Invocations = newest(list.Invocations, limit)
	list.TotalCount = len(list.Invocations)
	return s.answerJSON(w, r, list)
}

// handleCompatStats sums up an agent's records.
func (s *Server) handleCompatStats(w http.ResponseWriter, r *http.Request) error {
	d, err := s.o.Agents.Describe(r.Context(), r.PathValue("agent"))
	if err != nil {
		return err
	}
	st, err := s.o.History.Stats(r.Context(), d.Agent.ID)
	if err != nil {
		return err
	}
	counts := api.CompatStatsCounts{
		Total: st.Total, Completed: st.Succeeded, Failed: st.Failed + st.Canceled + st.TimedOut, Pending: st.Running,
		AvgMS: milliseconds(st.AvgDuration),
	}
	if st.Total > 0 {
		counts.SuccessRate = 100 * float64(st.Succeeded) / float64(st.Total)
	}
	return s.answerJSON(w, r, api.CompatStats{AgentID: d.Agent.ID, Stats: counts})
}

// handleCompatInvocation shows one record.
func (s *Server) handleCompatInvocation(w http.ResponseWriter, r *http.Request) error {
	rec, err := s.o.History.Invocation(r.Context(), r.PathValue("invocation"))
	if err != nil {
		return err
	}
	return s.answerJSON(w, r, compatInvocation(rec))
}

func compatInvocation(rec *invocation.Record) api.CompatInvocation {
	v := api.CompatInvocation{
		InvocationID: rec.ID, AgentID: rec.AgentID, EntrypointTag: rec.Entrypoint, Status: "failed",
		InputData: compatPayload(rec.Input), OutputData: compatPayload(rec.Output),
		RequestTimestamp: rec.CreatedAt.UTC(), SDKType: rec.SDKType, ClientInfo: json.RawMessage("null"),
	}
	if rec.Client != "" {
		v.ClientInfo = append(appendQuoted([]byte(`{"client":`), rec.Client), '}')
	}
	switch rec.Status {
	case invocation.Queued, invocation.Running:
		v.Status = "pending"
	case invocation.Succeeded:
		v.Status = "completed"
	case invocation.FailedS, invocation.CanceledS, invocation.TimedOut:
		var e api.Error
		if json.Unmarshal(rec.Error, &e) != nil || e.Message == "" {
			e.Message = string(rec.Status)
		}
		message := compatMessage(fault.New(fault.Code(e.Code), "%s", e.Message))
		v.ErrorDetail = &message
	}
	if !rec.FinishedAt.IsZero() {
		at, ms := rec.FinishedAt.UTC(), milliseconds(rec.Timings.Total)
		v.ResponseTimestamp, v.ExecutionTimeMS = &at, &ms
	}
	return v
}

// compatPayload is a recorded value; of one that was cut, its beginning as text.
func compatPayload(p invocation.Payload) json.RawMessage {
	switch {
	case len(p.JSON) == 0:
		return json.RawMessage("null")
	case p.Truncated:
		return appendQuoted(nil, p.JSON)
	}
	return p.JSON
}

// newest sorts records of several states into one list, newest first.
func newest(list []api.CompatInvocation, limit int) []api.CompatInvocation {
	slices.SortStableFunc(list, func(a, b api.CompatInvocation) int { return b.RequestTimestamp.Compare(a.RequestTimestamp) })
	return list[:min(len(list), limit)]
}
