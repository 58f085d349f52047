package agent

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// SchemaURL is what a manifest names in "$schema".
const SchemaURL = "https://raw.githubusercontent.com/runagent/runagent/main/internal/agent/manifest.schema.json"

//go:embed manifest.schema.json
var schemaText []byte

// Schema returns the JSON Schema (draft 2020-12) of the manifest.
func Schema() []byte { return bytes.Clone(schemaText) }

// schema is the JSON Schema twice: ready to check with, and as a tree in which
// the texts beside a broken rule can be looked up.
type schema struct {
	rules *jsonschema.Schema
	tree  map[string]any
	// homes says in which object each key of the manifest belongs, for keys
	// that belong in one alone.
	homes map[string]string
}

var manifestSchema = sync.OnceValue(func() *schema {
	s, err := compileSchema(schemaText)
	if err != nil {
		panic(fmt.Sprintf("manifest schema: %v", err)) //nolint:forbidigo // impossible: the embedded schema is tested
	}
	return s
})

func compileSchema(text []byte) (*schema, error) {
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return nil, fmt.Errorf("read: %w", err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource(SchemaURL, doc); err != nil {
		return nil, fmt.Errorf("add: %w", err)
	}
	rules, err := c.Compile(SchemaURL)
	if err != nil {
		return nil, fmt.Errorf("compile: %w", err)
	}
	s := &schema{rules: rules, homes: map[string]string{}}
	if err := json.Unmarshal(text, &s.tree); err != nil {
		return nil, fmt.Errorf("read: %w", err)
	}
	s.findHomes(s.tree, "")
	return s, nil
}

// findHomes notes the dotted path of every key below the schema of an object.
// Keys of entrypoints are left out: they are told from each other by shape.
func (s *schema) findHomes(object map[string]any, path string) {
	properties, _ := object["properties"].(map[string]any)
	for key, below := range properties {
		full := strings.TrimPrefix(path+"."+key, ".")
		if _, taken := s.homes[key]; taken {
			s.homes[key] = ""
		} else {
			s.homes[key] = full
		}
		if below, ok := below.(map[string]any); ok {
			s.findHomes(below, full)
		}
	}
}

// at returns the part of the schema that a rule's address means, or nil.
func (s *schema) at(address string) map[string]any {
	_, fragment, _ := strings.Cut(address, "#")
	node := any(s.tree)
	for _, key := range strings.Split(fragment, "/")[1:] {
		object, ok := node.(map[string]any)
		if !ok {
			return nil
		}
		node = object[unescapePointer.Replace(key)]
	}
	object, _ := node.(map[string]any)
	return object
}

var unescapePointer = strings.NewReplacer("~1", "/", "~0", "~", "%5E", "^", "%24", "$")

// keys returns the names that the object described at the address may have.
// Of entrypoints those of both kinds count, since the kind is told by a name.
func (s *schema) keys(address string) []string {
	var names []string
	addresses := []string{address}
	if strings.HasSuffix(address, "Entrypoint") {
		addresses = []string{"#/$defs/pythonEntrypoint", "#/$defs/webhookEntrypoint"}
	}
	for _, a := range addresses {
		properties, _ := s.at(a)["properties"].(map[string]any)
		for name := range properties {
			if !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	slices.Sort(names)
	return names
}

// message returns what the schema says of a text that breaks a pattern.
func (s *schema) message(address string) string {
	text, _ := s.at(address)["errorMessage"].(string)
	if text == "" {
		text = "has the wrong form"
	}
	return text
}
