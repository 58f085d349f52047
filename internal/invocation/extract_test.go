package invocation

import (
	"context"
	"encoding/json"
	"slices"
	"testing"

	"github.com/runagent/runagent/internal/agent"
	"github.com/runagent/runagent/internal/fault"
)

func TestExecutorExtractsFields(t *testing.T) {
	t.Parallel()
	const output = `{"answer":{"text":"hi","n":2.0},"items":[{"id":1},{"id":12345678901234567890}]}`
	tests := []struct {
		paths map[string]string
		want  string
	}{
		{map[string]string{"text": "$.answer.text", "n": "$.answer.n"}, `{"n":2.0,"text":"hi"}`},
		{map[string]string{"ids": "$.items[*].id"}, `{"ids":[1,12345678901234567890]}`},
		{map[string]string{"gone": "$.nothing"}, `{"gone":null}`},
		{map[string]string{"bad": "answer"}, ""},
		{nil, output},
	}
	for _, tt := range tests {
		d, x := newDesk(func(context.Context, Call, func(Event) error) (Result, error) {
			return Result{Output: json.RawMessage(output)}, nil
		}, agent.Callable{Tag: "main", Extractor: tt.paths})
		out, err := x.Execute(t.Context(), Request{Agent: "bot"}, ignore)
		if tt.want == "" {
			if fault.CodeOf(err) != fault.Execution || d.last(t).Status != FailedS {
				t.Errorf("%v: %v", tt.paths, err)
			}
			continue
		}
		if err != nil || string(out.Result.Output) != tt.want {
			t.Errorf("%v: %s, %v; want %s", tt.paths, out.Result.Output, err, tt.want)
		}
	}
}

func TestExecutorExtractsFieldsOfEachChunk(t *testing.T) {
	t.Parallel()
	d, x := newDesk(func(_ context.Context, _ Call, emit func(Event) error) (Result, error) {
		for _, chunk := range []string{`{"delta":{"text":"a"},"noise":1}`, `"plain"`, `{"delta":{"text":2.0}}`} {
			if err := emit(Event{Kind: Chunk, Data: []byte(chunk)}); err != nil {
				return Result{}, err
			}
		}
		return Result{}, emit(Event{Kind: Log, Data: []byte(`{"text":"a line"}`)})
	}, agent.Callable{Tag: "main", Streams: true, Extractor: map[string]string{"text": "$.delta.text"}})
	var got []string
	_, err := x.Execute(t.Context(), Request{Agent: "bot"}, func(e Event) error {
		if e.Kind != Started {
			got = append(got, string(e.Data))
		}
		return nil
	})
	want := []string{`{"text":"a"}`, `{"text":null}`, `{"text":2.0}`, `{"text":"a line"}`}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("got %v, %v; want %v", got, err, want)
	}
	if kept := string(d.last(t).Output.JSON); kept != `[{"text":"a"},{"text":null},{"text":2.0}]` {
		t.Errorf("the record holds %s", kept)
	}
}
