// Package openapi writes the OpenAPI 3.1 document: the routes from the types of
// package api, and an operation of its own for every entrypoint.
package openapi

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/runagent/runagent/api"
	"github.com/runagent/runagent/internal/agent"
)

// Operation describes a route. body and answer are values of api's types.
type Operation struct {
	ID, Tag, Summary string
	Body, Answer     any
	Events           bool // answers with server-sent events when asked to
	Socket           bool // is a WebSocket
	Query            []QueryField
}

// QueryField is a parameter of a route: its name, JSON type and meaning.
type QueryField struct{ Name, Type, Doc string }

// Route is a route with what describes it; without, it is left out.
type Route struct {
	Method, Path string
	Doc          *Operation
}

// Subject is an agent whose entrypoints get operations of their own.
type Subject struct {
	Agent     *agent.Agent
	Callables []agent.Callable
}

// eventStream is the media type of server-sent events.
const eventStream = "text/event-stream"

// schemaRoot is where the document keeps its schemas.
const schemaRoot = "#/components/schemas/"

// pathField finds the {fields} of a route's path.
var pathField = regexp.MustCompile(`\{(\w+)\}`)

// Document is the OpenAPI document of the routes, without any agent's own operations.
type Document struct{ base []byte }

// New generates the document of the routes.
func New(version string, routes []Route) (*Document, error) {
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
		if rt.Doc != nil {
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
	return &Document{base: base}, nil
}

func schemaOf(registry huma.Registry, value any) *huma.Schema {
	return registry.Schema(reflect.TypeOf(value), true, "")
}

func describe(registry huma.Registry, rt Route) *huma.Operation {
	op := &huma.Operation{
		OperationID: rt.Doc.ID, Method: rt.Method, Path: strings.TrimSuffix(rt.Path, "{$}"),
		Summary: rt.Doc.Summary, Tags: []string{rt.Doc.Tag}, Responses: map[string]*huma.Response{},
	}
	for _, m := range pathField.FindAllStringSubmatch(rt.Path, -1) {
		op.Parameters = append(op.Parameters, &huma.Param{
			Name: m[1], In: "path", Required: true, Schema: &huma.Schema{Type: huma.TypeString}})
	}
	for _, q := range rt.Doc.Query {
		op.Parameters = append(op.Parameters, &huma.Param{
			Name: q.Name, In: "query", Description: q.Doc, Schema: &huma.Schema{Type: q.Type}})
	}
	if rt.Doc.Body != nil {
		op.RequestBody = &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{
			"application/json": {Schema: schemaOf(registry, rt.Doc.Body)}}}
	}
	ok := &huma.Response{Description: "Success", Content: map[string]*huma.MediaType{}}
	if rt.Doc.Answer != nil {
		ok.Content["application/json"] = &huma.MediaType{Schema: schemaOf(registry, rt.Doc.Answer)}
	}
	if rt.Doc.Events {
		ok.Content[eventStream] = &huma.MediaType{Schema: &huma.Schema{
			Type: huma.TypeString, Description: "Server-sent events, the id of each its seq."}}
	}
	status := "200"
	if rt.Doc.Socket {
		status, ok = "101", &huma.Response{Description: "A WebSocket. Its messages are SocketRequest and SocketEvent."}
	}
	op.Responses[status] = ok
	op.Responses["default"] = &huma.Response{Description: "Failure", Content: map[string]*huma.MediaType{
		"application/json": {Schema: schemaOf(registry, api.ErrorBody{})}}}
	return op
}

// With returns the document with one operation per entrypoint of the agents.
func (d *Document) With(agents []Subject) ([]byte, error) {
	doc, err := d.with(agents)
	if err != nil {
		return nil, err
	}
	return json.Marshal(doc)
}

func (d *Document) with(agents []Subject) (map[string]any, error) {
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

// Of returns the document of one agent: its own operations only.
func (d *Document) Of(only Subject) ([]byte, error) {
	doc, err := d.with([]Subject{only})
	if err != nil {
		return nil, err
	}
	paths, _ := doc["paths"].(map[string]any)
	own := agentPath(&only)
	maps.DeleteFunc(paths, func(path string, _ any) bool { return !strings.HasPrefix(path, own) })
	info, _ := doc["info"].(map[string]any)
	info["title"] = only.Agent.Name
	if only.Agent.Manifest != nil {
		info["description"] = only.Agent.Manifest.Description
	}
	doc["tags"] = []any{object{"name": only.Agent.Name}}
	return json.Marshal(doc)
}
