package frameworks_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/runagent/runagent/test/pythonenv"
	"github.com/runagent/runagent/test/served"
)

// patience bounds every wait, on a machine that does other things too.
const patience = 60 * time.Second

// framework is one row of the tests: an agent in agents/name with the
// entrypoints main (a function that says its answer and which instance it
// was), tokens_stream (text piece by piece), and object, object_stream and
// object_async (the framework's own, as it is).
type framework struct {
	name string
	// input asks the framework's own entrypoints.
	input func(prompt string) served.Input
	// tokens asks tokens_stream; nil is as main: {"prompt": …}.
	tokens func(prompt string) served.Input
	// answer is where the text is in the result of object and object_async,
	// such as messages.-1.content; "" is the result itself.
	answer, asyncAnswer string
	// failures are words that say what went wrong, by the model's status.
	failures map[int]string
	// uncounted: the framework does not tell the tokens of a stream.
	uncounted bool
	// unnamed: the framework does not tell the model that took the tokens.
	unnamed bool
	// wraps: the framework asks with words of its own around the prompt.
	wraps bool
	// forks is how many instances TestFrameworksFork starts; 0 is 200.
	forks int
	// unique are values beside the usual ones that no two instances may share:
	// what the framework has loaded makes them.
	unique []string
	// usual is for those that `go test` runs, too: a half, so that CI ends in time.
	usual bool
}

var frameworks = slices.Concat(langFamily, openaiFamily, crewFamily)

var langFamily = []framework{
	{
		name: "langgraph", input: messages, answer: "messages.-1.content", asyncAnswer: "messages.-1.content", usual: true,
		failures: openaiFailures,
	},
	{
		name: "langchain", input: messages, answer: "messages.-1.content", asyncAnswer: "messages.-1.content",
		failures: openaiFailures,
	},
}

var openaiFamily = []framework{
	{
		name: "openai", input: prompt, answer: "choices.0.message.content", asyncAnswer: "output.0.content.0.text", usual: true,
		failures: openaiFailures,
	},
	{
		name: "openai_agents", input: prompt, answer: "final_output", asyncAnswer: "final_output", usual: true,
		failures: openaiFailures,
	},
	{
		name: "pydantic_ai", input: prompt, answer: "output", asyncAnswer: "output", usual: true,
		failures: map[int]string{401: "ModelAuthenticationError", 429: "ModelRateLimitError", 500: "ModelServerError"},
	},
}

var openaiFailures = map[int]string{401: "AuthenticationError", 429: "RateLimitError", 500: "InternalServerError"}

func prompt(text string) served.Input { return served.Input{"prompt": text} }

func messages(text string) served.Input {
	return served.Input{"messages": []any{map[string]any{"role": "user", "content": text}}}
}

// chosen says whether the tests of a framework run: all by `make
// test-frameworks`, the usual ones by `go test`.
func chosen(t *testing.T, f framework) {
	t.Helper()
	switch wanted := os.Getenv("RUNAGENT_TEST_FRAMEWORKS"); {
	case testing.Short():
		t.Skip("serves real packages")
	case wanted == "" && !f.usual:
		t.Skip("runs by `make test-frameworks`")
	case wanted != "" && wanted != "all" && !slices.Contains(strings.Split(wanted, ","), f.name):
		t.Skipf("RUNAGENT_TEST_FRAMEWORKS is %s", wanted)
	}
}

// each runs a test for every framework that is chosen.
func each(t *testing.T, test func(*testing.T, framework)) {
	t.Parallel()
	for _, f := range frameworks {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			chosen(t, f)
			test(t, f)
		})
	}
}

// sample is a framework's sample, served.
type sample struct {
	*served.Agent
	t     *testing.T
	f     framework
	model *model
}

// serve serves a framework's sample; edit changes its manifest.
func serve(t *testing.T, f framework, edit map[string]any, args ...string) *sample {
	t.Helper()
	python := pythonenv.Locked(t, filepath.Join("agents", f.name, "requirements.txt"))
	m := newModel(t)
	a := served.Start(t, served.Options{
		Dir: copyAgent(t, f.name, edit), Args: append([]string{"--python", python, "--no-reload"}, args...),
		Env: environment(m),
	})
	return &sample{Agent: a, t: t, f: f, model: m}
}

// during is a within a part of its test.
func (a *sample) during(t *testing.T) *sample {
	return &sample{Agent: a.During(t), t: t, f: a.f, model: a.model}
}

// environment sends all models' clients to the fake, and nothing elsewhere.
func environment(m *model) []string {
	return []string{
		"LETTA_BASE_URL=" + strings.TrimSuffix(m.URL, "/v1"), "LETTA_API_KEY=any",
		"OPENAI_BASE_URL=" + m.URL, "OPENAI_API_BASE=" + m.URL, "OPENAI_API_KEY=any", "PYTHONWARNINGS=ignore",
		"OPENAI_AGENTS_DISABLE_TRACING=1", "LANGSMITH_TRACING=false", "LANGCHAIN_TRACING_V2=false",
		"CREWAI_DISABLE_TELEMETRY=true", "CREWAI_TRACING_ENABLED=false", "AGNO_TELEMETRY=false", "ANONYMIZED_TELEMETRY=false",
	}
}

// copyAgent copies a sample and what all share, without its requirements:
// they are installed already.
func copyAgent(t *testing.T, name string, edit map[string]any) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), name)
	for _, from := range []string{filepath.Join("agents", name), "shared"} {
		files, err := os.ReadDir(from)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			if strings.HasPrefix(file.Name(), "requirements") || file.IsDir() {
				continue
			}
			text, err := os.ReadFile(filepath.Join(from, file.Name()))
			if err != nil {
				t.Fatal(err)
			}
			writeFile(t, filepath.Join(dir, file.Name()), text)
		}
	}
	if edit != nil {
		path := filepath.Join(dir, "runagent.config.json")
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		manifest := map[string]any{}
		if err := json.Unmarshal(text, &manifest); err != nil {
			t.Fatal(err)
		}
		for key, value := range edit {
			manifest[key] = value
		}
		if text, err = json.Marshal(manifest); err != nil {
			t.Fatal(err)
		}
		writeFile(t, path, text)
	}
	return dir
}

// says reports whether got is the model's answer to the prompt.
func (f framework) says(got any, prompt string) bool {
	text, ok := got.(string)
	if !ok || !f.wraps {
		return ok && text == "You said: "+prompt
	}
	return strings.HasPrefix(text, "You said: ") && strings.Contains(text+" ", prompt)
}

func writeFile(t *testing.T, path string, text []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, text, 0o644); err != nil {
		t.Fatal(err)
	}
}

// at returns what stands at a path such as messages.-1.content in a value.
func at(value any, path string) any {
	if path == "" {
		return value
	}
	for step := range strings.SplitSeq(path, ".") {
		switch v := value.(type) {
		case map[string]any:
			value = v[step]
		case []any:
			n, err := strconv.Atoi(step)
			if n < 0 {
				n += len(v)
			}
			if err != nil || n < 0 || n >= len(v) {
				return fmt.Sprintf("no %s of %s in %d items", step, path, len(v))
			}
			value = v[n]
		default:
			return fmt.Sprintf("no %s of %s in a %T", step, path, value)
		}
	}
	return value
}

// wait waits for the end of c.
func wait(t *testing.T, c <-chan struct{}, what string) {
	t.Helper()
	within(t, patience, c, what)
}

// soon is wait for what follows a cancel: well before the model ends by itself.
func soon(t *testing.T, c <-chan struct{}, what string) {
	t.Helper()
	within(t, patience/3, c, what)
}

func within(t *testing.T, limit time.Duration, c <-chan struct{}, what string) {
	t.Helper()
	select {
	case <-c:
	case <-time.After(limit):
		t.Fatalf("%s did not come within %v", what, limit)
	}
}
