package frameworks_test

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"github.com/runagent/runagent/test/pythonenv"
	"github.com/runagent/runagent/test/served"
)

// wrong is an input that a framework's entrypoint does not take, where that is
// not a misspelt prompt, and the pointer to what is wrong.
var wrong = map[string]struct {
	tag   string
	input served.Input
	field string
}{
	"langgraph": {"object", served.Input{"mesages": []any{}}, "/mesages"},
	"langchain": {"object", served.Input{"mesages": []any{}}, "/mesages"},
	"openai":    {"main", served.Input{"promt": "hello"}, "/promt"},
	"crewai":    {"object", served.Input{"inputs": map[string]any{"promt": "hello"}}, "/inputs/prompt"},
	"letta":     {"object", served.Input{"prompt": "hello"}, "/agent_id"},
}

// refuses sends what the framework's own entrypoint does not
// take: it is refused by name before anything runs.
func refuses(t *testing.T, a *sample) {
	f := a.f
	w, ok := wrong[f.name]
	if !ok {
		w.tag, w.input, w.field = "object", served.Input{"promt": "hello"}, "/promt"
	}
	asked := a.model.count()
	got := a.Invoke(w.tag, w.input)
	if got.HTTP != 400 || got.Error.Code != "VALIDATION_ERROR" || got.Error.Field != w.field {
		t.Errorf("%v: got %d %.900s, want a refusal of %s", w.input, got.HTTP, got.Body, w.field)
	}
	if count := a.model.count(); count != asked {
		t.Errorf("the model was asked %d times", count-asked)
	}
}

// timesOut lets the model be silent for longer than the call may take.
func timesOut(t *testing.T, a *sample) {
	f := a.f
	asked := a.model.count()
	input := f.input("wait [slow-50s]")
	input["timeout_seconds"] = 3
	if got := a.Invoke("object", input); got.Error.Code != "TIMEOUT_ERROR" || got.HTTP != 504 {
		t.Errorf("got %d %.900s, want TIMEOUT_ERROR", got.HTTP, got.Body)
	}
	soon(t, a.model.waitAsked(t, asked), "the end of the question")
	if got := a.Invoke("main", prompt("hi")); !f.says(got.Get("answer"), "hi") {
		t.Errorf("afterwards: got %.600s", got.Body)
	}
}

// letsToolsRaise has the model call a tool so that it raises. What
// comes of it is the framework's own: an answer or its exception.
func letsToolsRaise(t *testing.T, a *sample) {
	f := a.f
	got := a.Invoke("object", f.input(`use add {"a": "one", "b": [2]}`))
	if got.HTTP != 200 && got.Error.Code != "EXECUTION_ERROR" || strings.Contains(got.Body, "runagent_shim") {
		t.Errorf("got %d %.1500s", got.HTTP, got.Body)
	}
	if got := a.Invoke("main", prompt("hi")); !f.says(got.Get("answer"), "hi") {
		t.Errorf("afterwards: got %.600s", got.Body)
	}
}

// TestFrameworksNameWhatCanBeNamed names an object that no adapter knows.
func TestFrameworksNameWhatCanBeNamed(t *testing.T) {
	each(t, func(t *testing.T, f framework) {
		python := pythonenv.Locked(t, filepath.Join("agents", f.name, "requirements.txt"))
		dir := copyAgent(t, f.name, entrypoint("other.py", "WORDS"))
		writeFile(t, filepath.Join(dir, "other.py"), []byte("from main import *\n\nWORDS = 'no agent'\n"))
		a := served.Launch(t, served.Options{Dir: dir, Args: []string{"--python", python, "--no-reload"}, Env: environment(newModel(t))})
		if code := a.Wait(); code == 0 {
			t.Errorf("serve ended with 0")
		}
		out := a.Output()
		for _, want := range []string{"WORDS in other.py is not a function but a value of type str", "a function", "a bound method", words[f.name]} {
			if !strings.Contains(out, want) || strings.Contains(out, "Traceback") {
				t.Errorf("want %q in %s", want, out)
			}
		}
	})
}

// words are some of each framework's words on what `module` may name.
var words = map[string]string{
	"langgraph": "a compiled LangGraph graph", "langchain": "a LangChain runnable", "openai_agents": "an OpenAI Agents agent",
	"pydantic_ai": "a pydantic-ai agent", "agno": "an Agno agent", "smolagents": "a smolagents agent", "llamaindex": "LlamaIndex",
	"autogen": "an AutoGen agent", "crewai": "CrewAI", "ag2": "an AG2 agent", "ag2_classic": "an AG2 agent", "letta": "a method of Letta's client",
	"adk": "a Google ADK agent",
}

// TestFrameworksMissing serves each sample where nothing is installed: the
// message has the command that adds what is missing.
func TestFrameworksMissing(t *testing.T) {
	each(t, func(t *testing.T, f framework) {
		dir := copyAgent(t, f.name, nil)
		a := served.Launch(t, served.Options{
			Dir: dir, Args: []string{"--python", pythonenv.For(t, "typing-extensions==4.15.0"), "--no-reload"}, Env: environment(newModel(t)),
		})
		if code := a.Wait(); code == 0 {
			t.Errorf("serve ended with 0")
		}
		if out := a.Output(); !strings.Contains(out, "ModuleNotFoundError") || !strings.Contains(out, ">> requirements.txt") {
			t.Errorf("got %s", out)
		}
	})
}

// TestOtherVersionOfAFramework runs code for version 1 of the OpenAI SDK beside
// version 0: the message says which is there.
func TestOtherVersionOfAFramework(t *testing.T) {
	t.Parallel()
	named(t, "openai")
	doesNotStart(t, "main", "from openai import OpenAI\n\nclient = OpenAI()\n\n\ndef main():\n    return 1\n", "openai==0.28.1",
		"main.py:1", "cannot import name 'OpenAI'", "Installed is openai 0.28.1")
}

// TestAgentOfAnOlderFramework names an agent that no adapter knows any more: the
// message says from which version on they do.
func TestAgentOfAnOlderFramework(t *testing.T) {
	t.Parallel()
	named(t, "agno")
	doesNotStart(t, "agent", "from agno.agent import Agent\n\nagent = Agent(name='old')\n", "agno==1.8.4",
		"Installed is agno 1.8.4; its objects can be named from version 2 on")
}

// doesNotStart serves module of a main.py with one package installed, and checks
// that the server ends with an error and says all that is wanted.
func doesNotStart(t *testing.T, module, code, requirement string, wanted ...string) {
	t.Helper()
	a := served.Launch(t, served.Options{
		Files: map[string]string{"runagent.config.json": manifestOf(t, entrypoint("main.py", module)), "main.py": code},
		Args:  []string{"--python", pythonenv.For(t, requirement), "--no-reload"},
	})
	if code := a.Wait(); code == 0 {
		t.Errorf("serve ended with 0")
	}
	for _, want := range wanted {
		if out := a.Output(); !strings.Contains(out, want) {
			t.Errorf("want %q in %s", want, out)
		}
	}
}

// TestResultsThatAreNoJSON returns what JSON can't say: a state that contains
// itself, and a chunk that is a function.
func TestResultsThatAreNoJSON(t *testing.T) {
	t.Parallel()
	a := serve(t, named(t, "langgraph"), nil)
	if got := a.Invoke("cyclic", nil); got.Error.Code != "EXECUTION_ERROR" || !strings.Contains(got.Error.Message, "result.box.box: a cycle") {
		t.Errorf("a cycle: got %.900s", got.Body)
	}
	pieces, last := chunks(a.Stream("cyclic_stream", nil))
	if len(pieces) != 1 || last.Name != "error" || !strings.Contains(string(last.Data), "is not JSON") {
		t.Errorf("a chunk: got %s, then %s %s", pieces, last.Name, last.Data)
	}
}

// TestSchemasOfGraphs reads what a graph takes and gives from its own states.
func TestSchemasOfGraphs(t *testing.T) {
	t.Parallel()
	a := serve(t, named(t, "langgraph"), nil)
	var about struct {
		Entrypoints []struct {
			Tag    string         `json:"tag"`
			Input  map[string]any `json:"input_schema"`
			Output map[string]any `json:"output_schema"`
		} `json:"entrypoints"`
	}
	if err := json.Unmarshal([]byte(a.Fetch("/v1/agents/"+a.ID).Body), &about); err != nil {
		t.Fatal(err)
	}
	for _, e := range about.Entrypoints {
		if e.Tag != "scored" {
			continue
		}
		if at(e.Input, "properties.points.type") != "integer" || at(e.Output, "properties.score.type") != "string" {
			t.Errorf("input %v, output %v", e.Input, e.Output)
		}
	}
	if got := a.Invoke("scored", served.Input{"points": 3}); at(got.Value(), "score") != "3 points" {
		t.Errorf("got %.600s", got.Body)
	}
	if got := a.Invoke("scored", served.Input{"points": "three"}); got.HTTP != 400 || got.Error.Field != "/points" {
		t.Errorf("got %d %.600s, want a refusal of /points", got.HTTP, got.Body)
	}
}

// entrypoint is a manifest's part with one entrypoint.
func entrypoint(file, module string) map[string]any {
	one := map[string]any{"tag": "main", "file": file, "module": module}
	return map[string]any{"agent_architecture": map[string]any{"entrypoints": []any{one}}}
}

func manifestOf(t *testing.T, parts map[string]any) string {
	t.Helper()
	parts["agent_name"] = "agent"
	text, err := json.Marshal(parts)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
