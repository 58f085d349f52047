package frameworks_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/runagent/runagent/test/pythonenv"
	"github.com/runagent/runagent/test/served"
)

// foreign is an agent that nobody here wrote: an example or template out of a
// published package, unpacked as it is. All that is added is a manifest.
type foreign struct {
	// name is the framework whose tests it runs with.
	name string
	// pin, hash and source are the package, as pythonenv.Unpacked takes them. All are under the MIT licence.
	pin, hash string
	source    bool
	// folder within the package is the agent's folder.
	folder string
	// make replaces pin: it fills an empty folder by the framework's own command, given the environment's folder.
	make func(t *testing.T, env, dir string) string
	// requirements is a lock file; "" is that of the framework's sample.
	requirements string
	// entrypoints is the manifest's list of them.
	entrypoints string
	// calls are made in order, of the tag that each names.
	calls []foreignCall
}

type foreignCall struct {
	tag   string
	input served.Input
	// path in the result, or in the last chunk of a stream, holds want.
	path, want string
}

var foreigners = []foreign{
	{ // examples/graphs_reqs_a of langgraph-cli, by LangChain, Inc.
		name: "langgraph", pin: "langgraph-cli==0.4.40", source: true,
		hash:         "sha256:c0a75dc9816021e156362730286c926f5bdac478c85f3cceb441a425f80838af",
		folder:       "langgraph_cli-0.4.40/examples",
		requirements: "foreign/langgraph.txt",
		entrypoints:  `{"tag": "main", "file": "graphs_reqs_a/hello.py", "module": "graph"}, {"tag": "main_stream", "file": "graphs_reqs_a/hello.py", "module": "graph"}`,
		calls: []foreignCall{
			{"main", inContext(messages("ahoy")), "messages.-1.content", "You said: ahoy"},
			{"main_stream", inContext(messages("ahoy")), "agent.messages.0.content", "You said: ahoy"},
		},
	},
	{ // the package template of langchain-cli, by LangChain, Inc.
		name: "langchain", pin: "langchain-cli==0.0.37",
		hash:        "sha256:751d9be67b148ee4b0cd2401970b946283a363e2a616015efd06d215e135cf41",
		folder:      "langchain_cli/package_template/package_template",
		entrypoints: `{"tag": "main", "file": "chain.py", "module": "chain"}`,
		calls:       []foreignCall{{"main", served.Input{"text": "ahoy"}, "content", "You said: ahoy"}},
	},
	{ // examples/customer_service of openai-agents, by OpenAI: an agent hands over to another, which calls a tool
		name: "openai_agents", pin: "openai-agents==0.24.0", source: true,
		hash:   "sha256:4b4b285f4fed81fdf1b4ac426a9101658d9cd29b4fb1aaeee18f639b77e704e3",
		folder: "openai_agents-0.24.0",
		entrypoints: `{"tag": "main", "file": "examples/customer_service/main.py", "module": "triage_agent"},
			{"tag": "faq", "file": "examples/customer_service/main.py", "module": "faq_agent"},
			{"tag": "faq_stream", "file": "examples/customer_service/main.py", "module": "faq_agent"}`,
		calls: []foreignCall{
			{"main", prompt("use transfer_to_faq_agent {}"), "agent", "FAQ Agent"},
			{"faq", prompt(`use faq_lookup_tool {"question": "wifi?"}`), "final_output", "We have free wifi on the plane, join Airline-Wifi"},
			{"faq_stream", prompt("hello there"), "", "there"},
		},
	},
	{ // evals/agent.py of pydantic-ai-examples, by Pydantic Services Inc.: relative imports, a TypedDict in, a model out
		name: "pydantic_ai", pin: "pydantic-ai-examples==2.62.0",
		hash:        "sha256:8b0684abdef1b5761f9637ee8bfa8baf0b71e0390cee7acfafeb2f28698c39d2",
		entrypoints: `{"tag": "main", "file": "pydantic_ai_examples/evals/agent.py", "module": "infer_time_range"}`,
		calls: []foreignCall{
			{"main", served.Input{
				"prompt": `use final_result_TimeRangeBuilderError {"error_message": "no time was named"}`, "now": "2026-01-01T00:00:00Z",
			}, "error_message", "no time was named"},
		},
	},
	{ // the classic crew of crewai-cli, by crewAI, Inc., as its own command writes it
		name: "crewai", make: createCrew,
		entrypoints: `{"tag": "main", "file": "src/news/crew.py", "module": "News.crew"}`,
		calls:       []foreignCall{{"main", served.Input{"topic": "ships", "current_year": "2026"}, "tasks.0.task", "research_task"}},
	},
}

// inContext asks a graph for the model that the fake plays.
func inContext(state served.Input) served.Input {
	return served.Input{"input": map[string]any{"input": state, "context": map[string]any{"model": "openai"}}}
}

// createCrew has CrewAI write the crew that newcomers begin with.
func createCrew(t *testing.T, env, dir string) string {
	t.Helper()
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(filepath.Join(env, "bin", "crewai"), "create", "crew", "news", "--classic", "--skip-provider")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "HOME="+dir, "CREWAI_DISABLE_TELEMETRY=true", "OTEL_SDK_DISABLED=true")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("crewai create: %v\n%s", err, out)
	}
	return filepath.Join(dir, "news")
}

// TestForeignAgents serves agents out of published packages, with nothing but
// a manifest added.
func TestForeignAgents(t *testing.T) {
	t.Parallel()
	for _, f := range foreigners {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			named(t, f.name) // skips where its tests do not run
			a := f.serve(t)
			for _, c := range f.calls {
				f.check(t, a, c)
			}
		})
	}
}

func (f foreign) serve(t *testing.T) *served.Agent {
	t.Helper()
	lock := f.requirements
	if lock == "" {
		lock = filepath.Join("agents", f.name, "requirements.txt")
	}
	python := pythonenv.Locked(t, lock)
	dir := filepath.Join(t.TempDir(), "agent")
	if f.make != nil {
		dir = f.make(t, filepath.Dir(filepath.Dir(python)), dir)
	} else if err := os.CopyFS(dir, os.DirFS(filepath.Join(pythonenv.Unpacked(t, f.pin, f.hash, f.source), f.folder))); err != nil {
		t.Fatal(err)
	}
	manifest := `{"agent_name": "` + filepath.Base(dir) + `", "framework": "` + f.name + `", "agent_architecture": {"entrypoints": [` + f.entrypoints + `]}}`
	writeFile(t, filepath.Join(dir, "runagent.config.json"), []byte(manifest))
	return served.Start(t, served.Options{
		Dir: dir, Args: []string{"--python", python, "--no-reload"},
		Env: append(environment(newModel(t)), "TAVILY_API_KEY=any", "ANTHROPIC_API_KEY=any", "OTEL_SDK_DISABLED=true"),
	})
}

func (f foreign) check(t *testing.T, a *served.Agent, c foreignCall) {
	t.Helper()
	if !strings.HasSuffix(c.tag, "_stream") {
		if got := a.Invoke(c.tag, c.input); at(got.Value(), c.path) != c.want {
			t.Errorf("%s: got %.1200s, want %q at %q", c.tag, got.Body, c.want, c.path)
		}
		return
	}
	pieces, last := chunks(a.Stream(c.tag, c.input))
	if len(pieces) == 0 || last.Name != "done" {
		t.Fatalf("%s: got %s, then %s %.1200s", c.tag, pieces, last.Name, last.Data)
	}
	var item any
	if err := json.Unmarshal(pieces[len(pieces)-1], &item); err != nil || at(item, c.path) != c.want {
		t.Errorf("%s: the last chunk is %s (%v), want %q at %q", c.tag, pieces[len(pieces)-1], err, c.want, c.path)
	}
}
