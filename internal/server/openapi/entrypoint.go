package openapi

import (
	"encoding/json"
	"net/url"
	"regexp"
	"strings"

	"github.com/runagent/runagent/internal/agent"
)

// notInName finds what may not stand in a schema's name.
var notInName = regexp.MustCompile(`[^A-Za-z0-9._-]+`)

// agentPath is where an agent's own operations begin.
func agentPath(d *Subject) string {
	ref := d.Agent.Slug
	if ref == "" {
		ref = d.Agent.ID
	}
	return "/v1/agents/" + url.PathEscape(ref) + "/"
}

// addEntrypoint adds the operations of one entrypoint, typed by its schemas.
func addEntrypoint(paths, schemas map[string]any, d *Subject, c *agent.Callable) {
	path := agentPath(d) + "entrypoints/" + url.PathEscape(c.Tag)
	name := notInName.ReplaceAllString(d.Agent.Slug+"."+c.Tag, "_")
	input := addSchema(schemas, name+".Input", c.InputSchema)
	output := addSchema(schemas, name+".Output", c.OutputSchema)
	if c.Streams {
		output = object{"type": "array", "items": output}
	}
	body := object{"required": true, "content": object{"application/json": object{"schema": object{
		"type": "object", "additionalProperties": false,
		"properties": object{
			"input":           input,
			"args":            object{"type": "array", "description": "Positional arguments."},
			"timeout_seconds": object{"type": "number", "exclusiveMinimum": 0},
			"metadata":        object{"type": "object"},
		}}}}}
	failure := object{"description": "Failure", "content": jsonContent(object{"$ref": schemaRoot + "ErrorBody"})}
	answer := object{"allOf": []any{object{"$ref": schemaRoot + "InvokeResponse"},
		object{"type": "object", "properties": object{"result": output}}}}
	events := object{eventStream: object{"schema": object{"type": "string"}}}
	operation := func(verb, summary string, content object) object {
		return object{"post": object{
			"operationId": name + "." + verb, "tags": []any{d.Agent.Name}, "summary": summary,
			"description": description(c), "requestBody": body,
			"responses": object{"200": object{"description": "Success", "content": content}, "default": failure},
		}}
	}
	paths[path+"/invoke"] = operation("invoke", "Run "+c.Tag, jsonContent(answer))
	paths[path+"/stream"] = operation("stream", "Run "+c.Tag+" and receive its events", events)
}

// object is a JSON object of the document.
type object = map[string]any

func jsonContent(schema object) object {
	return object{"application/json": object{"schema": schema}}
}

func description(c *agent.Callable) string {
	if c.Signature == "" {
		return c.Description
	}
	return strings.TrimSpace(c.Description + "\n\n`" + c.Signature + "`")
}

// addSchema files a function's schema and returns a reference to it. Its own
// definitions move beside it: references inside a document start at its root.
func addSchema(schemas object, name string, raw json.RawMessage) object {
	var schema object
	if json.Unmarshal(raw, &schema) != nil || schema == nil {
		return object{}
	}
	for _, keyword := range []string{"$defs", "definitions"} {
		defs, _ := schema[keyword].(object)
		for def, body := range defs {
			schemas[name+"."+notInName.ReplaceAllString(def, "_")] = rebase(body, name)
		}
		delete(schema, keyword)
	}
	delete(schema, "$schema")
	schemas[name] = rebase(schema, name)
	return object{"$ref": schemaRoot + name}
}

// rebase lets references to a schema's own definitions point at where
// addSchema has put them.
func rebase(node any, name string) any {
	switch node := node.(type) {
	case object:
		for key, value := range node {
			if ref, ok := value.(string); ok && key == "$ref" {
				node[key] = rebaseRef(ref, name)
				continue
			}
			node[key] = rebase(value, name)
		}
	case []any:
		for i := range node {
			node[i] = rebase(node[i], name)
		}
	}
	return node
}

func rebaseRef(ref, name string) string {
	for _, keyword := range []string{"#/$defs/", "#/definitions/"} {
		if def, ok := strings.CutPrefix(ref, keyword); ok {
			return schemaRoot + name + "." + notInName.ReplaceAllString(def, "_")
		}
	}
	if ref == "#" {
		return schemaRoot + name
	}
	return ref
}
