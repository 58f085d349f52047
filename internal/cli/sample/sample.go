// Package sample makes commands that call an agent when they are pasted: with
// the input that came with the agent, or one made of its schema.
package sample

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/runagent/runagent/internal/agent"
	"github.com/runagent/runagent/internal/app"
)

// inputFile is the file of an agent's folder that holds an input to try it
// with; init writes one.
const inputFile = "input.json"

// maxDepth bounds how deep an example follows a schema, which may be recursive.
const maxDepth = 6

// Curl returns three commands that call what is served when pasted: one for
// the result, one for the events and one through the published clients' door.
// An agent that only streams has two, one without entrypoints none.
func Curl(ready app.Ready) []string {
	plain := chooseCallable(ready.Callables, false)
	stream := chooseCallable(ready.Callables, true)
	if plain == nil || stream == nil {
		return nil
	}
	base := ready.URL + "/v1/agents/" + ready.Agent.Slug
	compat := ready.URL + "/api/v1/agents/" + ready.Agent.ID + "/run"
	lines := []string{
		command("-s", base+"/invoke", ordered{{"entrypoint", plain.Tag}, {"input", inputFor(ready.Agent.Dir, plain)}}),
		command("-sN", base+"/stream", ordered{{"entrypoint", stream.Tag}, {"input", inputFor(ready.Agent.Dir, stream)}}),
	}
	// Tags that end so stream on that door, whatever their function does.
	if strings.HasSuffix(plain.Tag, "_stream") {
		return lines
	}
	key := "input_kwargs"
	input := inputFor(ready.Agent.Dir, plain)
	if bytes.HasPrefix(input, []byte("[")) {
		key = "input_args"
	}
	return append(lines, command("-s", compat, ordered{{"entrypoint_tag", plain.Tag}, {key, input}}))
}

// chooseCallable prefers entrypoints that stream, or don't, and among them
// main; any is better than none, since each can be called either way.
func chooseCallable(callables []agent.Callable, streams bool) *agent.Callable {
	var best *agent.Callable
	rank := -1
	for i := range callables {
		c := &callables[i]
		score := 0
		if c.Streams == streams {
			score += 2
		}
		if strings.TrimSuffix(c.Tag, "_stream") == "main" || strings.TrimSuffix(c.Tag, "_stream") == "generic" {
			score++
		}
		if score > rank {
			best, rank = c, score
		}
	}
	return best
}

// command returns a curl command that posts body. Content-Type is needed: a form, which
// is what curl says by itself, is refused.
func command(flags, url string, body ordered) string {
	return "curl " + flags + " " + url + " -H 'Content-Type: application/json' -d " + Word(string(body.json()))
}

// plainWord is what every shell takes for one word as it is.
var plainWord = regexp.MustCompile(`^[\w.,:/@%+=-]+$`)

// Word writes text as one word of a shell's command line, quoted where needed.
func Word(text string) string {
	if plainWord.MatchString(text) {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}

// ordered is a JSON object whose keys keep their order.
type ordered []struct {
	key   string
	value any
}

func (o ordered) json() []byte {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, field := range o {
		if i > 0 {
			b.WriteByte(',')
		}
		_ = writeCompact(&b, field.key)
		b.WriteByte(':')
		_ = writeCompact(&b, field.value)
	}
	b.WriteByte('}')
	return b.Bytes()
}

// writeCompact adds value as JSON without HTML escapes, which no shell needs.
func writeCompact(b *bytes.Buffer, value any) error {
	enc := json.NewEncoder(b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(value); err != nil {
		return err
	}
	b.Truncate(b.Len() - 1)
	return nil
}

// inputFor returns an input that c accepts, as well as can be told: the
// folder's sample as far as c takes it, if it has what c needs, else one made of c's schema.
func inputFor(dir string, c *agent.Callable) json.RawMessage {
	var schema schemaNode
	_ = json.Unmarshal(c.InputSchema, &schema)
	if sample := schema.pick(readSample(filepath.Join(dir, inputFile))); sample != nil {
		return sample
	}
	root := &schema
	value, err := json.Marshal(root.object(root, maxDepth))
	if err != nil {
		return json.RawMessage("{}")
	}
	return value
}

// readSample returns the JSON object in the file, or nil.
func readSample(path string) map[string]json.RawMessage {
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil
	}
	var sample map[string]json.RawMessage
	if json.Unmarshal(raw, &sample) != nil {
		return nil
	}
	return sample
}

// schemaNode is what of a JSON Schema an example can be made of.
type schemaNode struct {
	Type       json.RawMessage        `json:"type"`
	Properties map[string]*schemaNode `json:"properties"`
	Required   []string               `json:"required"`
	Additional json.RawMessage        `json:"additionalProperties"`
	Items      json.RawMessage        `json:"items"`
	Default    json.RawMessage        `json:"default"`
	Examples   []json.RawMessage      `json:"examples"`
	Const      json.RawMessage        `json:"const"`
	Enum       []json.RawMessage      `json:"enum"`
	AnyOf      []*schemaNode          `json:"anyOf"`
	OneOf      []*schemaNode          `json:"oneOf"`
	AllOf      []*schemaNode          `json:"allOf"`
	Minimum    *float64               `json:"minimum"`
	Ref        string                 `json:"$ref"`
	Defs       map[string]*schemaNode `json:"$defs"`
}

// pick returns of sample what s accepts, or nil if it lacks what s requires.
func (s *schemaNode) pick(sample map[string]json.RawMessage) json.RawMessage {
	for _, key := range s.Required {
		if _, ok := sample[key]; !ok {
			return nil
		}
	}
	if string(s.Additional) == "false" || len(s.Properties) > 0 {
		maps.DeleteFunc(sample, func(key string, _ json.RawMessage) bool { return s.Properties[key] == nil })
	}
	if len(sample) == 0 {
		return nil
	}
	picked, err := json.Marshal(sample)
	if err != nil {
		return nil
	}
	return picked
}

// object returns an example of an object: what is required of it.
func (s *schemaNode) object(root *schemaNode, depth int) map[string]any {
	example := map[string]any{}
	for _, key := range s.Required {
		if property := s.Properties[key]; property != nil {
			example[key] = property.example(root, depth-1)
		}
	}
	return example
}

// example returns a value that s allows.
func (s *schemaNode) example(root *schemaNode, depth int) any {
	if s == nil || depth <= 0 {
		return nil
	}
	if given := s.given(); given != nil {
		return given
	}
	for _, choices := range [][]*schemaNode{s.AnyOf, s.OneOf, s.AllOf} {
		if len(choices) > 0 {
			return choices[0].example(root, depth-1)
		}
	}
	if name, ok := strings.CutPrefix(s.Ref, "#/$defs/"); ok {
		return root.Defs[name].example(root, depth-1)
	}
	return s.ofType(root, depth)
}

// given returns a value that the schema itself names, or nil.
func (s *schemaNode) given() json.RawMessage {
	switch {
	case len(s.Examples) > 0:
		return s.Examples[0]
	case s.Const != nil:
		return s.Const
	case s.Default != nil:
		return s.Default
	case len(s.Enum) > 0:
		return s.Enum[0]
	}
	return nil
}

func (s *schemaNode) ofType(root *schemaNode, depth int) any {
	kinds := []string{""}
	if json.Unmarshal(s.Type, &kinds[0]) != nil {
		_ = json.Unmarshal(s.Type, &kinds)
	}
	if len(kinds) == 0 {
		return nil
	}
	switch kinds[0] {
	case "integer", "number":
		if s.Minimum != nil && *s.Minimum > 1 {
			return *s.Minimum
		}
		return 1
	case "boolean":
		return true
	case "array":
		return []any{}
	case "object":
		return s.object(root, depth)
	case "null":
		return nil
	}
	return "hello"
}
