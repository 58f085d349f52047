package fakellm

import (
	"encoding/json"
	"strings"
)

// schema is the part of JSON Schema that structured output is asked in.
type schema struct {
	Type       any               `json:"type"`
	Properties map[string]schema `json:"properties"`
	Items      *schema           `json:"items"`
	Enum       []any             `json:"enum"`
	Const      any               `json:"const"`
	AnyOf      []schema          `json:"anyOf"`
	Ref        string            `json:"$ref"`
	Defs       map[string]schema `json:"$defs"`
}

// fill returns a value that fits the schema and says text where it can.
func fill(raw json.RawMessage, text string) any {
	var root schema
	if json.Unmarshal(raw, &root) != nil {
		return map[string]any{"answer": text}
	}
	return filler{defs: root.Defs, text: text}.value(root, 0)
}

type filler struct {
	defs map[string]schema
	text string
}

// value fits s. Schemas that hold themselves end at a depth of 8.
func (f filler) value(s schema, depth int) any {
	switch {
	case depth > 8:
		return nil
	case s.Ref != "":
		return f.value(f.defs[strings.TrimPrefix(s.Ref, "#/$defs/")], depth+1)
	case s.Const != nil:
		return s.Const
	case len(s.Enum) > 0:
		return s.Enum[0]
	case len(s.AnyOf) > 0:
		return f.value(s.AnyOf[0], depth+1)
	}
	switch s.kind() {
	case "object":
		object := map[string]any{}
		for name, property := range s.Properties {
			object[name] = f.value(property, depth+1)
		}
		return object
	case "array":
		if s.Items == nil {
			return []any{}
		}
		return []any{f.value(*s.Items, depth+1)}
	case "integer", "number":
		return 1
	case "boolean":
		return true
	case "null":
		return nil
	}
	return f.text
}

// kind is the schema's type, the first where there are several.
func (s schema) kind() string {
	switch named := s.Type.(type) {
	case string:
		return named
	case []any:
		if len(named) > 0 {
			first, _ := named[0].(string)
			return first
		}
	}
	if s.Properties != nil {
		return "object"
	}
	return "string"
}
