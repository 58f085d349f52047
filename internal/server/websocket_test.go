package server

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/runagent/runagent/api"
	"github.com/runagent/runagent/internal/fault"
	"github.com/runagent/runagent/internal/invocation"
)

// dial opens a WebSocket that is closed when the test ends.
func (fx *fixture) dial(path string) *websocket.Conn {
	fx.t.Helper()
	conn, _, err := websocket.Dial(fx.t.Context(), fx.url+path, &websocket.DialOptions{HTTPClient: fx.client})
	if err != nil {
		fx.t.Fatal(err)
	}
	conn.SetReadLimit(32 << 20)
	fx.t.Cleanup(func() { _ = conn.CloseNow() })
	return conn
}

func (fx *fixture) say(conn *websocket.Conn, text string) {
	fx.t.Helper()
	if err := conn.Write(fx.t.Context(), websocket.MessageText, []byte(text)); err != nil {
		fx.t.Fatal(err)
	}
}

// hear reads one message into v.
func hear[T any](fx *fixture, conn *websocket.Conn) T {
	fx.t.Helper()
	ctx, cancel := context.WithTimeout(fx.t.Context(), 10*time.Second)
	defer cancel()
	_, text, err := conn.Read(ctx)
	if err != nil {
		fx.t.Fatalf("read a message: %v", err)
	}
	var v T
	if err := json.Unmarshal(text, &v); err != nil {
		fx.t.Fatalf("%v: %s", err, text)
	}
	return v
}

const socketPath = "/v1/agents/echo/ws"

func TestSocketCarriesCalls(t *testing.T) {
	t.Parallel()
	fx := newFixture(t, nil)
	fx.executor.on("words", yields(`"a"`, `{"b":2}`))
	conn := fx.dial(socketPath)
	fx.say(conn, `{"type":"invoke","ref":"r\"1","entrypoint":"words","input":{}}`)
	var got []string
	for range 4 {
		e := hear[api.SocketEvent](fx, conn)
		if e.Ref != `r"1` {
			t.Errorf("ref is %q", e.Ref)
		}
		got = append(got, e.Type+string(e.Content))
		if e.Seq != int64(len(got)) {
			t.Errorf("seq %d of message %d", e.Seq, len(got))
		}
		if e.Type == "started" && e.InvocationID != invocationID {
			t.Errorf("started names %q", e.InvocationID)
		}
		if e.Type == "result" && (*e.Chunks != 2 || e.Status != "succeeded" || e.Metadata.Revision != "r1") {
			t.Errorf("result is %+v", e)
		}
	}
	if s := strings.Join(got, " "); s != `started chunk"a" chunk{"b":2} result` {
		t.Errorf("got %s", s)
	}
	fx.say(conn, `{"type":"invoke","ref":"2","input":{"big":"`+strings.Repeat("x", 9<<20)+`"}}`)
	hear[api.SocketEvent](fx, conn)
	if e := hear[api.SocketEvent](fx, conn); len(e.Result) < 9<<20 {
		t.Errorf("a big result came as %d bytes", len(e.Result))
	}
}

func TestSocketRunsCallsSideBySideAndCancels(t *testing.T) {
	t.Parallel()
	fx := newFixture(t, nil)
	began := make(chan struct{}, 2)
	fx.executor.on("blocks", blocks(began))
	conn := fx.dial(socketPath)
	fx.say(conn, `{"type":"invoke","ref":"slow","entrypoint":"blocks"}`)
	<-began
	hear[api.SocketEvent](fx, conn)
	fx.say(conn, `{"type":"invoke","ref":"slow","entrypoint":"main"}`)
	if e := hear[api.SocketEvent](fx, conn); e.Error == nil || e.Error.Code != "CONFLICT" || e.Ref != "slow" {
		t.Errorf("a ref in use: %+v", e)
	}
	fx.say(conn, `{"type":"invoke","ref":"quick","entrypoint":"main"}`)
	for _, kind := range []string{"started", "result"} {
		if e := hear[api.SocketEvent](fx, conn); e.Type != kind || e.Ref != "quick" {
			t.Errorf("got %+v, want %s of quick", e, kind)
		}
	}
	fx.say(conn, `{"type":"cancel","ref":"slow"}`)
	if e := hear[api.SocketEvent](fx, conn); e.Type != "error" || e.Ref != "slow" || e.Error.Code != "CANCELED" || e.Seq != 2 {
		t.Errorf("after the cancel: %+v", e)
	}
	fx.say(conn, `{"type":"cancel","ref":"slow"}`)
	if e := hear[api.SocketEvent](fx, conn); e.Error == nil || e.Error.Code != "NOT_FOUND" {
		t.Errorf("cancel of an ended call: %+v", e)
	}
}

func TestSocketAnswersBadMessages(t *testing.T) {
	t.Parallel()
	fx := newFixture(t, nil)
	conn := fx.dial(socketPath)
	tests := []struct {
		message, ref string
		code         fault.Code
	}{
		{`{`, "", fault.Validation},
		{`{"type":"subscribe","ref":"a"}`, "a", fault.Validation},
		{`{"type":"invoke","inputs":{},"ref":"b"}`, "b", fault.Validation},
		{`{"type":"invoke"}`, "", fault.Validation},
		{`{"type":"invoke","ref":7}`, "", fault.Validation},
		{`{"type":"invoke","ref":"c","session_id":7}`, "c", fault.Validation},
		{`{"type":"invoke","ref":"d","logs":"yes"}`, "d", fault.Validation},
	}
	for _, tt := range tests {
		fx.say(conn, tt.message)
		e := hear[api.SocketEvent](fx, conn)
		if e.Type != "error" || e.Error.Code != string(tt.code) || e.Ref != tt.ref || e.Error.RequestID == "" {
			t.Errorf("%s: got %+v %+v", tt.message, e, e.Error)
		}
	}
	fx.say(conn, `{"type":"invoke","ref":"e","entrypoint":"missing"}`)
	if e := hear[api.SocketEvent](fx, conn); e.Error == nil || e.Error.Code != "ENTRYPOINT_NOT_FOUND" {
		t.Errorf("unknown entrypoint: %+v", e)
	}
	fx.wantError(fx.do(http.MethodGet, socketPath, ""), fault.Validation)
	fx.wantError(fx.do(http.MethodGet, "/v1/agents/nobody/ws", ""), fault.AgentNotFound)
}

func TestSocketLogsWhenAsked(t *testing.T) {
	t.Parallel()
	fx := newFixture(t, nil)
	fx.executor.on("logs", func(_ context.Context, _ invocation.Request, emit func(invocation.Event) error) (invocation.Result, error) {
		return invocation.Result{}, emit(invocation.Event{Kind: invocation.Log, Data: json.RawMessage(`{"text":"hi","stream":"stdout"}`)})
	})
	conn := fx.dial(socketPath)
	fx.say(conn, `{"type":"invoke","ref":"1","entrypoint":"logs","logs":true}`)
	hear[api.SocketEvent](fx, conn)
	if e := hear[api.SocketEvent](fx, conn); e.Type != "log" || e.Log == nil || e.Log.Text != "hi" {
		t.Errorf("got %+v", e)
	}
}

// TestSocketCloseCancels checks that a client that leaves ends its calls.
func TestSocketCloseCancels(t *testing.T) {
	t.Parallel()
	fx := newFixture(t, nil)
	fx.executor.ended = make(chan error, 1)
	began := make(chan struct{}, 1)
	fx.executor.on("blocks", blocks(began))
	for _, graceful := range []bool{true, false} {
		conn := fx.dial(socketPath)
		fx.say(conn, `{"type":"invoke","ref":"1","entrypoint":"blocks"}`)
		<-began
		if graceful {
			_ = conn.Close(websocket.StatusNormalClosure, "")
		} else {
			_ = conn.CloseNow()
		}
		select {
		case <-fx.executor.ended:
		case <-time.After(time.Second):
			t.Fatal("the call runs on 1 s after its client left")
		}
	}
}

// TestSocketEndsWhenPingsStayUnanswered: a peer that is gone without a word
// keeps no call running.
func TestSocketEndsWhenPingsStayUnanswered(t *testing.T) {
	t.Parallel()
	fx := newFixture(t, func(o *Options) {
		o.StallTimeout = 50 * time.Millisecond
		o.After = func(time.Duration) <-chan time.Time { return time.After(time.Millisecond) }
	})
	fx.executor.ended = make(chan error, 1)
	began := make(chan struct{}, 1)
	fx.executor.on("blocks", blocks(began))
	deaf := fx.dial(socketPath) // it answers pings only while it reads
	fx.say(deaf, `{"type":"invoke","ref":"1","entrypoint":"blocks"}`)
	<-began
	select {
	case <-fx.executor.ended:
	case <-time.After(10 * time.Second):
		t.Fatal("the call of a peer that is gone still runs")
	}
}

func TestSocketStaysWhilePingsAreAnswered(t *testing.T) {
	t.Parallel()
	pings := make(chan struct{}, 10)
	fx := newFixture(t, func(o *Options) {
		o.After = func(time.Duration) <-chan time.Time {
			select {
			case pings <- struct{}{}:
			default:
			}
			return time.After(time.Millisecond)
		}
	})
	began := make(chan struct{}, 1)
	fx.executor.on("blocks", blocks(began))
	conn := fx.dial(socketPath)
	fx.say(conn, `{"type":"invoke","ref":"1","entrypoint":"blocks"}`)
	<-began
	said := make(chan error, 1)
	go func() {
		for range 10 { // each wait follows the answer to the ping before it
			<-pings
		}
		said <- conn.Write(t.Context(), websocket.MessageText, []byte(`{"type":"cancel","ref":"1"}`))
	}()
	if e := hear[api.SocketEvent](fx, conn); e.Type != "started" {
		t.Errorf("first came %s", e.Type)
	}
	if e := hear[api.SocketEvent](fx, conn); e.Type != "error" || e.Error.Code != string(fault.Canceled) {
		t.Errorf("at the end came %+v", e)
	}
	if err := <-said; err != nil {
		t.Error(err)
	}
}
