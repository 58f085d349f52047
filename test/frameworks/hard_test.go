package frameworks_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/runagent/runagent/test/served"
)

// others are calls of what a framework has beside its agents: where in the
// answer what is found.
var others = map[string][]struct {
	tag   string
	input served.Input
	path  string
	want  any
}{
	"agno": {
		{"history", served.Input{"prompt": "one", "session_id": "s"}, "users", []any{"one"}},
		{"history", served.Input{"prompt": "two", "session_id": "s"}, "users", []any{"one", "two"}},
		{"history", served.Input{"prompt": "three", "session_id": "other"}, "users", []any{"three"}},
	},
	"openai_agents": {
		{"remembering", served.Input{"prompt": "one", "session_id": "s"}, "items", 2.0},
		{"remembering", served.Input{"prompt": "two", "session_id": "s"}, "items", 4.0},
		{"remembering", served.Input{"prompt": "three", "session_id": "other"}, "items", 2.0},
	},
	"pydantic_ai": {
		{"knowing", served.Input{"prompt": "hi", "deps": map[string]any{"name": "Ada"}}, "output", "You said: hi, Ada"},
	},
	"smolagents": {
		{"steps", served.Input{"task": `use add {"a": 2, "b": 3}`}, "0.type", "tool_call"},
		{"steps", served.Input{"task": `use add {"a": 2, "b": 3}`}, "1.args.b", float64(3)},
		{"coder", served.Input{"task": "<code>\nfinal_answer(add(2, 3))\n</code>"}, "", float64(5)},
	},
	"llamaindex": {
		{"query", served.Input{"query": "what?"}, "type", "Response"},
		{"chat", served.Input{"message": "hi"}, "content", "You said: hi"},
		{"workflow", served.Input{"n": 3}, "counted", float64(3)},
		{"remembering", served.Input{"prompt": "one", "thread": "a"}, "", []any{"one"}},
		{"remembering", served.Input{"prompt": "two", "thread": "a"}, "", []any{"one", "two"}},
		{"remembering", served.Input{"prompt": "three", "thread": "b"}, "", []any{"three"}},
	},
	"autogen": {
		{"team", served.Input{"task": "hi"}, "stop_reason", "Maximum number of messages 3 reached, current message count: 3"},
	},
	"crewai": {
		{"flow", served.Input{"name": "Ada"}, "", "HELLO ADA!"},
		{"flow_class", served.Input{"name": "Ada"}, "", "HELLO ADA!"},
	},
	"ag2": {
		{"object", served.Input{"prompt": `use add {"a": 2, "b": 3}`}, "tool_calls.0.args.b", 3.0},
		{"object", served.Input{"prompt": `use add {"a": 2, "b": 3}`}, "tool_calls.0.content", 5.0},
		{"found", served.Input{"prompt": "Rome"}, "content.city", "You said: Rome"},
		{"object", served.Input{"messages": []any{
			map[string]any{"role": "user", "content": "one"}, map[string]any{"role": "assistant", "content": "I heard one"},
			map[string]any{"role": "user", "content": "two"},
		}}, "content", "You said: two"},
	},
	"ag2_classic": {
		{"object", served.Input{"prompt": `use add {"a": 2, "b": 3}`}, "messages.2.content", "5"},
		{"object", served.Input{"prompt": "again"}, "messages.1.content", "You said: again"},
		{"chat", served.Input{"prompt": "hi"}, "content", "You said: hi"},
	},
	"letta": {
		{"whole", served.Input{"prompt": `use add {"a": 2, "b": 3}`}, "messages.2.content", "5"},
		{"whole", served.Input{"prompt": "hi"}, "stop_reason", "end_turn"},
	},
	"adk": {
		{"object", served.Input{"prompt": `use add {"a": 2, "b": 3}`}, "tool_calls.0.content.sum", float64(5)},
	},
}

// callsOthers calls flows, engines, teams and memories.
func callsOthers(t *testing.T, a *sample) {
	f := a.f
	if others[f.name] == nil {
		t.Skip("there are no others")
	}
	for _, o := range others[f.name] {
		if got := a.Invoke(o.tag, o.input); !reflect.DeepEqual(at(got.Value(), o.path), o.want) {
			t.Errorf("%s %v: got %.900s, want %v at %q", o.tag, o.input, got.Body, o.want, o.path)
		}
	}
}

// TestCheckpointerOfAnImport keeps threads in an SQLite connection that was
// opened at import: by each of several instances for itself.
func TestCheckpointerOfAnImport(t *testing.T) {
	t.Parallel()
	f := named(t, "langgraph")
	a := serve(t, f, nil, "--instances", "3")
	for n := range 6 {
		got := a.Invoke("remembering", inThread("one", messages(fmt.Sprintf("number %d", n))))
		if said, _ := at(got.Value(), "messages").([]any); len(said) != 2*(n+1) {
			t.Fatalf("call %d: the thread has %d messages in %.900s", n, len(said), got.Body)
		}
	}
	if said, _ := at(a.Invoke("remembering", inThread("two", messages("hello"))).Value(), "messages").([]any); len(said) != 2 {
		t.Errorf("another thread has %d messages", len(said))
	}
}

// inThread puts a graph's state beside the thread that it belongs to.
func inThread(thread string, state served.Input) served.Input {
	config := map[string]any{"configurable": map[string]any{"thread_id": thread}}
	// served.Input's own "input" is the whole of it.
	return served.Input{"input": map[string]any{"input": state, "config": config}, "config": config}
}

// TestResumeFromJSON answers the question of a graph that was interrupted.
func TestResumeFromJSON(t *testing.T) {
	t.Parallel()
	a := serve(t, named(t, "langgraph"), nil)
	asked := inThread("one", messages("may I?"))
	if got := a.Invoke("asking", asked); !strings.Contains(got.Body, "go on?") {
		t.Errorf("got %.900s, want the question", got.Body)
	}
	got := a.Invoke("asking", served.Input{"command": map[string]any{"resume": "yes"}, "config": asked["config"]})
	if at(got.Value(), "messages.-1.content") != "you decided: yes" {
		t.Errorf("got %.900s, want the decision", got.Body)
	}
}

// TestLastChunkOfAnotherShape reads a stream that ends with a whole result.
func TestLastChunkOfAnotherShape(t *testing.T) {
	t.Parallel()
	a := serve(t, named(t, "autogen"), nil)
	for range 2 { // the team was reset
		pieces, last := chunks(a.Stream("events_stream", prompt("hello")))
		var end struct {
			Type   string `json:"type"`
			Reason string `json:"stop_reason"`
		}
		if len(pieces) < 3 || last.Name != "done" {
			t.Fatalf("got %s, then %s %s", pieces, last.Name, last.Data)
		}
		if err := json.Unmarshal(pieces[len(pieces)-1], &end); err != nil || end.Type != "TaskResult" || end.Reason == "" {
			t.Errorf("the last chunk is %s (%v)", pieces[len(pieces)-1], err)
		}
	}
}

// TestStreamOfAnHonestLiar streams what a function annotated as a text hands
// on, and counts by the chunk without choices that ends it.
func TestStreamOfAnHonestLiar(t *testing.T) {
	t.Parallel()
	a := serve(t, named(t, "openai"), nil)
	pieces, last := chunks(a.Stream("object_stream", prompt("one two")))
	if len(pieces) < 4 || at(decoded(t, pieces[1]), "choices.0.delta.content") != "You " {
		t.Fatalf("got %s, then %s %s", pieces, last.Name, last.Data)
	}
	if choices, _ := at(decoded(t, pieces[len(pieces)-1]), "choices").([]any); len(choices) != 0 {
		t.Errorf("the last chunk is %s", pieces[len(pieces)-1])
	}
	checkUsage(t, a.f, "object_stream", string(last.Data))
}

// TestOneFileUnderTwoNames imports a file as tools and as package.tools: it is
// one module, so that its classes and its state are not there twice.
func TestOneFileUnderTwoNames(t *testing.T) {
	t.Parallel()
	manifest := `{"agent_name": "agent", "agent_architecture": {"entrypoints": [{"tag": "main", "file": "main.py", "module": "main"}]}}`
	a := served.Start(t, served.Options{Files: map[string]string{
		"runagent.config.json": manifest,
		"main.py": "import os, sys\nsys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'package'))\n" +
			"import tools\nimport package.tools\n\ndef main():\n    return [*tools.answer(), tools is package.tools]\n",
		"package/__init__.py": "", "package/tools.py": "def answer():\n    return [__name__]\n",
	}})
	want := []any{"package.tools", true}
	if got := a.Invoke("main", nil); !reflect.DeepEqual(got.Value(), want) {
		t.Errorf("got %.600s, want %v", got.Body, want)
	}
}

// named returns the framework if its tests are to run.
func named(t *testing.T, name string) framework {
	t.Helper()
	for _, f := range frameworks {
		if f.name == name {
			chosen(t, f)
			return f
		}
	}
	t.Fatalf("there is no framework %s", name)
	return framework{}
}

func decoded(t *testing.T, text json.RawMessage) any {
	t.Helper()
	var value any
	if err := json.Unmarshal(text, &value); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return value
}
