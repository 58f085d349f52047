package invocation

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/runagent/runagent/internal/agent"
	"github.com/runagent/runagent/internal/fault"
)

// desk is a Directory with one agent, a Recorder and an Invoker in one.
type desk struct {
	target *Target
	invoke func(ctx context.Context, call Call, emit func(Event) error) (Result, error)

	mu                sync.Mutex // guards what follows
	started, finished []Record
}

func (d *desk) Target(_ context.Context, to Route) (*Target, error) {
	if to.Agent != d.target.Slug {
		return nil, fault.New(fault.AgentNotFound, "agent %q not found", to.Agent)
	}
	return d.target, nil
}

func (d *desk) Invoke(ctx context.Context, call Call, emit func(Event) error) (Result, error) {
	return d.invoke(ctx, call, emit)
}

func (d *desk) Started(r Record) { d.mu.Lock(); d.started = append(d.started, r); d.mu.Unlock() }

func (d *desk) Finished(r Record) { d.mu.Lock(); d.finished = append(d.finished, r); d.mu.Unlock() }

// last is the record of the only invocation.
func (d *desk) last(t *testing.T) Record {
	t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.started) != 1 || len(d.finished) != 1 || d.started[0].ID != d.finished[0].ID {
		t.Fatalf("%d records started and %d finished, want one of each", len(d.started), len(d.finished))
	}
	return d.finished[0]
}

func newDesk(invoke func(context.Context, Call, func(Event) error) (Result, error), callables ...agent.Callable) (*desk, *Executor) {
	if callables == nil {
		callables = []agent.Callable{{Tag: "main"}}
	}
	d := &desk{invoke: invoke, target: &Target{AgentID: "id", Slug: "bot", Revision: "r1", Callables: callables}}
	return d, NewExecutor(Options{Directory: d, Invoker: d, Recorder: d})
}

func echoes(_ context.Context, c Call, _ func(Event) error) (Result, error) {
	return Result{Output: c.Kwargs, Start: Hot}, nil
}

func ignore(Event) error { return nil }

func TestExecutorRecordsWhatItDid(t *testing.T) {
	t.Parallel()
	d, x := newDesk(echoes)
	out, err := x.Execute(t.Context(), Request{Agent: "bot", Kwargs: json.RawMessage(`{"a":1}`), Door: "v1"}, ignore)
	if err != nil {
		t.Fatal(err)
	}
	r := d.last(t)
	if r.ID != out.ID || r.Status != Succeeded || string(r.Input.JSON) != `{"kwargs":{"a":1}}` || string(r.Output.JSON) != `{"a":1}` ||
		r.Door != "v1" || r.Revision != "r1" || r.Start != Hot || r.FinishedAt.Before(r.CreatedAt) {
		t.Errorf("record %+v", r)
	}
	if good, bad := x.Counts(); good != 1 || bad != 0 {
		t.Errorf("counts %d and %d", good, bad)
	}
}

func TestExecutorNumbersEvents(t *testing.T) {
	t.Parallel()
	d, x := newDesk(func(_ context.Context, _ Call, emit func(Event) error) (Result, error) {
		for i := range 3 {
			kind := Chunk
			if i == 1 {
				kind = Log
			}
			if err := emit(Event{Kind: kind, Data: fmt.Appendf(nil, "%d", i)}); err != nil {
				return Result{}, err
			}
		}
		return Result{}, nil
	}, agent.Callable{Tag: "main", Streams: true})
	var got []string
	out, err := x.Execute(t.Context(), Request{Agent: "bot"}, func(e Event) error {
		got = append(got, fmt.Sprintf("%d %s", e.Seq, e.Kind))
		return nil
	})
	if err != nil || strings.Join(got, " ") != "1 started 2 chunk 3 log 4 chunk" {
		t.Errorf("events %q, error %v", got, err)
	}
	if out.Result.Chunks != 2 || string(d.last(t).Output.JSON) != "[0,2]" {
		t.Errorf("%d chunks, recorded %s", out.Result.Chunks, d.last(t).Output.JSON)
	}
}

func TestExecutorCutsRecordsOfLongStreams(t *testing.T) {
	t.Parallel()
	chunk := []byte(`"` + strings.Repeat("x", 1000) + `"`)
	d, x := newDesk(func(_ context.Context, _ Call, emit func(Event) error) (Result, error) {
		for range 500 {
			_ = emit(Event{Kind: Chunk, Data: chunk})
		}
		return Result{}, nil
	}, agent.Callable{Tag: "main", Streams: true})
	if _, err := x.Execute(t.Context(), Request{Agent: "bot"}, ignore); err != nil {
		t.Fatal(err)
	}
	p := d.last(t).Output
	if !p.Truncated || len(p.JSON) > recordLimit+1 || p.Size < 500*1000 {
		t.Errorf("kept %d bytes of %d, truncated %v", len(p.JSON), p.Size, p.Truncated)
	}
}

func TestExecutorTellsHowCallsEnd(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		invoke func(context.Context, Call, func(Event) error) (Result, error)
		req    Request
		code   fault.Code
		status Status
	}{
		{"agent raises", func(context.Context, Call, func(Event) error) (Result, error) {
			return Result{}, fault.New(fault.Execution, "ValueError: no")
		}, Request{}, fault.Execution, FailedS},
		{"ours", func(context.Context, Call, func(Event) error) (Result, error) {
			return Result{}, errors.New("broken pipe")
		}, Request{}, fault.Internal, FailedS},
		{"deadline", func(ctx context.Context, _ Call, _ func(Event) error) (Result, error) {
			<-ctx.Done()
			return Result{}, context.Cause(ctx)
		}, Request{Timeout: 10 * time.Millisecond}, fault.Timeout, TimedOut},
	}
	for _, tt := range tests {
		d, x := newDesk(tt.invoke)
		tt.req.Agent = "bot"
		out, err := x.Execute(t.Context(), tt.req, ignore)
		if fault.CodeOf(err) != tt.code || out.Status != tt.status || d.last(t).Status != tt.status {
			t.Errorf("%s: %v, %s, recorded %s", tt.name, err, out.Status, d.last(t).Status)
		}
		if !strings.Contains(string(d.last(t).Error), string(tt.code)) {
			t.Errorf("%s: recorded error %s", tt.name, d.last(t).Error)
		}
	}
}

// TestExecutorTellsWhoEndedACall has its context end for different reasons.
func TestExecutorTellsWhoEndedACall(t *testing.T) {
	t.Parallel()
	for message, cause := range map[string]error{
		"the caller went away":                         nil,
		"the call ended early: the server is stopping": errors.New("the server is stopping"),
	} {
		ctx, cancel := context.WithCancelCause(t.Context())
		d, x := newDesk(func(ctx context.Context, _ Call, _ func(Event) error) (Result, error) {
			cancel(cause)
			return Result{}, context.Cause(ctx)
		})
		_, err := x.Execute(ctx, Request{Agent: "bot"}, ignore)
		if fault.CodeOf(err) != fault.Canceled || err.Error() != message || d.last(t).Status != CanceledS {
			t.Errorf("%v, recorded %s; want %q", err, d.last(t).Status, message)
		}
	}
}

func TestExecutorCancels(t *testing.T) {
	t.Parallel()
	waits := func(ctx context.Context, _ Call, _ func(Event) error) (Result, error) {
		<-ctx.Done()
		return Result{}, context.Cause(ctx)
	}
	d, x := newDesk(waits)
	id := make(chan string, 1)
	go func() {
		if err := x.Cancel(<-id); err != nil {
			t.Error(err)
		}
	}()
	_, err := x.Execute(t.Context(), Request{Agent: "bot"}, func(e Event) error {
		var started struct {
			ID string `json:"invocation_id"`
		}
		if err := json.Unmarshal(e.Data, &started); err != nil {
			return err
		}
		id <- started.ID
		return nil
	})
	if fault.CodeOf(err) != fault.Canceled || d.last(t).Status != CanceledS {
		t.Errorf("got %v, recorded %s", err, d.last(t).Status)
	}
	if err := x.Cancel(d.last(t).ID); fault.CodeOf(err) != fault.NotFound {
		t.Errorf("cancel of an ended invocation: %v", err)
	}
}

func TestExecutorChoosesEntrypoints(t *testing.T) {
	t.Parallel()
	two := []agent.Callable{{Tag: "a"}, {Tag: "b_stream", Streams: true}}
	tests := []struct {
		callables []agent.Callable
		req       Request
		want      string // the tag, or the code
	}{
		{two, Request{Entrypoint: "a"}, "a"},
		{two, Request{}, string(fault.Validation)},
		{two, Request{Entrypoint: "c"}, string(fault.EntrypointNotFound)},
		{two, Request{Entrypoint: "a", StreamOnly: true}, string(fault.Validation)},
		{two, Request{Entrypoint: "b_stream", PlainOnly: true}, string(fault.Validation)},
		{append(two, agent.Callable{Tag: "main"}), Request{}, "main"},
		{append(two, agent.Callable{Tag: "generic"}), Request{}, "generic"},
		{two[:1], Request{}, "a"},
		{two, Request{Agent: "other"}, string(fault.AgentNotFound)},
	}
	for i, tt := range tests {
		got := ""
		_, x := newDesk(func(_ context.Context, c Call, _ func(Event) error) (Result, error) {
			got = c.Entrypoint
			return Result{}, nil
		}, tt.callables...)
		if tt.req.Agent == "" {
			tt.req.Agent = "bot"
		}
		if _, err := x.Execute(t.Context(), tt.req, ignore); err != nil {
			got = string(fault.CodeOf(err))
			if got == string(fault.EntrypointNotFound) && !strings.Contains(err.Error(), "a, b_stream") {
				t.Errorf("%d: %v does not say what there is", i, err)
			}
		}
		if got != tt.want {
			t.Errorf("%d: got %q, want %q", i, got, tt.want)
		}
	}
}

func TestExecutorAnswersEarlyForClientsThatCountTheSame(t *testing.T) {
	t.Parallel()
	var deadline time.Time
	_, x := newDesk(func(_ context.Context, c Call, _ func(Event) error) (Result, error) {
		deadline = c.Deadline
		return Result{}, nil
	})
	before := time.Now()
	if _, err := x.Execute(t.Context(), Request{Agent: "bot", Timeout: 10 * time.Second, AnswerEarly: true}, ignore); err != nil {
		t.Fatal(err)
	}
	if left := deadline.Sub(before); left > 9900*time.Millisecond || left < 9*time.Second {
		t.Errorf("the deadline is %v away, want a little less than 10 s", left)
	}
}

func TestExecutorKeepsMemoryThatARecordNeeds(t *testing.T) {
	t.Parallel()
	for size, free := range map[int]bool{10: false, recordLimit: false, recordLimit + 1: true} {
		memory := make([]byte, size+12)
		d, x := newDesk(func(context.Context, Call, func(Event) error) (Result, error) {
			return Result{Output: memory[12:], Memory: memory}, nil
		}, agent.Callable{Tag: "main"})
		out, err := x.Execute(t.Context(), Request{Agent: "bot"}, ignore)
		if err != nil || (out.Result.Memory != nil) != free {
			t.Errorf("%d bytes: memory free %v, want %v (%v)", size, out.Result.Memory != nil, free, err)
		}
		clear(memory)
		memory[12] = 'X'
		if kept := d.last(t).Output.JSON; free && kept[0] == 'X' {
			t.Errorf("%d bytes: the record lies in memory that is free", size)
		}
	}
}
