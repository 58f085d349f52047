package frameworks_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/runagent/runagent/test/served"
)

var crewFamily = []framework{
	{name: "agno", input: prompt, answer: "content", asyncAnswer: "content", failures: agnoFailures},
	{name: "smolagents", input: finalAnswer, failures: wordsOf("AgentGenerationError")},
	{name: "llamaindex", usual: true, unique: []string{"numpy"}, input: prompt, answer: "content", asyncAnswer: "content", failures: openaiFailures},
	{name: "autogen", input: prompt, answer: "content", asyncAnswer: "content", failures: openaiFailures},
	// A crew brings lancedb, which starts a thread: each instance imports it anew, a second of a core.
	{name: "crewai", forks: 40, unique: []string{"numpy", "trace_id"}, input: inputs, answer: "content", asyncAnswer: "content", wraps: true, failures: openaiFailures},
	{name: "ag2", usual: true, input: prompt, answer: "content", asyncAnswer: "content", failures: openaiFailures},
	{name: "ag2_classic", input: prompt, answer: "content", asyncAnswer: "content", failures: openaiFailures},
	{name: "letta", usual: true, input: ofAgent, tokens: ofAgent, answer: "content", asyncAnswer: "content", unnamed: true, failures: openaiFailures},
	{name: "adk", unique: []string{"trace_id"}, input: prompt, answer: "content", asyncAnswer: "content", failures: openaiFailures},
}

// agnoFailures: Agno returns failures as results, with what the model said.
var agnoFailures = map[int]string{401: "Failed as ordered", 429: "Rate limit", 500: "server had an error"}

// wordsOf are the same words for every status.
func wordsOf(words string) map[int]string { return map[int]string{401: words, 429: words, 500: words} }

// inputs are a crew's: keywords.
func inputs(text string) served.Input { return served.Input{"inputs": map[string]any{"prompt": text}} }

// ofAgent names the agent of a Letta server that is asked.
func ofAgent(text string) served.Input {
	return served.Input{"prompt": text, "agent_id": "agent-1"}
}

// finalAnswer has an agent call the tool that ends its run.
func finalAnswer(text string) served.Input {
	answer, err := json.Marshal(map[string]string{"answer": "You said: " + text})
	if err != nil {
		panic(err) // a string has JSON
	}
	return served.Input{"task": "use final_answer " + string(answer)}
}

// TestCrewsOfAProjectAreApart calls the @crew method of a class, which returns
// the same crew every time, by many at once.
func TestCrewsOfAProjectAreApart(t *testing.T) {
	t.Parallel()
	a := serve(t, named(t, "crewai"), nil)
	var calls sync.WaitGroup
	for n := range 50 {
		calls.Go(func() {
			question := fmt.Sprintf("number %d [slow-5ms]", n)
			if got := a.Invoke("project", prompt(question)); !a.f.says(at(got.Value(), "content"), question) {
				t.Errorf("project: got %.600s, want an answer to %q", got.Body, question)
			}
			pieces, last := chunks(a.Stream("project_stream", prompt(question)))
			if text := strings.Join(texts(pieces), ""); !a.f.says(text, question) {
				t.Errorf("project_stream: got %q, then %s %.600s, want an answer to %q", text, last.Name, last.Data, question)
			}
		})
	}
	calls.Wait()
}

// TestCrewForgetsWhatOthersAsked calls a crew that a function of its author's has run.
func TestCrewForgetsWhatOthersAsked(t *testing.T) {
	t.Parallel()
	a := serve(t, named(t, "crewai"), nil)
	a.Invoke("shared", prompt("first"))
	if got := a.Invoke("object", inputs("second")); !a.f.says(at(got.Value(), "content"), "second") {
		t.Errorf("got %.600s, want an answer to the second question", got.Body)
	}
}
