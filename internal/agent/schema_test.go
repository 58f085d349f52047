package agent_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/runagent/runagent/internal/agent"
)

// TestSchemaExplainsEveryKey keeps editors useful: each key has a description.
func TestSchemaExplainsEveryKey(t *testing.T) {
	t.Parallel()
	var root map[string]any
	if err := json.Unmarshal(agent.Schema(), &root); err != nil {
		t.Fatal(err)
	}
	if root["$id"] != agent.SchemaURL || root["$schema"] != "https://json-schema.org/draft/2020-12/schema" {
		t.Errorf("got $id %v, $schema %v", root["$id"], root["$schema"])
	}
	seen := 0
	var visit func(path string, node map[string]any)
	visit = func(path string, node map[string]any) {
		properties, _ := node["properties"].(map[string]any)
		for name, p := range properties {
			property := p.(map[string]any)
			if ref, ok := property["$ref"].(string); ok && property["description"] == nil {
				property = root["$defs"].(map[string]any)[strings.TrimPrefix(ref, "#/$defs/")].(map[string]any)
			}
			if text, _ := property["description"].(string); text == "" {
				t.Errorf("%s.%s has no description", path, name)
			}
			seen++
			visit(path+"."+name, property)
		}
	}
	visit("", root)
	for name, def := range root["$defs"].(map[string]any) {
		visit(name, def.(map[string]any))
	}
	if seen < 40 {
		t.Errorf("saw %d keys only", seen)
	}
}

func TestSchemaIsACopy(t *testing.T) {
	t.Parallel()
	agent.Schema()[0] = 'x'
	if agent.Schema()[0] != '{' {
		t.Error("a caller changed the schema")
	}
}
