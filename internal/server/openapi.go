package server

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"reflect"
	"regexp"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/runagent/runagent/api"
)

// operation describes a route. body and answer are values of api's types.
type operation struct {
	id, tag, summary string
	body, answer     any
	events           bool // answers with server-sent events when asked to
	socket           bool // is a WebSocket
	query            []queryField
}

type queryField struct{ name, kind, doc string }

// schemaRoot is where the document keeps its schemas.
const schemaRoot = "#/components/schemas/"

// pathField finds the {fields} of a route's path.
var pathField = regexp.MustCompile(`\{(\w+)\}`)

// document is the OpenAPI document of the routes, without any agent's own operations.
type document struct{ base []byte }

func newDocument(version string, routes []route) (*document, error) {
	registry := huma.NewMapRegistry(schemaRoot, huma.DefaultSchemaNamer)
	spec := &huma.OpenAPI{
		OpenAPI: "3.1.0",
		Info: &huma.Info{
			Title: "RunAgent", Version: version,
			Description: "Run agents over HTTP. Every entrypoint of every agent has an operation of its own below.",
			License:     &huma.License{Name: "Apache-2.0", Identifier: "Apache-2.0"},
		},
		Components: &huma.Components{Schemas: registry},
		Tags:       []*huma.Tag{{Name: "Calls", Description: "Run an agent."}, {Name: "Agents"}, {Name: "Invocations"}, {Name: "Server"}},
	}
	for _, rt := range routes {
		if rt.doc != nil {
			spec.AddOperation(describe(registry, rt))
		}
	}
	// These travel in messages and events, which no operation can name.
	for _, event := range []any{api.StartEvent{}, api.ChunkEvent{}, api.DoneEvent{}, api.SocketRequest{}, api.SocketEvent{}} {
		schemaOf(registry, event)
	}
	base, err := json.Marshal(spec)
	if err != nil {
		return nil, fmt.Errorf("generate the OpenAPI document: %w", err)
	}
	return &document{base: base}, nil
}

func schemaOf(registry huma.Registry, value any) *huma.Schema {
	return registry.Schema(reflect.TypeOf(value), true, "")
}

func describe(registry huma.Registry, rt route) *huma.Operation {
	op := &huma.Operation{
		OperationID: rt.doc.id, Method: rt.method, Path: strings.TrimSuffix(rt.path, "{$}"),
		Summary: rt.doc.summary, Tags: []string{rt.doc.tag}, Responses: map[string]*huma.Response{},
	}
	for _, m := range pathField.FindAllStringSubmatch(rt.path, -1) {
		op.Parameters = append(op.Parameters, &huma.Param{
			Name: m[1], In: "path", Required: true, Schema: &huma.Schema{Type: huma.TypeString}})
	}
	for _, q := range rt.doc.query {
		op.Parameters = append(op.Parameters, &huma.Param{
			Name: q.name, In: "query", Description: q.doc, Schema: &huma.Schema{Type: q.kind}})
	}
	if rt.doc.body != nil {
		op.RequestBody = &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{
			"application/json": {Schema: schemaOf(registry, rt.doc.body)}}}
	}
	ok := &huma.Response{Description: "Success", Content: map[string]*huma.MediaType{}}
	if rt.doc.answer != nil {
		ok.Content["application/json"] = &huma.MediaType{Schema: schemaOf(registry, rt.doc.answer)}
	}
	if rt.doc.events {
		ok.Content[eventStreamType] = &huma.MediaType{Schema: &huma.Schema{
			Type: huma.TypeString, Description: "Server-sent events, the id of each its seq."}}
	}
	status := "200"
	if rt.doc.socket {
		status, ok = "101", &huma.Response{Description: "A WebSocket. Its messages are SocketRequest and SocketEvent."}
	}
	op.Responses[status] = ok
	op.Responses["default"] = &huma.Response{Description: "Failure", Content: map[string]*huma.MediaType{
		"application/json": {Schema: schemaOf(registry, api.ErrorBody{})}}}
	return op
}

// with returns the document with one operation per entrypoint of the agents.
func (d *document) with(agents []Description) (map[string]any, error) {
	var doc map[string]any
	if err := json.Unmarshal(d.base, &doc); err != nil {
		return nil, fmt.Errorf("read the OpenAPI document: %w", err)
	}
	paths, _ := doc["paths"].(map[string]any)
	components, _ := doc["components"].(map[string]any)
	schemas, _ := components["schemas"].(map[string]any)
	tags, _ := doc["tags"].([]any)
	own := make([]any, 0, len(agents)+len(tags))
	for i := range agents {
		own = append(own, object{"name": agents[i].Agent.Name})
		for j := range agents[i].Callables {
			addEntrypoint(paths, schemas, &agents[i], &agents[i].Callables[j])
		}
	}
	doc["tags"] = append(own, tags...)
	return doc, nil
}

// handleOpenAPI answers with the whole server's document.
func (s *Server) handleOpenAPI(w http.ResponseWriter, r *http.Request) error {
	agents, err := s.o.Agents.List(r.Context())
	if err != nil {
		return err
	}
	return s.answerDocument(w, r, agents, nil)
}

// handleAgentOpenAPI answers with the document of one agent: its own operations only.
func (s *Server) handleAgentOpenAPI(w http.ResponseWriter, r *http.Request) error {
	d, err := s.o.Agents.Describe(r.Context(), r.PathValue("agent"))
	if err != nil {
		return err
	}
	return s.answerDocument(w, r, []Description{*d}, d)
}

func (s *Server) answerDocument(w http.ResponseWriter, r *http.Request, agents []Description, only *Description) error {
	doc, err := s.spec.with(agents)
	if err != nil {
		return err
	}
	if only != nil {
		paths, _ := doc["paths"].(map[string]any)
		own := agentPath(only)
		maps.DeleteFunc(paths, func(path string, _ any) bool { return !strings.HasPrefix(path, own) })
		info, _ := doc["info"].(map[string]any)
		info["title"] = only.Agent.Name
		if only.Agent.Manifest != nil {
			info["description"] = only.Agent.Manifest.Description
		}
		doc["tags"] = []any{object{"name": only.Agent.Name}}
	}
	text, err := json.Marshal(doc)
	if err != nil {
		return fmt.Errorf("encode the OpenAPI document: %w", err)
	}
	s.write(w, r, text)
	return nil
}
