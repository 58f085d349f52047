package faults

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/runagent/runagent/test/served"
)

func TestAnAgentThatRaisesIsReported(t *testing.T) {
	t.Parallel()
	agent := serve(t, "echo")
	got := agent.Invoke("fail", served.Input{"message": "no luck"})
	wantFailure(t, got, 500, "EXECUTION_ERROR", "no luck")
	if got.Error.Details["type"] != "ValueError" || !strings.Contains(fmt.Sprint(got.Error.Details["traceback"]), "main.py") {
		t.Errorf("details are %v, want type and traceback", got.Error.Details)
	}
	wantAnswer(t, agent.Invoke("main", served.Input{"message": "hi"}))
}

func TestResultsOfAwkwardSizes(t *testing.T) {
	t.Parallel()
	agent := serve(t, "big")
	t.Run("11 MiB", func(t *testing.T) {
		t.Parallel()
		wantFailure(t, agent.Invoke("large", served.Input{"mebibytes": 11}), 500, "EXECUTION_ERROR", "11534338 bytes", "limit of 10485760 bytes")
	})
	t.Run("9 MiB", func(t *testing.T) {
		t.Parallel()
		if got := wantAnswer(t, agent.Invoke("large", served.Input{"mebibytes": 9})); len(got.Result) != 9<<20+2 {
			t.Errorf("got %d bytes", len(got.Result))
		}
	})
	t.Run("what JSON can't say", func(t *testing.T) {
		t.Parallel()
		wantFailure(t, agent.Invoke("unserialisable", nil), 500, "EXECUTION_ERROR", "object", "inside[1].deeper")
	})
	for _, c := range []struct {
		entrypoint string
		chunks     int
		code       string
		words      []string
	}{
		{"empty_stream", 0, "", nil},
		{"raise_stream", 3, "EXECUTION_ERROR", []string{"after 3 chunks"}},
		{"unserialisable_stream", 3, "EXECUTION_ERROR", []string{"object", "index[0]"}},
		{"large_chunk_stream", 1, "EXECUTION_ERROR", []string{"11534338 bytes", "limit of 10485760 bytes"}},
		{"list_stream", 3, "", nil},
		{"many_stream", 100_000, "", nil},
	} {
		t.Run(c.entrypoint, func(t *testing.T) {
			t.Parallel()
			wantStream(t, agent.Stream(c.entrypoint, nil).Rest(), c.chunks, c.code, c.words...)
		})
	}
}

// wantStream checks a whole stream: start, so many chunks numbered from 0, and
// done, or an error with the code and words.
func wantStream(t *testing.T, events []served.Event, chunks int, code string, words ...string) {
	t.Helper()
	if len(events) != chunks+2 || events[0].Name != "start" {
		t.Fatalf("got %d events, want %d: %.500s", len(events), chunks+2, fmt.Sprint(events))
	}
	for i, event := range events[1 : len(events)-1] {
		var chunk struct{ Index int }
		if err := json.Unmarshal(event.Data, &chunk); err != nil || event.Name != "chunk" || chunk.Index != i {
			t.Fatalf("event %d is %s %.200s", i+1, event.Name, event.Data)
		}
	}
	last := events[len(events)-1]
	if want := map[bool]string{true: "done", false: "error"}[code == ""]; last.Name != want || !strings.Contains(string(last.Data), code) {
		t.Errorf("the last event is %s %.500s, want %s %s", last.Name, last.Data, want, code)
	}
	for _, word := range words {
		if !strings.Contains(string(last.Data), word) {
			t.Errorf("%q is not in %.500s", word, last.Data)
		}
	}
}

// TestValues asks for every kind of result and compares it with what the
// sample says it becomes.
func TestValues(t *testing.T) {
	t.Parallel()
	agent := serve(t, "values")
	for _, name := range names(t, agent, "expected") {
		got := agent.Invoke("good", served.Input{"name": name})
		want := agent.Invoke("expected", served.Input{"name": name})
		if got.HTTP != 200 || string(got.Result) != string(want.Result) {
			t.Errorf("%s: got %d %.300s, want %s", name, got.HTTP, got.Body, want.Result)
		}
		stream := agent.Stream("good_stream", served.Input{"name": name}).Rest()
		wantStream(t, stream, 2, "")
	}
	for _, name := range names(t, agent, "fault") {
		path := wantAnswer(t, agent.Invoke("fault", served.Input{"name": name})).Value()
		got := agent.Invoke("bad", served.Input{"name": name})
		wantFailure(t, got, 500, "EXECUTION_ERROR")
		if path, _ = strings.CutPrefix(fmt.Sprint(path), "$"); path != "" && !strings.Contains(got.Body, strings.TrimPrefix(path.(string), ".")) {
			t.Errorf("bad %s: %.300s does not name the path %v", name, got.Body, path)
		}
		wantStream(t, agent.Stream("bad_stream", served.Input{"name": name}).Rest(), 2, "EXECUTION_ERROR")
	}
}

func names(t *testing.T, agent *served.Agent, entrypoint string) []string {
	t.Helper()
	var list []string
	if err := json.Unmarshal(wantAnswer(t, agent.Invoke(entrypoint, nil)).Result, &list); err != nil || len(list) == 0 {
		t.Fatalf("names of %s: %v, %v", entrypoint, list, err)
	}
	return list
}
