package server

import (
	"net/http"

	"github.com/runagent/runagent/api"
)

// compatPrefix is where the published clients' door begins.
const compatPrefix = "/api/v1"

// route is one line of the table below. A route without doc is left out of the
// OpenAPI document.
type route struct {
	method, path string
	handler      http.Handler
	doc          *operation
}

// routes is every route there is.
func (s *Server) routes() []route {
	const get, post = http.MethodGet, http.MethodPost
	return []route{
		// Calling an agent.
		{post, "/v1/agents/{agent}/invoke", s.v1(s.handleInvoke), &operation{id: "invoke", tag: "Calls",
			summary: "Run an entrypoint", body: api.InvokeRequest{}, answer: api.InvokeResponse{}, events: true, query: logsQuery}},
		{post, "/v1/agents/{agent}/stream", s.v1(s.handleStream), &operation{id: "stream", tag: "Calls",
			summary: "Run an entrypoint and receive its events", body: api.InvokeRequest{}, events: true, query: logsQuery}},
		{get, "/v1/agents/{agent}/ws", s.v1(s.handleSocket), &operation{id: "socket", tag: "Calls",
			summary: "Many calls on one WebSocket", socket: true}},
		{post, "/v1/agents/{agent}/batch", s.v1(s.handlePlanned), nil},
		// The same, with the entrypoint in the path: so each has its own typed operation.
		{post, "/v1/agents/{agent}/entrypoints/{entrypoint}/invoke", s.v1(s.handleInvoke), nil},
		{post, "/v1/agents/{agent}/entrypoints/{entrypoint}/stream", s.v1(s.handleStream), nil},

		// Agents.
		{get, "/v1/agents", s.v1(s.handleAgents), &operation{id: "list-agents", tag: "Agents",
			summary: "List the agents", answer: api.AgentList{}}},
		{get, "/v1/agents/{agent}", s.v1(s.handleAgent), &operation{id: "show-agent", tag: "Agents",
			summary: "Show an agent and its entrypoints", answer: api.Agent{}}},
		{get, "/v1/agents/{agent}/health", s.v1(s.handleAgentHealth), &operation{id: "agent-health", tag: "Agents",
			summary: "How an agent is", answer: api.Health{}}},
		{get, "/v1/agents/{agent}/logs", s.v1(s.handleLogs), &operation{id: "agent-logs", tag: "Agents",
			summary: "The last log lines of an agent", answer: api.LogList{}, events: true, query: tailQuery}},
		{get, "/v1/agents/{agent}/openapi.json", s.v1(s.handleAgentOpenAPI), nil},

		// Invocations.
		{get, "/v1/invocations", s.v1(s.handleInvocations), &operation{id: "list-invocations", tag: "Invocations",
			summary: "List invocations, newest first", answer: api.InvocationList{}, query: invocationsQuery}},
		{get, "/v1/invocations/{invocation}", s.v1(s.handleInvocation), &operation{id: "show-invocation", tag: "Invocations",
			summary: "Show an invocation", answer: api.Invocation{}}},
		{post, "/v1/invocations/{invocation}/cancel", s.v1(s.handleCancel), &operation{id: "cancel-invocation", tag: "Invocations",
			summary: "Stop a running invocation", answer: api.CancelResponse{}}},
		{get, "/v1/invocations/{invocation}/events", s.v1(s.handlePlanned), nil},
		{post, "/v1/invocations/{invocation}/replay", s.v1(s.handlePlanned), nil},

		// The process.
		{get, "/health", s.v1(s.handleHealth), &operation{id: "health", tag: "Server",
			summary: "How the server and its agents are", answer: api.Health{}}},
		{get, "/health/live", s.v1(s.handleLive), &operation{id: "live", tag: "Server",
			summary: "Whether the process answers", answer: api.Health{}}},
		{get, "/health/ready", s.v1(s.handleReady), &operation{id: "ready", tag: "Server",
			summary: "Whether new calls are welcome", answer: api.Health{}}},
		{get, "/openapi.json", s.v1(s.handleOpenAPI), nil},
		{get, docsPath, s.docs, nil},
		{get, "/{$}", http.HandlerFunc(toDocs), nil},

		// The door of the published clients.
		{post, compatPrefix + "/agents/{agent}/run", s.compat(s.handleRun), nil},
		{get, compatPrefix + "/agents/{agent}/run-stream", s.compat(s.handleRunStream), nil},
		{get, compatPrefix + "/agents/{agent}/architecture", s.compat(s.handleArchitecture), nil},
		{get, compatPrefix + "/agents/{agent}/invocations", s.compat(s.handleCompatInvocations), nil},
		{get, compatPrefix + "/agents/{agent}/invocations/stats", s.compat(s.handleCompatStats), nil},
		{get, compatPrefix + "/invocations/{invocation}", s.compat(s.handleCompatInvocation), nil},
		{get, compatPrefix + "/health", s.compat(s.handleCompatHealth), nil},
		{get, compatPrefix, s.compat(s.handleCompatInfo), nil},
		{get, compatPrefix + "/{$}", s.compat(s.handleCompatInfo), nil},
	}
}

// The parameters of routes that have some.
var (
	logsQuery = []queryField{{"logs", "boolean", "1 sends the call's log lines as events too."}}
	tailQuery = []queryField{
		{"follow", "boolean", "1 sends new lines as server-sent events until you hang up."},
		{"limit", "integer", "How many lines, 100 if not given."},
		{"invocation", "string", "Only the lines of this invocation."},
	}
	invocationsQuery = []queryField{
		{"agent", "string", "An agent's ID, slug or name."},
		{"status", "string", "queued, running, succeeded, failed, canceled or timed_out."},
		{"entrypoint", "string", "An entrypoint's tag."},
		{"session", "string", "A session's ID."},
		{"since", "string", "Only what was created at this time or later (RFC 3339)."},
		{"cursor", "string", "The next_cursor of the page before."},
		{"limit", "integer", "1 to 1,000; 50 if not given."},
	}
)
