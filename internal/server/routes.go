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
		// Calling.
		{post, "/v1/agents/{agent}/invoke", s.v1(s.handleInvoke), &operation{
			id: "invoke", tag: "Calls", summary: "Run an entrypoint", body: api.InvokeRequest{}, answer: api.InvokeResponse{}, events: true}},
		{post, "/v1/agents/{agent}/stream", s.v1(s.handleStream), &operation{
			id: "stream", tag: "Calls", summary: "Run an entrypoint and receive its events", body: api.InvokeRequest{}, events: true, query: logsQuery}},
		{post, "/v1/agents/{agent}/entrypoints/{entrypoint}/invoke", s.v1(s.handleInvoke), nil},
		{post, "/v1/agents/{agent}/entrypoints/{entrypoint}/stream", s.v1(s.handleStream), nil},
	}
}

// logsQuery opts in to log lines among a stream's events.
var logsQuery = []queryField{{"logs", "boolean", "1 sends the call's log lines as events too."}}
