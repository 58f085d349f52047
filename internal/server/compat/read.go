package compat

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
	"github.com/runagent/runagent/internal/server/door"
	"github.com/runagent/runagent/internal/server/envelope"
)

// endpoints is what the door's root tells about itself.
var endpoints = map[string]string{
	"GET /api/v1/health":                              "Health check",
	"POST /api/v1/agents/{agent_id}/run":              "Run an entrypoint",
	"GET /api/v1/agents/{agent_id}/run-stream":        "Stream an entrypoint over a WebSocket",
	"GET /api/v1/agents/{agent_id}/architecture":      "List the entrypoints",
	"GET /api/v1/agents/{agent_id}/invocations":       "Get invocation history",
	"GET /api/v1/agents/{agent_id}/invocations/stats": "Get invocation stats",
	"GET /api/v1/invocations/{invocation_id}":         "Get one invocation",
}

// Info says what is served here.
func (p *Door) Info(w http.ResponseWriter, r *http.Request) error {
	d, err := p.served(r)
	if err != nil {
		return err
	}
	info := api.CompatInfo{Message: "RunAgent API", Version: p.door.Version, Config: json.RawMessage("{}"), Endpoints: endpoints}
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
	return p.door.AnswerJSON(w, r, info)
}

// publicConfig is the manifest without its variables, which may be secrets.
func publicConfig(d *door.Description) (json.RawMessage, error) {
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
func (p *Door) served(r *http.Request) (*door.Description, error) {
	agents, err := p.door.Agents.List(r.Context())
	if err != nil || len(agents) == 0 {
		return nil, err
	}
	return &agents[0], nil
}

// Health says how the served agent is.
func (p *Door) Health(w http.ResponseWriter, r *http.Request) error {
	h, err := p.door.Health(r.Context())
	if err != nil {
		return err
	}
	d, err := p.served(r)
	if err != nil {
		return err
	}
	body := api.CompatHealth{Status: h.Status, Timestamp: time.Now().UTC(), UptimeSeconds: h.UptimeSeconds, Version: p.door.Version}
	if d != nil {
		body.AgentID, body.AgentName = d.Agent.ID, d.Agent.Name
		if d.Agent.Manifest != nil {
			body.Framework = d.Agent.Manifest.Framework
		}
	}
	return p.door.AnswerJSON(w, r, body)
}

// Architecture lists the entrypoints as the manifest names them.
func (p *Door) Architecture(w http.ResponseWriter, r *http.Request) error {
	d, err := p.door.Agents.Describe(r.Context(), r.PathValue("agent"))
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
	return p.door.AnswerJSON(w, r, api.CompatEnvelope{Success: true, Data: data, Message: &message, Timestamp: time.Now().UTC(), RequestID: envelopeID(w)})
}

// A list has at most maxPage records.
const (
	defaultPage = 50
	maxPage     = 1000
)

// states are the published clients' words for a status.
var states = map[string][]invocation.Status{
	"pending":   {invocation.Running, invocation.Queued},
	"completed": {invocation.Succeeded},
	"failed":    {invocation.FailedS, invocation.CanceledS, invocation.TimedOut},
}

// Invocations lists an agent's records.
func (p *Door) Invocations(w http.ResponseWriter, r *http.Request) error {
	d, err := p.door.Agents.Describe(r.Context(), r.PathValue("agent"))
	if err != nil {
		return err
	}
	q := door.AnyQuery(r)
	limit := q.Number("limit", defaultPage, maxPage)
	wanted, known := states[q.Text("status")]
	if q.Text("status") == "" {
		wanted = []invocation.Status{""}
	} else if !known {
		q.Refuse("status", "there is no status %q; there are pending, completed and failed", envelope.Clip(q.Text("status"), 64))
	}
	if q.Err != nil {
		return q.Err
	}
	list := api.CompatInvocationList{AgentID: d.Agent.ID, Invocations: []api.CompatInvocation{}}
	for _, status := range wanted {
		records, _, err := p.door.History.Invocations(r.Context(), invocation.Filter{AgentID: d.Agent.ID, Status: status, Limit: limit})
		if err != nil {
			return err
		}
		for i := range records {
			list.Invocations = append(list.Invocations, wireInvocation(&records[i]))
		}
	}
	list.Invocations = newest(list.Invocations, limit)
	list.TotalCount = len(list.Invocations)
	return p.door.AnswerJSON(w, r, list)
}

// Stats sums up an agent's records.
func (p *Door) Stats(w http.ResponseWriter, r *http.Request) error {
	d, err := p.door.Agents.Describe(r.Context(), r.PathValue("agent"))
	if err != nil {
		return err
	}
	st, err := p.door.History.Stats(r.Context(), d.Agent.ID)
	if err != nil {
		return err
	}
	counts := api.CompatStatsCounts{
		Total: st.Total, Completed: st.Succeeded, Failed: st.Failed + st.Canceled + st.TimedOut, Pending: st.Running,
		AvgMS: door.Milliseconds(st.AvgDuration),
	}
	if st.Total > 0 {
		counts.SuccessRate = 100 * float64(st.Succeeded) / float64(st.Total)
	}
	return p.door.AnswerJSON(w, r, api.CompatStats{AgentID: d.Agent.ID, Stats: counts})
}

// Invocation shows one record.
func (p *Door) Invocation(w http.ResponseWriter, r *http.Request) error {
	rec, err := p.door.History.Invocation(r.Context(), r.PathValue("invocation"))
	if err != nil {
		return err
	}
	return p.door.AnswerJSON(w, r, wireInvocation(rec))
}

func wireInvocation(rec *invocation.Record) api.CompatInvocation {
	v := api.CompatInvocation{
		InvocationID: rec.ID, AgentID: rec.AgentID, EntrypointTag: rec.Entrypoint, Status: "failed",
		InputData: payload(rec.Input), OutputData: payload(rec.Output),
		RequestTimestamp: rec.CreatedAt.UTC(), SDKType: rec.SDKType, ClientInfo: json.RawMessage("null"),
	}
	if rec.Client != "" {
		v.ClientInfo = append(door.AppendQuoted([]byte(`{"client":`), rec.Client), '}')
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
		message := message(fault.New(fault.Code(e.Code), "%s", e.Message))
		v.ErrorDetail = &message
	}
	if !rec.FinishedAt.IsZero() {
		at, ms := rec.FinishedAt.UTC(), door.Milliseconds(rec.Timings.Total)
		v.ResponseTimestamp, v.ExecutionTimeMS = &at, &ms
	}
	return v
}

// payload is a recorded value; of one that was cut, its beginning as text.
func payload(p invocation.Payload) json.RawMessage {
	switch {
	case len(p.JSON) == 0:
		return json.RawMessage("null")
	case p.Truncated:
		return door.AppendQuoted(nil, p.JSON)
	}
	return p.JSON
}

// newest sorts records of several states into one list, newest first.
func newest(list []api.CompatInvocation, limit int) []api.CompatInvocation {
	slices.SortStableFunc(list, func(a, b api.CompatInvocation) int { return b.RequestTimestamp.Compare(a.RequestTimestamp) })
	return list[:min(len(list), limit)]
}
