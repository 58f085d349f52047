package server

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/runagent/runagent/api"
	"github.com/runagent/runagent/internal/fault"
	"github.com/runagent/runagent/internal/invocation"
	"github.com/runagent/runagent/internal/server/door"
)

// event is one server-sent event as a client reads it.
type event struct{ id, name, data string }

// parseEvents reads a whole stream of events.
func parseEvents(t testing.TB, text string) []event {
	t.Helper()
	var events []event
	for block := range strings.SplitSeq(strings.TrimSuffix(text, "\n\n"), "\n\n") {
		var e event
		for line := range strings.SplitSeq(block, "\n") {
			field, value, _ := strings.Cut(line, ": ")
			switch field {
			case "id":
				e.id = value
			case "event":
				e.name = value
			case "data":
				e.data = value
			case "": // a comment
			default:
				t.Fatalf("odd line %q in %q", line, text)
			}
		}
		events = append(events, e)
	}
	return events
}

func (fx *fixture) stream(path, body string, headers ...string) (answer, []event) {
	fx.t.Helper()
	a := fx.do(http.MethodPost, path, body, headers...)
	if a.Header.Get("Content-Type") != door.EventStreamType {
		fx.t.Fatalf("not a stream: %d %s", a.StatusCode, a.body)
	}
	return a, parseEvents(fx.t, string(a.body))
}

func TestStreamSendsEvents(t *testing.T) {
	t.Parallel()
	fx := newFixture(t, nil)
	fx.executor.on("words", func(_ context.Context, _ invocation.Request, emit func(invocation.Event) error) (invocation.Result, error) {
		for _, e := range []invocation.Event{
			{Kind: invocation.Chunk, Data: json.RawMessage("{\"a\":\n1}")},
			{Kind: invocation.Log, Data: json.RawMessage(`{"text":"hello"}`)},
			{Kind: invocation.Chunk, Data: json.RawMessage(`"two"`)},
		} {
			if err := emit(e); err != nil {
				return invocation.Result{}, err
			}
		}
		return invocation.Result{Streams: true, Chunks: 2, Start: invocation.Warm}, nil
	})
	body := `{"entrypoint":"words"}`
	_, got := fx.stream("/v1/agents/echo/stream", body)
	want := []event{
		{"1", "start", `{"invocation_id":"` + invocationID + `"}`},
		{"2", "chunk", `{"content":{"a": 1},"index":0}`},
		{"4", "chunk", `{"content":"two","index":1}`},
		{"5", "done", got[len(got)-1].data},
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
	var done api.DoneEvent
	if err := json.Unmarshal([]byte(got[3].data), &done); err != nil || done.Chunks != 2 || done.Status != "succeeded" ||
		string(done.Result) != "null" || done.Metadata.Start != "warm" {
		t.Errorf("done is %+v (%v)", done, err)
	}
	_, logged := fx.stream("/v1/agents/echo/invoke?logs=1", body, "Accept", "text/event-stream")
	if len(logged) != 5 || logged[2] != (event{"3", "log", `{"text":"hello"}`}) {
		t.Errorf("with logs: %v", logged)
	}
}

func TestStreamOfAPlainEntrypoint(t *testing.T) {
	t.Parallel()
	fx := newFixture(t, nil)
	_, got := fx.stream("/v1/agents/echo/stream", `{"input":{"x":1}}`)
	if len(got) != 2 || got[1].name != "done" || !strings.Contains(got[1].data, `"result":{"x":1},"chunks":0`) {
		t.Errorf("got %v", got)
	}
}

func TestStreamFailures(t *testing.T) {
	t.Parallel()
	fx := newFixture(t, nil)
	fx.executor.on("raises", func(_ context.Context, _ invocation.Request, emit func(invocation.Event) error) (invocation.Result, error) {
		for range 3 {
			if err := emit(invocation.Event{Kind: invocation.Chunk, Data: json.RawMessage("1")}); err != nil {
				return invocation.Result{}, err
			}
		}
		return invocation.Result{}, fault.New(fault.Execution, "ValueError: no")
	})
	_, got := fx.stream("/v1/agents/echo/stream", `{"entrypoint":"raises"}`)
	if len(got) != 5 || got[4].name != "error" || got[4].id != "5" {
		t.Fatalf("got %v", got)
	}
	var e api.Error
	if err := json.Unmarshal([]byte(got[4].data), &e); err != nil || e.Code != "EXECUTION_ERROR" || e.InvocationID != invocationID {
		t.Errorf("error event is %s (%v)", got[4].data, err)
	}
	// What fails before the first event has a status to fail with.
	fx.wantError(fx.do(http.MethodPost, "/v1/agents/echo/stream", `{"entrypoint":"missing"}`), fault.EntrypointNotFound)
	fx.wantError(fx.do(http.MethodPost, "/v1/agents/echo/stream", `{"x`), fault.Validation)
	// So has what is refused at once; what the agent's code does has not.
	fx.executor.on("full", fails(fault.New(fault.Overloaded, "the queue is full")))
	a := fx.do(http.MethodPost, "/v1/agents/echo/stream", `{"entrypoint":"full"}`)
	fx.wantError(a, fault.Overloaded)
	if a.Header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	fx.executor.on("at once", fails(fault.New(fault.Execution, "no")))
	if _, got = fx.stream("/v1/agents/echo/stream", `{"entrypoint":"at once"}`); len(got) != 2 || got[0].name != "start" || got[1].name != "error" {
		t.Errorf("got %v", got)
	}
	fx.wantGood()
}

// TestStreamIsNotHeldBack reads each chunk before the next is sent, by a
// client that would take gzip.
func TestStreamIsNotHeldBack(t *testing.T) {
	t.Parallel()
	fx := newFixture(t, nil)
	next := make(chan struct{})
	fx.executor.on("slow", func(ctx context.Context, _ invocation.Request, emit func(invocation.Event) error) (invocation.Result, error) {
		for range 3 {
			if err := emit(invocation.Event{Kind: invocation.Chunk, Data: json.RawMessage(`"c"`)}); err != nil {
				return invocation.Result{}, err
			}
			select {
			case <-next:
			case <-ctx.Done():
				return invocation.Result{}, ctx.Err()
			}
		}
		return invocation.Result{Streams: true}, nil
	})
	res, err := fx.client.Post(fx.url+"/v1/agents/echo/stream", "application/json", strings.NewReader(`{"entrypoint":"slow"}`))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	lines := bufio.NewScanner(res.Body)
	for chunk := 0; chunk < 3; {
		if !lines.Scan() {
			t.Fatalf("the stream ended after %d chunks", chunk)
		}
		if strings.HasPrefix(lines.Text(), `data: {"content"`) {
			chunk++
			next <- struct{}{}
		}
	}
}

// TestStreamBeatsAfterSilence: the comment comes 15 s after the latest event,
// not at a fixed rate.
func TestStreamBeatsAfterSilence(t *testing.T) {
	t.Parallel()
	beat, waits, began := make(chan time.Time), make(chan time.Duration, 10), make(chan struct{}, 1)
	fx := newFixture(t, func(o *Options) {
		o.After = func(d time.Duration) <-chan time.Time { waits <- d; return beat }
	})
	fx.executor.on("silent", blocks(began))
	opened := time.Now()
	res, err := fx.client.Post(fx.url+"/v1/agents/echo/stream", "application/json", strings.NewReader(`{"entrypoint":"silent"}`))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	<-began
	lines := bufio.NewScanner(res.Body)
	for lines.Scan() && lines.Text() != "event: start" {
	}
	if first := <-waits; first != 15*time.Second {
		t.Errorf("the first beat is after %v", first)
	}
	// The start event came later than opened: at that moment plus 15 s the
	// stream has not been silent for as long.
	beat <- opened.Add(15 * time.Second)
	if again := <-waits; again <= 0 || again >= 15*time.Second {
		t.Errorf("it looks again after %v, want what is left of 15 s", again)
	}
	beat <- time.Now().Add(15 * time.Second)
	if next := <-waits; next != 15*time.Second {
		t.Errorf("the beat after a beat is after %v", next)
	}
	beats := 0
	for beats == 0 && lines.Scan() {
		if lines.Text() == ": heartbeat" {
			beats++
		}
	}
	if beats != 1 {
		t.Errorf("%d beats", beats)
	}
}

func TestStreamBeats(t *testing.T) {
	t.Parallel()
	beat, began := make(chan time.Time), make(chan struct{}, 1)
	fx := newFixture(t, func(o *Options) { o.After = func(time.Duration) <-chan time.Time { return beat } })
	fx.executor.on("silent", blocks(began))
	res, err := fx.client.Post(fx.url+"/v1/agents/echo/stream", "application/json", strings.NewReader(`{"entrypoint":"silent"}`))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	<-began
	lines := bufio.NewScanner(res.Body)
	for lines.Scan() && lines.Text() != "event: start" { // comes by itself, though nothing follows
	}
	for range 2 {
		beat <- time.Now().Add(15 * time.Second)
		for lines.Scan() && !strings.HasPrefix(lines.Text(), ":") {
		}
		if lines.Text() != ": heartbeat" {
			t.Fatalf("got %q instead of a heartbeat", lines.Text())
		}
	}
}

// TestDisconnectCancels closes the client's side in the middle of a call.
func TestDisconnectCancels(t *testing.T) {
	t.Parallel()
	fx := newFixture(t, nil)
	fx.executor.ended = make(chan error, 1)
	began := make(chan struct{}, 1)
	fx.executor.on("blocks", blocks(began))
	for _, path := range []string{"invoke", "stream"} {
		ctx, cancel := context.WithCancel(t.Context())
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, fx.url+"/v1/agents/echo/"+path, strings.NewReader(`{"entrypoint":"blocks"}`))
		if err != nil {
			t.Fatal(err)
		}
		answered := make(chan struct{})
		go func() {
			defer close(answered)
			if res, err := fx.client.Do(req); err == nil {
				_, _ = bufio.NewReader(res.Body).ReadString(0)
				res.Body.Close()
			}
		}()
		<-began
		cancel()
		select {
		case <-fx.executor.ended:
		case <-time.After(time.Second):
			t.Fatalf("%s: the call runs on 1 s after its client left", path)
		}
		<-answered
	}
	go func() { <-fx.executor.ended }()
	fx.wantGood()
}

// TestSlowReaderPausesTheCall lets a client not read: the call must stop soon,
// and not by filling memory.
func TestSlowReaderPausesTheCall(t *testing.T) {
	t.Parallel()
	fx := newFixture(t, nil)
	fx.executor.ended = make(chan error, 1)
	item := json.RawMessage(`"` + strings.Repeat("x", 64<<10) + `"`)
	sent := make(chan int, 100_000)
	fx.executor.on("flood", func(ctx context.Context, _ invocation.Request, emit func(invocation.Event) error) (invocation.Result, error) {
		for n := range 16_384 { // 1 GiB
			if err := emit(invocation.Event{Kind: invocation.Chunk, Data: item}); err != nil {
				return invocation.Result{}, err
			}
			sent <- n
		}
		return invocation.Result{Streams: true}, nil
	})
	res, err := fx.client.Post(fx.url+"/v1/agents/echo/stream", "application/json", strings.NewReader(`{"entrypoint":"flood"}`))
	if err != nil {
		t.Fatal(err)
	}
	last := -1
	for paused := false; !paused; {
		select {
		case last = <-sent:
		case <-time.After(300 * time.Millisecond):
			paused = true
		}
	}
	if last > 1000 { // 64 MiB: socket buffers and ours
		t.Errorf("%d chunks went out without a reader", last)
	}
	res.Body.Close()
	if err := <-fx.executor.ended; err == nil {
		t.Error("the call succeeded without a reader")
	}
}
