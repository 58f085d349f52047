package frameworks_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/runagent/runagent/test/served"
)

// suite is what every framework has to pass, in this order, on one agent that
// is served: what one leaves behind, the next one meets.
var suite = []struct {
	name string
	test func(*testing.T, *sample)
}{
	{"answers", answers},
	{"streams", streams},
	{"calls_others", callsOthers},
	{"refuses_wrong_input", refuses},
	{"cancels", cancels},
	{"times_out", timesOut},
	{"fails", fails},
	{"lets_tools_raise", letsToolsRaise},
	{"keeps_callers_apart", keepsCallersApart},
}

// TestFrameworks puts every framework through the suite.
func TestFrameworks(t *testing.T) {
	each(t, func(t *testing.T, f framework) {
		a := serve(t, f, nil)
		for _, s := range suite {
			t.Run(s.name, func(t *testing.T) { s.test(t, a.during(t)) })
		}
	})
}

// answers calls a function that uses the framework, and the
// framework's own objects, named as they are.
func answers(t *testing.T, a *sample) {
	f := a.f
	for range 2 { // the second call of an instance has broken some
		if got := a.Invoke("main", prompt("hi")); !f.says(got.Get("answer"), "hi") {
			t.Errorf("main: got %.600s", got.Body)
		} else {
			checkUsage(t, f, "main", got.Body)
		}
	}
	for tag, path := range map[string]string{"object": f.answer, "object_async": f.asyncAnswer} {
		got := a.Invoke(tag, f.input("hello"))
		if !f.says(at(got.Value(), path), "hello") {
			t.Errorf("%s: got %.1000s, want the answer at %q", tag, got.Body, path)
		}
		checkUsage(t, f, tag, got.Body)
	}
}

// streams reads text piece by piece, and the framework's own chunks.
func streams(t *testing.T, a *sample) {
	f := a.f
	ask := f.tokens
	if ask == nil {
		ask = prompt
	}
	pieces, last := chunks(a.Stream("tokens_stream", ask("one two three")))
	if text := strings.Join(texts(pieces), ""); !f.says(text, "one two three") || len(pieces) < 3 {
		t.Errorf("the pieces are %q, then %s %s", texts(pieces), last.Name, last.Data)
	}
	if !f.uncounted {
		checkUsage(t, f, "tokens_stream", string(last.Data))
	}
	pieces, last = chunks(a.Stream("object_stream", f.input("one two three")))
	if last.Name != "done" || len(pieces) == 0 || !strings.Contains(fmt.Sprintf("%s", pieces), "three") {
		t.Errorf("the chunks are %s, then %s %s", pieces, last.Name, last.Data)
	}
}

// cancels hangs up in the middle and wants the model to see it.
func cancels(t *testing.T, a *sample) {
	f := a.f
	ask := f.tokens
	if ask == nil {
		ask = prompt
	}
	asked := a.model.count()
	stream := a.Stream("tokens_stream", ask("a long tale "+strings.Repeat("and on ", 2000)+"[slow-100ms]"))
	for n := 0; n < 3; {
		event, ok := stream.Next()
		if !ok || event.Name == "error" {
			t.Fatalf("the stream ended with %s %s", event.Name, event.Data)
		}
		if event.Name == "chunk" {
			n++
		}
	}
	stream.Close()
	soon(t, a.model.waitAsked(t, asked), "the end of the stream's question")

	asked = a.model.count()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = a.TryPost(ctx, "/v1/agents/"+a.ID+"/invoke", served.Envelope("object_async", f.input("wait [slow-50s]")))
	}()
	ended := a.model.waitAsked(t, asked)
	cancel()
	soon(t, done, "the end of the call")
	soon(t, ended, "the end of the call's question")
	if got := a.Invoke("main", prompt("hi")); !f.says(got.Get("answer"), "hi") {
		t.Errorf("afterwards: got %.600s", got.Body)
	}
}

// fails lets the model fail in the ways that models do.
func fails(t *testing.T, a *sample) {
	f := a.f
	for status, words := range f.failures {
		text := fmt.Sprintf("oh [fail-%d]", status)
		for tag, input := range map[string]served.Input{"main": prompt(text), "object": f.input(text), "object_async": f.input(text)} {
			got := a.Invoke(tag, input)
			if got.Error.Code != "EXECUTION_ERROR" || !strings.Contains(got.Body, words) || strings.Contains(got.Body, "runagent_shim") {
				t.Errorf("%s, %d: got %.1500s, want %s", tag, status, got.Body, words)
			}
		}
	}
	ask := f.tokens
	if ask == nil {
		ask = prompt
	}
	pieces, last := chunks(a.Stream("tokens_stream", ask("a tale that is cut [cut]")))
	if last.Name != "error" || !strings.Contains(string(last.Data), "EXECUTION_ERROR") || len(pieces) == 0 {
		t.Errorf("a cut stream: %d chunks, then %s %.600s", len(pieces), last.Name, last.Data)
	}
	if got := a.Invoke("main", prompt("hi")); !f.says(got.Get("answer"), "hi") {
		t.Errorf("afterwards: got %.600s", got.Body)
	}
}

// keepsCallersApart makes 50 calls at once, each with its own question.
func keepsCallersApart(t *testing.T, a *sample) {
	f := a.f
	var wg sync.WaitGroup
	for n := range 50 {
		wg.Go(func() {
			question := fmt.Sprintf("number %d [slow-20ms]", n)
			if got := a.Invoke("main", prompt(question)); !f.says(got.Get("answer"), question) {
				t.Errorf("main: got %.600s, want an answer to %q", got.Body, question)
			}
			if got := a.Invoke("object", f.input(question)); !f.says(at(got.Value(), f.answer), question) {
				t.Errorf("object: got %.600s, want an answer to %q", got.Body, question)
			}
		})
	}
	wg.Wait()
}

// checkUsage wants the tokens of a call in its metadata.
func checkUsage(t *testing.T, f framework, tag, body string) {
	t.Helper()
	var answer struct {
		Metadata struct {
			Usage struct {
				Input  int    `json:"input_tokens"`
				Output int    `json:"output_tokens"`
				Total  int    `json:"total_tokens"`
				Model  string `json:"model"`
			} `json:"usage"`
		} `json:"metadata"`
	}
	if err := json.Unmarshal([]byte(body), &answer); err != nil {
		t.Errorf("%s: %v in %.600s", tag, err, body)
	}
	if u := answer.Metadata.Usage; u.Input <= 0 || u.Output <= 0 || u.Total != u.Input+u.Output || strings.HasPrefix(u.Model, "fake-") == f.unnamed {
		t.Errorf("%s: the usage is %+v in %.600s", tag, u, body)
	}
}

// chunks reads a stream to its end and returns what its chunks hold, and the last event.
func chunks(s *served.Stream) (contents []json.RawMessage, last served.Event) {
	for _, event := range s.Rest() {
		last = event
		if event.Name == "chunk" {
			var chunk struct {
				Content json.RawMessage `json:"content"`
			}
			if err := json.Unmarshal(event.Data, &chunk); err == nil {
				contents = append(contents, chunk.Content)
			}
		}
	}
	return contents, last
}

// texts returns the strings among contents.
func texts(contents []json.RawMessage) []string {
	var out []string
	for _, content := range contents {
		var text string
		if json.Unmarshal(content, &text) == nil {
			out = append(out, text)
		}
	}
	return out
}
