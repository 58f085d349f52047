package server

import (
	"net/http"
	"slices"

	"github.com/runagent/runagent/api"
	"github.com/runagent/runagent/internal/server/openapi"
)

// compatPrefix is where the published clients' door begins.
const compatPrefix = "/api/v1"

// route is one line of the table below. A route without doc is left out of the
// OpenAPI document.
type route struct {
	method, path string
	handler      http.Handler
	doc          *openapi.Operation
}

// routes is every route there is.
func (s *Server) routes() []route {
	const get, post = http.MethodGet, http.MethodPost
	return append([]route{
		// Calling an agent.
		{post, "/v1/agents/{agent}/invoke", s.v1(s.handleInvoke), &openapi.Operation{ID: "invoke", Tag: "Calls",
			Summary: "Run an entrypoint", Body: api.InvokeRequest{}, Answer: api.InvokeResponse{}, Events: true, Query: logsQuery}},
		{post, "/v1/agents/{agent}/stream", s.v1(s.handleStream), &openapi.Operation{ID: "stream", Tag: "Calls",
			Summary: "Run an entrypoint and receive its events", Body: api.InvokeRequest{}, Events: true, Query: logsQuery}},
		{get, "/v1/agents/{agent}/ws", s.v1(s.handleSocket), &openapi.Operation{ID: "socket", Tag: "Calls",
			Summary: "Many calls on one WebSocket", Socket: true}},
		{post, "/v1/agents/{agent}/batch", s.v1(s.handlePlanned), nil},
		// The same, with the entrypoint in the path: so each has its own typed operation.
		{post, "/v1/agents/{agent}/entrypoints/{entrypoint}/invoke", s.v1(s.handleInvoke), nil},
		{post, "/v1/agents/{agent}/entrypoints/{entrypoint}/stream", s.v1(s.handleStream), nil},

		// Agents.
		{get, "/v1/agents", s.v1(s.handleAgents), &openapi.Operation{ID: "list-agents", Tag: "Agents",
			Summary: "List the agents", Answer: api.AgentList{}}},
		{get, "/v1/agents/{agent}", s.v1(s.handleAgent), &openapi.Operation{ID: "show-agent", Tag: "Agents",
			Summary: "Show an agent and its entrypoints", Answer: api.Agent{}}},
		{get, "/v1/agents/{agent}/health", s.v1(s.handleAgentHealth), &openapi.Operation{ID: "agent-health", Tag: "Agents",
			Summary: "How an agent is", Answer: api.Health{}}},
		{get, "/v1/agents/{agent}/logs", s.v1(s.handleLogs), &openapi.Operation{ID: "agent-logs", Tag: "Agents",
			Summary: "The last log lines of an agent", Answer: api.LogList{}, Events: true, Query: tailQuery}},
		{get, "/v1/agents/{agent}/openapi.json", s.v1(s.handleAgentOpenAPI), nil},

		// Invocations.
		{get, "/v1/invocations", s.v1(s.handleInvocations), &openapi.Operation{ID: "list-invocations", Tag: "Invocations",
			Summary: "List invocations, newest first", Answer: api.InvocationList{}, Query: invocationsQuery}},
		{get, "/v1/invocations/{invocation}", s.v1(s.handleInvocation), &openapi.Operation{ID: "show-invocation", Tag: "Invocations",
			Summary: "Show an invocation", Answer: api.Invocation{}}},
		{post, "/v1/invocations/{invocation}/cancel", s.v1(s.handleCancel), &openapi.Operation{ID: "cancel-invocation", Tag: "Invocations",
			Summary: "Stop a running invocation", Answer: api.CancelResponse{}}},
		{get, "/v1/invocations/{invocation}/events", s.v1(s.handlePlanned), nil},
		{post, "/v1/invocations/{invocation}/replay", s.v1(s.handlePlanned), nil},

		// The process.
		{get, "/health", s.v1(s.handleHealth), &openapi.Operation{ID: "health", Tag: "Server",
			Summary: "How the server and its agents are", Answer: api.Health{}}},
		{get, "/health/live", s.v1(s.handleLive), &openapi.Operation{ID: "live", Tag: "Server",
			Summary: "Whether the process answers", Answer: api.Health{}}},
		{get, "/health/ready", s.v1(s.handleReady), &openapi.Operation{ID: "ready", Tag: "Server",
			Summary: "Whether new calls are welcome", Answer: api.Health{}}},
		{get, "/openapi.json", s.v1(s.handleOpenAPI), nil},
		{get, openapi.PagePath, s.docs, nil},
		{get, "/{$}", http.HandlerFunc(toDocs), nil},

		// The door of the published clients.
		{post, compatPrefix + "/agents/{agent}/run", s.compat(s.compatDoor.Run), nil},
		{get, compatPrefix + "/agents/{agent}/run-stream", s.compat(s.compatDoor.RunStream), nil},
		{get, compatPrefix + "/agents/{agent}/architecture", s.compat(s.compatDoor.Architecture), nil},
		{get, compatPrefix + "/agents/{agent}/invocations", s.compat(s.compatDoor.Invocations), nil},
		{get, compatPrefix + "/agents/{agent}/invocations/stats", s.compat(s.compatDoor.Stats), nil},
		{get, compatPrefix + "/invocations/{invocation}", s.compat(s.compatDoor.Invocation), nil},
		{get, compatPrefix + "/health", s.compat(s.compatDoor.Health), nil},
		{get, compatPrefix, s.compat(s.compatDoor.Info), nil},
		{get, compatPrefix + "/{$}", s.compat(s.compatDoor.Info), nil},
	}, slices.Concat(s.changing(s.controlRoutes()), s.metricsRoutes(), s.changing(s.intakeRoutes()))...)
}

// metricsRoutes is where a server is asked for its numbers, if it has some.
func (s *Server) metricsRoutes() []route {
	if s.o.Metrics == nil {
		return nil
	}
	return []route{{http.MethodGet, "/metrics", s.o.Metrics, nil}}
}

// intakeRoutes are those with which published clients deploy.
func (s *Server) intakeRoutes() []route {
	if s.o.Intake == nil {
		return nil
	}
	const get, post = http.MethodGet, http.MethodPost
	return []route{
		{post, compatPrefix + "/agents/metadata-upload", s.compat(s.compatDoor.Announce), nil},
		{post, compatPrefix + "/agents/upload", s.compat(s.compatDoor.Upload), nil},
		{post, compatPrefix + "/agents/{agent}/start", s.compat(s.compatDoor.Start), nil},
		{get, compatPrefix + "/agents/{agent}/status", s.compat(s.compatDoor.Status), nil},
		{get, compatPrefix + "/limits/agents", s.compat(s.compatDoor.AgentLimits), nil},
		{post, compatPrefix + "/tokens/validate", s.compat(s.compatDoor.Validate), nil},
	}
}

// controlRoutes are those that only a platform has.
func (s *Server) controlRoutes() []route {
	if s.control == nil {
		return nil
	}
	const get, post = http.MethodGet, http.MethodPost
	const agent = "/v1/agents/{agent}"
	return []route{
		{get, "/v1/platform", s.v1(s.control.Status), &openapi.Operation{ID: "platform-status", Tag: "Server",
			Summary: "How the platform is", Answer: api.PlatformStatus{}}},
		{get, "/v1/bundles/{digest}", s.v1(s.control.Bundle), &openapi.Operation{ID: "show-bundle", Tag: "Deploys",
			Summary: "Whether a bundle is there", Answer: api.Bundle{}}},
		{post, "/v1/bundles/{digest}", s.v1(s.control.Upload), nil},
		{get, "/v1/bundles/{digest}/upload", s.v1(s.control.Uploaded), &openapi.Operation{ID: "show-upload", Tag: "Deploys",
			Summary: "How much is there of a bundle whose upload broke off", Answer: api.Upload{}}},
		{get, "/v1/limits", s.v1(s.control.Limits), &openapi.Operation{ID: "limits", Tag: "Deploys",
			Summary: "What is let in", Answer: api.Limits{}}},
		{get, agent + "/revisions", s.v1(s.control.Revisions), &openapi.Operation{ID: "list-revisions", Tag: "Deploys",
			Summary: "List an agent's revisions, newest first", Answer: api.RevisionList{}}},
		{post, agent + "/revisions", s.v1(s.control.Deploy), &openapi.Operation{ID: "deploy", Tag: "Deploys",
			Summary: "Bring a new revision into service", Body: api.DeployRequest{}, Answer: api.Revision{}}},
		{get, agent + "/revisions/{revision}", s.v1(s.control.Revision), &openapi.Operation{ID: "show-revision", Tag: "Deploys",
			Summary: "Show a revision", Answer: api.Revision{}}},
		{get, agent + "/revisions/{revision}/events", s.v1(s.control.Follow), nil},
		{post, agent + "/rollback", s.v1(s.control.Rollback), &openapi.Operation{ID: "rollback", Tag: "Deploys",
			Summary: "Bring an earlier revision into service", Body: api.RollbackRequest{}, Answer: api.Revision{}}},
		{post, agent + "/start", s.v1(s.control.Start), &openapi.Operation{ID: "start-agent", Tag: "Deploys",
			Summary: "Bring a stopped agent back", Answer: api.Revision{}}},
		{post, agent + "/stop", s.v1(s.control.Stop), nil},
		{http.MethodDelete, agent, s.v1(s.control.Delete), nil},
		{get, agent + "/traffic", s.v1(s.control.Traffic), &openapi.Operation{ID: "show-traffic", Tag: "Deploys",
			Summary: "Which revisions get an agent's calls", Answer: api.Traffic{}}},
		{http.MethodPut, agent + "/traffic", s.v1(s.control.SetTraffic), &openapi.Operation{ID: "split-traffic", Tag: "Deploys",
			Summary: "Split an agent's calls between revisions", Body: api.TrafficRequest{}, Answer: api.Traffic{}}},
		{get, agent + "/scale", s.v1(s.control.Scale), &openapi.Operation{ID: "show-scale", Tag: "Deploys",
			Summary: "How an agent is scaled", Answer: api.Scale{}}},
		{http.MethodPatch, agent + "/scale", s.v1(s.control.SetScale), &openapi.Operation{ID: "scale", Tag: "Deploys",
			Summary: "Change how an agent is scaled", Body: api.ScaleRequest{}, Answer: api.Scale{}}},
		{get, "/v1/secrets", s.v1(s.control.Secrets), &openapi.Operation{ID: "list-secrets", Tag: "Deploys",
			Summary: "List the names of all secrets", Answer: api.SecretList{}}},
		{http.MethodPut, "/v1/secrets/{name}", s.v1(s.control.SetSecret), nil},
		{http.MethodDelete, "/v1/secrets/{name}", s.v1(s.control.DeleteSecret), nil},
	}
}

// The parameters of routes that have some.
var (
	logsQuery = []openapi.QueryField{{Name: "logs", Type: "boolean", Doc: "1 sends the call's log lines as events too."}}
	tailQuery = []openapi.QueryField{
		{Name: "follow", Type: "boolean", Doc: "1 sends new lines as server-sent events until you hang up."},
		{Name: "limit", Type: "integer", Doc: "How many lines, 100 if not given."},
		{Name: "invocation", Type: "string", Doc: "Only the lines of this invocation."},
		{Name: "revision", Type: "string", Doc: "Only the lines of this revision: its ID, or on a platform its number."},
		{Name: "since", Type: "string", Doc: "Only what was printed at this time or later (RFC 3339)."},
	}
	invocationsQuery = []openapi.QueryField{
		{Name: "agent", Type: "string", Doc: "An agent's ID, slug or name."},
		{Name: "status", Type: "string", Doc: "queued, running, succeeded, failed, canceled or timed_out."},
		{Name: "entrypoint", Type: "string", Doc: "An entrypoint's tag."},
		{Name: "session", Type: "string", Doc: "A session's ID."},
		{Name: "since", Type: "string", Doc: "Only what was created at this time or later (RFC 3339)."},
		{Name: "cursor", Type: "string", Doc: "The next_cursor of the page before."},
		{Name: "limit", Type: "integer", Doc: "1 to 1,000; 50 if not given."},
	}
)
