package sample

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/runagent/runagent/internal/agent"
	"github.com/runagent/runagent/internal/app"
)

func TestInputFor(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, schema, want string }{
		{"no schema", "", "{}"},
		{"text", `{"properties":{"m":{"type":"string"},"n":{"type":"integer"}},"required":["m"]}`, `{"m":"hello"}`},
		{"each type", `{"properties":{"i":{"type":"integer"},"f":{"type":"number","minimum":2.5},"b":{"type":"boolean"},
			"l":{"type":"array"},"o":{"type":"object"},"z":{"type":"null"},"s":{"type":["string","null"]}},
			"required":["i","f","b","l","o","z","s"]}`, `{"b":true,"f":2.5,"i":1,"l":[],"o":{},"s":"hello","z":null}`},
		{"what the author says", `{"properties":{"a":{"examples":["x"]},"b":{"const":3},"c":{"enum":["u","v"]},"d":{"default":[1]}},
			"required":["a","b","c","d"]}`, `{"a":"x","b":3,"c":"u","d":[1]}`},
		{"choices", `{"properties":{"a":{"anyOf":[{"type":"integer"},{"type":"null"}]}},"required":["a"]}`, `{"a":1}`},
		{"references", `{"$defs":{"P":{"type":"object","properties":{"x":{"type":"integer"}},"required":["x"]}},
			"properties":{"p":{"$ref":"#/$defs/P"}},"required":["p"]}`, `{"p":{"x":1}}`},
		{"a schema in a circle ends", `{"$defs":{"P":{"type":"object","properties":{"p":{"$ref":"#/$defs/P"}},"required":["p"]}},
			"properties":{"p":{"$ref":"#/$defs/P"}},"required":["p"]}`, `{"p":{"p":{"p":null}}}`},
		{"a dangling reference", `{"properties":{"p":{"$ref":"#/$defs/No"}},"required":["p"]}`, `{"p":null}`},
		{"no schema at all", `[1]`, "{}"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := inputFor(t.TempDir(), &agent.Callable{InputSchema: json.RawMessage(tt.schema)})
			if string(got) != tt.want {
				t.Errorf("inputFor(%s) = %s, want %s", tt.schema, got, tt.want)
			}
		})
	}
}

func TestInputForTakesTheSampleThatFits(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, inputFile), []byte("{\n  \"message\": \"it's\",\n  \"other\": 1}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct{ name, schema, want string }{
		{"open schema", "", `{"message":"it's","other":1}`},
		{"named", `{"properties":{"message":{}},"required":["message"],"additionalProperties":false}`, `{"message":"it's"}`},
		{"more is required", `{"properties":{"n":{"type":"integer"}},"required":["n"]}`, `{"n":1}`},
		{"less is allowed", `{"properties":{"n":{"type":"integer"}},"additionalProperties":false}`, `{}`},
		{"some of it", `{"properties":{"message":{}},"required":["message"]}`, `{"message":"it's"}`},
	}
	for _, tt := range tests {
		if got := inputFor(dir, &agent.Callable{InputSchema: json.RawMessage(tt.schema)}); string(got) != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
}

func TestCurl(t *testing.T) {
	t.Parallel()
	ready := app.Ready{
		URL:   "http://127.0.0.1:8450",
		Agent: &agent.Agent{ID: "id-1", Slug: "my-agent", Dir: t.TempDir()},
		Callables: []agent.Callable{
			{Tag: "other_stream", Streams: true}, {Tag: "other"},
			{Tag: "main", InputSchema: json.RawMessage(`{"properties":{"m":{"examples":["it's"]}},"required":["m"]}`)},
			{Tag: "main_stream", Streams: true},
		},
	}
	want := []string{
		`curl -s http://127.0.0.1:8450/v1/agents/my-agent/invoke -H 'Content-Type: application/json' -d '{"entrypoint":"main","input":{"m":"it'\''s"}}'`,
		`curl -sN http://127.0.0.1:8450/v1/agents/my-agent/stream -H 'Content-Type: application/json' -d '{"entrypoint":"main_stream","input":{}}'`,
		`curl -s http://127.0.0.1:8450/api/v1/agents/id-1/run -H 'Content-Type: application/json' -d '{"entrypoint_tag":"main","input_kwargs":{"m":"it'\''s"}}'`,
	}
	if got := Curl(ready); strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}

	ready.Callables = ready.Callables[:1]
	if got := Curl(ready); len(got) != 2 || !strings.Contains(got[0], "/invoke") {
		t.Errorf("an agent that only streams: %q", got)
	}
	ready.Callables = nil
	if got := Curl(ready); got != nil {
		t.Errorf("an agent without entrypoints: %q", got)
	}
}
