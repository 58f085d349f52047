package runagent

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
)

// stream returns a handler that sends text as server-sent events, and then, if
// hold is not nil, waits for the client to go and closes hold.
func stream(text string, hold chan struct{}) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
		_, _ = io.WriteString(w, text)
		_ = http.NewResponseController(w).Flush()
		if hold != nil {
			<-r.Context().Done()
			close(hold)
		}
	}
}

const (
	startEvent = "event: start\nid: 1\ndata: {\"invocation_id\":\"i1\"}\n\n"
	chunkEvent = "event: chunk\nid: 2\ndata: {\"content\":\"hé\",\"index\":0}\n\n"
	doneEvent  = "event: done\nid: 3\ndata: {\"status\":\"succeeded\",\"result\":null,\"chunks\":1}\n\n"
)

// collect reads a stream to its end as one line a pair.
func collect(t testing.TB, client *Client, agent string) []string {
	t.Helper()
	var got []string
	for event, err := range client.Stream(t.Context(), Call{Agent: agent}) {
		switch {
		case err != nil:
			got = append(got, "error: "+err.Error())
		case event.Kind == Chunk:
			got = append(got, fmt.Sprintf("%d chunk %d %s", event.Seq, event.Index, event.Content))
		case event.Kind == Start:
			got = append(got, fmt.Sprintf("%d start %s", event.Seq, event.InvocationID))
		case event.Kind == Log:
			got = append(got, fmt.Sprintf("%d log %s", event.Seq, event.Log.Text))
		case event.Kind == Done:
			got = append(got, fmt.Sprintf("%d done %d %s", event.Seq, event.Done.Chunks, event.Done.Result))
		default:
			got = append(got, fmt.Sprintf("%d %s", event.Seq, event.Kind))
		}
	}
	return got
}

func TestStream(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 200_000)
	tests := []struct{ name, sent, want string }{
		{"whole", startEvent + chunkEvent + doneEvent, "1 start i1|2 chunk 0 \"hé\"|3 done 1 null"},
		{"comments between", ": hello\n\n" + startEvent + ":\n\n" + doneEvent, "1 start i1|3 done 1 null"},
		{"carriage returns", strings.ReplaceAll(startEvent+doneEvent, "\n", "\r\n"), "1 start i1|3 done 1 null"},
		{"logs", "event: log\nid: 2\ndata: {\"text\":\"hi\"}\n\n" + doneEvent, "2 log hi|3 done 1 null"},
		{"kinds of a newer server", "event: state\nid: 2\ndata: {}\n\n" + doneEvent, "2 state|3 done 1 null"},
		{"data on several lines", "event: chunk\ndata: {\"content\":\ndata:  [1]}\n\n" + doneEvent, "0 chunk 0 [1]|3 done 1 null"},
		{"longer than any buffer", "event: chunk\ndata: {\"content\":\"" + long + "\"}\n\n" + doneEvent, "0 chunk 0 \"" + long + "\"|3 done 1 null"},
		{"failure after a chunk", startEvent + chunkEvent + "event: error\ndata: {\"code\":\"EXECUTION_ERROR\",\"message\":\"boom\"}\n\n",
			"1 start i1|2 chunk 0 \"hé\"|error: boom"},
		{"failure in an envelope", "event: error\ndata: {\"error\":{\"code\":\"X\",\"message\":\"boom\"}}\n\n", "error: boom"},
		{"cut between events", startEvent + chunkEvent, "1 start i1|2 chunk 0 \"hé\"|error: " + ErrCut.Error()},
		{"cut within an event", startEvent + "event: done\ndata: {}\n", "1 start i1|error: " + ErrCut.Error()},
		{"not JSON", "event: chunk\ndata: {\n\n", "error: decode chunk event: unexpected end of JSON input"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			client := newTestClient(t, map[string]http.HandlerFunc{"POST /v1/agents/a/stream": stream(tt.sent, nil)})
			if got := strings.Join(collect(t, client, "a"), "|"); got != tt.want {
				t.Errorf("got  %.300s\nwant %.300s", got, tt.want)
			}
		})
	}
}

func TestStreamRefused(t *testing.T) {
	t.Parallel()
	client := newTestClient(t, map[string]http.HandlerFunc{
		"POST /v1/agents/a/stream": answer(404, `{"error":{"code":"AGENT_NOT_FOUND","message":"agent \"a\" not found"}}`),
		"POST /v1/agents/b/stream": answer(200, `{}`),
	})
	for event, err := range client.Stream(t.Context(), Call{Agent: "a"}) {
		if !HasCode(err, CodeAgentNotFound) {
			t.Errorf("event %+v, err %v", event, err)
		}
	}
	if got := collect(t, client, "b"); len(got) != 1 || !strings.Contains(got[0], "instead of a stream") {
		t.Errorf("got %q", got)
	}
}

func TestLeavingTheLoopClosesTheStream(t *testing.T) {
	t.Parallel()
	gone := make(chan struct{})
	client := newTestClient(t, map[string]http.HandlerFunc{"POST /v1/agents/a/stream": stream(startEvent+chunkEvent, gone)})
	for event, err := range client.Stream(t.Context(), Call{Agent: "a"}) {
		if err != nil {
			t.Fatal(err)
		}
		if event.Kind == Chunk {
			break
		}
	}
	<-gone
}

func TestEndOfContextClosesTheStream(t *testing.T) {
	t.Parallel()
	gone := make(chan struct{})
	client := newTestClient(t, map[string]http.HandlerFunc{"POST /v1/agents/a/stream": stream(startEvent, gone)})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var last error
	for _, err := range client.Stream(ctx, Call{Agent: "a"}) {
		last = err
		cancel()
	}
	if !errors.Is(last, context.Canceled) {
		t.Errorf("last error = %v, want context.Canceled", last)
	}
	<-gone
}

func TestLogs(t *testing.T) {
	t.Parallel()
	gone := make(chan struct{})
	client := newTestClient(t, map[string]http.HandlerFunc{
		"GET /v1/agents/{agent}/logs": func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Query().Get("follow") == "true" {
				stream("event: log\ndata: {\"text\":\"old\"}\n\nevent: log\ndata: {\"text\":\"new\"}\n\n", gone)(w, r)
				return
			}
			if r.URL.RawQuery != "invocation=i1&limit=2" {
				t.Errorf("query = %q", r.URL.RawQuery)
			}
			answer(200, `{"logs":[{"text":"one"},{"text":"two"}]}`)(w, r)
		},
	})
	if got := texts(t, client, LogQuery{Limit: 2, InvocationID: "i1"}, ""); got != "one two" {
		t.Errorf("logs = %q", got)
	}
	if got := texts(t, client, LogQuery{Follow: true}, "new"); got != "old new" {
		t.Errorf("followed logs = %q", got)
	}
	<-gone
}

// texts joins the lines of a's log up to the one that says last.
func texts(t testing.TB, client *Client, q LogQuery, last string) string {
	t.Helper()
	var got []string
	for line, err := range client.Logs(t.Context(), "a", q) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, line.Text)
		if line.Text == last {
			break
		}
	}
	return strings.Join(got, " ")
}

func FuzzReadMessage(f *testing.F) {
	f.Add(startEvent + chunkEvent + doneEvent)
	f.Add(":\n\ndata\n\ndata:\r\n\r\nid: x\n")
	f.Fuzz(func(t *testing.T, text string) {
		r := bufio.NewReaderSize(strings.NewReader(text), 16)
		for {
			msg, err := readMessage(r)
			if err != nil {
				return
			}
			if len(msg.data) > len(text) {
				t.Fatalf("%d bytes of data from %d bytes of text", len(msg.data), len(text))
			}
		}
	})
}

func ExampleClient_Stream() {
	client, err := New("http://127.0.0.1:8450", Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	call := Call{Agent: "assistant", Entrypoint: "chat_stream", Input: map[string]any{"message": "hello"}}
	for event, err := range client.Stream(context.Background(), call) {
		if err != nil {
			fmt.Println(err)
			return
		}
		if event.Kind == Chunk {
			fmt.Printf("%s\n", event.Content)
		}
	}
}
