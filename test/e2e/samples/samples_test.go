// Package samples tells what agents get from the real binary when nothing goes
// wrong: an event loop, batches, one module per file, logs that find their
// call, native libraries and a LangGraph agent with a model to talk to.
package samples

import (
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/runagent/runagent/test/fakellm"
	"github.com/runagent/runagent/test/pythonenv"
	"github.com/runagent/runagent/test/served"
)

func serve(t *testing.T, o served.Options) *served.Agent {
	t.Helper()
	if testing.Short() {
		t.Skip("a story against the real binary: not in -short")
	}
	return served.Start(t, o)
}

// want checks that a call gives this JSON.
func want(t *testing.T, got served.Answer, result string) {
	t.Helper()
	if got.HTTP != 200 || string(got.Result) != result {
		t.Errorf("got %d %.800s\nwant %s", got.HTTP, got.Body, result)
	}
}

// chunks returns the contents of a stream that ended well.
func chunks(t *testing.T, events []served.Event) []string {
	t.Helper()
	if len(events) < 2 || events[len(events)-1].Name != "done" {
		t.Fatalf("the stream did not end well: %.800s", fmt.Sprint(events))
	}
	var contents []string
	for _, event := range events {
		var chunk struct{ Content json.RawMessage }
		if event.Name != "chunk" {
			continue
		}
		if err := json.Unmarshal(event.Data, &chunk); err != nil {
			t.Fatal(err)
		}
		contents = append(contents, string(chunk.Content))
	}
	return contents
}

// together makes calls at the same time and returns their answers in order.
func together(agent *served.Agent, count int, entrypoint string, input func(int) served.Input) []served.Answer {
	answers := make([]served.Answer, count)
	var all sync.WaitGroup
	for i := range count {
		all.Go(func() { answers[i] = agent.Invoke(entrypoint, input(i)) })
	}
	all.Wait()
	return answers
}

// TestCoroutinesMeetOnOneLoop makes 50 calls that return only once all are there.
func TestCoroutinesMeetOnOneLoop(t *testing.T) {
	t.Parallel()
	agent := serve(t, served.Options{Sample: "async"})
	places, threads := map[any]bool{}, map[any]bool{}
	for _, got := range together(agent, 50, "meet", func(int) served.Input { return served.Input{"name": "here", "party": 50} }) {
		places[got.Get("place")], threads[got.Get("thread")] = true, true
	}
	if len(places) != 50 || len(threads) != 1 {
		t.Errorf("50 calls took %d places on %d threads", len(places), len(threads))
	}
	for i, got := range together(agent, 20, "background", func(i int) served.Input { return served.Input{"name": fmt.Sprint(i)} }) {
		want(t, got, fmt.Sprintf(`{"task":"done","caller":"%d"}`, i))
	}
	want(t, agent.Invoke("plain", served.Input{"number": 1}), `2`)
	if got := chunks(t, agent.Stream("count_stream", nil).Rest()); strings.Join(got, " ") != "0 1 2" {
		t.Errorf("count_stream gave %v", got)
	}
}

// TestSingleCallsBecomeBatches makes calls at once to a batch entrypoint; each
// gets its own answer, and most came with others.
func TestSingleCallsBecomeBatches(t *testing.T) {
	t.Parallel()
	agent := serve(t, served.Options{Sample: "batch"})
	most := 0.0
	for i, got := range together(agent, 32, "squares", func(i int) served.Input { return served.Input{"n": i} }) {
		if got.Get("square") != float64(i*i) {
			t.Errorf("%d: got %d %s", i, got.HTTP, got.Body)
		}
		if count, _ := got.Get("together").(float64); count > most {
			most = count
		}
	}
	if most < 2 || most > 16 {
		t.Errorf("at most %v calls came together, want 2 to 16", most)
	}
	want(t, agent.Invoke("squares", served.Input{"input": []any{[]any{map[string]any{"n": 2}, map[string]any{"n": 3}}}}),
		`[{"square":4,"together":2},{"square":9,"together":2}]`)
	for _, c := range []struct {
		entrypoint string
		input      served.Input
		words      string
	}{
		{"squares", served.Input{"x": 1}, "no number"},
		{"too_short", served.Input{"n": 1}, "0"},
		{"picky", served.Input{"bad": true}, "a bad item"},
	} {
		got := agent.Invoke(c.entrypoint, c.input)
		if got.HTTP != 500 || got.Error.Code != "EXECUTION_ERROR" || !strings.Contains(got.Body, c.words) {
			t.Errorf("%s %v: got %d %s", c.entrypoint, c.input, got.HTTP, got.Body)
		}
	}
	want(t, agent.Invoke("later", served.Input{"n": 1}), `{"later":{"n":1}}`)
}

func TestAFileIsOneModuleByAllItsNames(t *testing.T) {
	t.Parallel()
	agent := serve(t, served.Options{Sample: "package"})
	want(t, agent.Invoke("outside", served.Input{"name": "x"}), `{"text":"hello x","one_module":true,"seen_by_tools":1,"file":"tools.py"}`)
	want(t, agent.Invoke("inside", served.Input{"name": "y"}), `{"text":"hello y","same_type":true,"calls":2}`)
	for range 2 {
		want(t, agent.Invoke("object", served.Input{"name": "z"}), `{"text":"hello z","made":2}`)
	}
	want(t, agent.Invoke("class", served.Input{"name": "z"}), `{"text":"hello z","made":2}`)
}

// TestLinesBelongToTheCallThatPrintedThem makes calls side by side that print
// from everywhere; each sees its own lines, all of them and no others.
func TestLinesBelongToTheCallThatPrintedThem(t *testing.T) {
	t.Parallel()
	agent := serve(t, served.Options{Sample: "threads"})
	var all sync.WaitGroup
	for entrypoint, lines := range map[string][]string{
		"speak":     {"stdout", "stderr", "logging", "no newline"},
		"thread":    {"thread", "inner thread", "timer"},
		"executor":  {"executor 0", "executor 1", "executor 2", "executor 3"},
		"to_thread": {"coroutine", "run_in_executor"},
	} {
		for i := range 5 {
			name := fmt.Sprintf("%s-%d", entrypoint, i)
			all.Go(func() { wantLines(t, agent, entrypoint, name, lines) })
		}
	}
	all.Wait()
}

// TestLinesOfOtherProcessesBelongToTheOnlyCall prints past Python; those lines
// travel apart from the call and are found in its log.
func TestLinesOfOtherProcessesBelongToTheOnlyCall(t *testing.T) {
	t.Parallel()
	agent := serve(t, served.Options{Sample: "threads"})
	var answer struct {
		ID string `json:"invocation_id"`
	}
	if err := json.Unmarshal([]byte(agent.Invoke("process", served.Input{"name": "alone"}).Body), &answer); err != nil {
		t.Fatal(err)
	}
	served.Eventually(t, 10*time.Second, "both lines are in the call's log", func() bool {
		log := agent.Fetch("/v1/agents/threads/logs?invocation=" + answer.ID).Body
		return strings.Contains(log, "alone subprocess") && strings.Contains(log, "alone descriptor")
	})
}

// wantLines calls an entrypoint and compares the lines that came with it.
func wantLines(t *testing.T, agent *served.Agent, entrypoint, name string, lines []string) {
	t.Helper()
	seen := map[string]bool{}
	for _, event := range agent.StreamWithLogs(entrypoint, served.Input{"name": name}).Rest() {
		var line struct{ Text string }
		if event.Name != "log" {
			continue
		}
		if err := json.Unmarshal(event.Data, &line); err != nil {
			t.Errorf("%s: %v in %s", name, err, event.Data)
		}
		if !strings.HasPrefix(line.Text, name+" ") {
			t.Errorf("%s got the line %q of another call", name, line.Text)
		}
		seen[strings.TrimPrefix(line.Text, name+" ")] = true
	}
	for _, line := range lines {
		if !seen[line] {
			t.Errorf("%s: the line %q is missing among %v", name, line, seen)
		}
	}
}

func TestNumpyValues(t *testing.T) {
	t.Parallel()
	python := pythonenv.For(t, "numpy==2.4.6")
	agent := serve(t, served.Options{Sample: "numpy", Args: []string{"--python", python}})
	want(t, agent.Invoke("mean", served.Input{"numbers": []int{1, 2, 3}}), `{"mean":2.0,"array":[2.0,4.0,6.0],"big":true,"count":3}`)
	if got := agent.Invoke("nan", nil); got.Error.Code != "EXECUTION_ERROR" || !strings.Contains(got.Body, "values") {
		t.Errorf("NaN: got %d %s", got.HTTP, got.Body)
	}
	if got := agent.Invoke("product", nil); got.Value() != 262144.0 {
		t.Errorf("product: got %s", got.Body)
	}
	first, second := agent.Invoke("draw", nil), agent.Invoke("draw", nil)
	if string(first.Result) == string(second.Result) || first.HTTP != 200 {
		t.Errorf("two draws gave %s and %s", first.Body, second.Body)
	}
}

// TestLangGraphAgent talks to a graph with tools, tokens and a memory.
func TestLangGraphAgent(t *testing.T) {
	t.Parallel()
	python := pythonenv.For(t, "langgraph==1.2.22", "langgraph-checkpoint-sqlite==3.1.2", "langchain-openai==1.7.3")
	model := httptest.NewServer(fakellm.New())
	defer model.Close()
	home := t.TempDir()
	agent := serve(t, served.Options{
		Sample: "langgraph", Args: []string{"--python", python},
		Env: []string{"OPENAI_BASE_URL=" + model.URL + "/v1", "OPENAI_API_KEY=any", "MEMORY=" + filepath.Join(home, "memory.db")},
	})
	want(t, agent.Invoke("chat", served.Input{"prompt": `use add {"a":1,"b":2}`, "thread_id": "t"}), `{"answer":"3","turns":4}`)
	want(t, agent.Invoke("chat", served.Input{"prompt": "hi", "thread_id": "t"}), `{"answer":"You said: hi","turns":6}`)
	want(t, agent.Invoke("chat", served.Input{"prompt": "hi", "thread_id": "other"}), `{"answer":"You said: hi","turns":2}`)
	want(t, agent.Invoke("history", served.Input{"thread_id": "other"}), `[["human","hi"],["ai","You said: hi"]]`)
	tokens := chunks(t, agent.Stream("chat_stream", served.Input{"prompt": "one two", "thread_id": "s"}).Rest())
	if got := strings.Join(tokens, " "); got != `"You " "said: " "one " "two"` {
		t.Errorf("the tokens are %s", got)
	}
	state := served.Input{"messages": []any{map[string]any{"role": "user", "content": `use shout {"text":"x"}`}}}
	for _, entrypoint := range []string{"invoke", "ainvoke"} {
		if got := agent.Invoke(entrypoint, state); got.HTTP != 200 || !strings.Contains(got.Body, `"content":"X!"`) {
			t.Errorf("%s: got %d %.600s", entrypoint, got.HTTP, got.Body)
		}
	}
	steps := chunks(t, agent.Stream("graph_stream", state).Rest())
	if len(steps) != 3 || !strings.HasPrefix(steps[1], `{"tools"`) {
		t.Errorf("the steps are %v", steps)
	}
}
