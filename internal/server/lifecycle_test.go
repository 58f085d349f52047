package server

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/runagent/runagent/api"
	"github.com/runagent/runagent/internal/fault"
	"github.com/runagent/runagent/internal/invocation"
)

// TestShutdownDrains keeps a call, a stream and a socket in flight over a
// shutdown: all three must end well, and nothing new may begin.
func TestShutdownDrains(t *testing.T) {
	t.Parallel()
	fx := newFixture(t, nil)
	began, release := make(chan struct{}, 3), make(chan struct{})
	fx.executor.on("waits", waits(began, release))
	conn := fx.dial(socketPath)
	idle := fx.dial(socketPath)
	var calls sync.WaitGroup
	calls.Go(func() {
		if a := fx.invoke(`{"entrypoint":"waits"}`); a.StatusCode != http.StatusOK {
			t.Errorf("the call in flight: %d %s", a.StatusCode, a.body)
		}
	})
	calls.Go(func() {
		if _, events := fx.stream("/v1/agents/echo/stream", `{"entrypoint":"waits"}`); events[len(events)-1].name != "done" {
			t.Errorf("the stream in flight: %v", events)
		}
	})
	fx.say(conn, `{"type":"invoke","ref":"1","entrypoint":"waits"}`)
	for range 3 {
		<-began
	}
	follow := fx.followLogs()
	down := make(chan error, 1)
	go func() { down <- fx.server.Shutdown(t.Context()) }()
	if _, err := io.ReadAll(follow); err != nil {
		t.Errorf("the followed logs: %v", err)
	}
	if _, _, err := idle.Read(t.Context()); websocket.CloseStatus(err) != websocket.StatusGoingAway {
		t.Errorf("the idle socket: %v", err)
	}
	if c, err := net.Dial("tcp", fx.addr); err == nil {
		_ = c.Close()
		t.Error("the listener is open")
	}
	fx.say(conn, `{"type":"invoke","ref":"2","entrypoint":"main"}`)
	hear[api.SocketEvent](fx, conn)
	if e := hear[api.SocketEvent](fx, conn); e.Error == nil || e.Error.Code != "AGENT_UNAVAILABLE" {
		t.Errorf("a new call on an old socket: %+v", e)
	}
	select {
	case err := <-down:
		t.Fatalf("it did not wait for the calls: %v", err)
	default:
	}
	close(release)
	if e := hear[api.SocketEvent](fx, conn); e.Type != "result" {
		t.Errorf("the socket's call in flight: %+v", e)
	}
	_, _, _ = conn.Read(t.Context()) // answers the close
	calls.Wait()
	if err := <-down; err != nil {
		t.Errorf("Shutdown: %v", err)
	}
}

// TestRetireAnswersWhatIsOpen has a successor on the same socket: what comes on
// an open connection is answered and closes it, what connects anew is not ours.
func TestRetireAnswersWhatIsOpen(t *testing.T) {
	t.Parallel()
	over := make(chan time.Time)
	fx := newFixture(t, func(o *Options) { o.After = func(time.Duration) <-chan time.Time { return over } })
	if a := fx.invoke(`{"entrypoint":"main"}`); a.StatusCode != http.StatusOK || a.Close {
		t.Fatalf("%d, close %v", a.StatusCode, a.Close)
	}
	retired := make(chan struct{})
	go func() {
		defer close(retired)
		fx.server.Retire(t.Context(), fx.listener)
	}()
	for {
		c, err := net.Dial("tcp", fx.addr)
		if err != nil {
			break
		}
		_ = c.Close()
	}
	if a := fx.invoke(`{"entrypoint":"main"}`); a.StatusCode != http.StatusOK || !a.Close {
		t.Errorf("on the open connection: %d, close %v", a.StatusCode, a.Close)
	}
	close(over)
	<-retired
	if err := fx.server.Shutdown(t.Context()); err != nil {
		t.Errorf("Shutdown: %v", err)
	}
}

// waits tells that it began and echoes once it is released.
func waits(began chan<- struct{}, release <-chan struct{}) script {
	return func(ctx context.Context, req invocation.Request, emit func(invocation.Event) error) (invocation.Result, error) {
		began <- struct{}{}
		select {
		case <-release:
		case <-ctx.Done():
			return invocation.Result{}, ctx.Err()
		}
		return echo(ctx, req, emit)
	}
}

// followLogs begins to follow the agent's logs.
func (fx *fixture) followLogs() io.Reader {
	fx.t.Helper()
	res, err := fx.client.Get(fx.url + "/v1/agents/echo/logs?follow=1")
	if err != nil {
		fx.t.Fatal(err)
	}
	fx.t.Cleanup(func() { _ = res.Body.Close() })
	return res.Body
}

func TestShutdownGivesUp(t *testing.T) {
	t.Parallel()
	for name, hurry := range map[string]func(*Server, context.CancelFunc){
		"at the deadline":          func(_ *Server, end context.CancelFunc) { end() },
		"at the second call":       func(s *Server, _ context.CancelFunc) { _ = s.Shutdown(context.Background()) },
		"at the end of everything": func(s *Server, _ context.CancelFunc) { s.Kill() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fx := newFixture(t, nil)
			fx.executor.ended = make(chan error, 2)
			began := make(chan struct{}, 2)
			fx.executor.on("blocks", blocks(began))
			conn := fx.dial(socketPath)
			fx.say(conn, `{"type":"invoke","ref":"1","entrypoint":"blocks"}`)
			go func() {
				if res, err := fx.client.Post(fx.url+"/v1/agents/echo/invoke", "application/json", bytes.NewBufferString(`{"entrypoint":"blocks"}`)); err == nil {
					_ = res.Body.Close()
				}
			}()
			<-began
			<-began
			ctx, end := context.WithCancel(t.Context())
			defer end()
			down := make(chan error, 1)
			go func() { down <- fx.server.Shutdown(ctx) }()
			<-fx.server.door.Draining.Done()
			hurry(fx.server, end)
			for range 2 {
				<-fx.executor.ended
			}
			<-down
		})
	}
}

// TestShutdownSaysGoodbye ends a call by force; its client hears why.
func TestShutdownSaysGoodbye(t *testing.T) {
	t.Parallel()
	fx := newFixture(t, nil)
	began := make(chan struct{}, 1)
	fx.executor.on("blocks", blocks(began))
	answer := make(chan string, 1)
	go func() {
		res, err := fx.client.Post(fx.url+"/v1/agents/echo/stream", "application/json", bytes.NewBufferString(`{"entrypoint":"blocks"}`))
		if err != nil {
			answer <- err.Error()
			return
		}
		defer res.Body.Close()
		text, err := io.ReadAll(res.Body)
		answer <- fmt.Sprint(string(text), err)
	}()
	<-began
	ctx, end := context.WithCancel(t.Context())
	end()
	if err := fx.server.Shutdown(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Shutdown: got %v, want that it gave up", err)
	}
	if got := <-answer; !strings.Contains(got, "event: error") && !strings.Contains(got, `"error"`) {
		t.Errorf("the client got %q, want an error event", got)
	}
}

func TestReadyTurnsOff(t *testing.T) {
	t.Parallel()
	fx := newFixture(t, nil)
	if a := fx.do(http.MethodGet, "/health/ready", ""); a.StatusCode != http.StatusOK {
		t.Errorf("ready: %d", a.StatusCode)
	}
	fx.server.stopWaits()
	for path, want := range map[string]int{"/health/ready": 503, "/health": 503, "/health/live": 200} {
		if a := fx.do(http.MethodGet, path, ""); a.StatusCode != want {
			t.Errorf("%s while stopping: %d, want %d", path, a.StatusCode, want)
		}
	}
}

func TestH2C(t *testing.T) {
	t.Parallel()
	fx := newFixture(t, nil)
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	fx.client = &http.Client{Transport: &http.Transport{Protocols: protocols}}
	a := fx.invoke(`{"input":{"x":1}}`)
	if a.ProtoMajor != 2 || a.StatusCode != http.StatusOK {
		t.Errorf("got HTTP/%d %d", a.ProtoMajor, a.StatusCode)
	}
	fx.executor.on("words", yields(`1`, `2`))
	if _, events := fx.stream("/v1/agents/echo/stream", `{"entrypoint":"words"}`); len(events) != 4 {
		t.Errorf("got %v", events)
	}
	fx.wantError(fx.do(http.MethodGet, socketPath, ""), fault.Validation)
	fx.wantError(fx.invoke(`{"input":"`+strings.Repeat("x", 11<<20)+`"}`), fault.PayloadTooLarge)
	fx.wantGood()
}

func TestPanicsStayAlone(t *testing.T) {
	t.Parallel()
	fx := newFixture(t, nil)
	fx.executor.on("panics", func(context.Context, invocation.Request, func(invocation.Event) error) (invocation.Result, error) {
		panic("secret")
	})
	a := fx.invoke(`{"entrypoint":"panics"}`)
	fx.wantError(a, fault.Internal)
	if strings.Contains(string(a.body), "secret") {
		t.Errorf("the panic shows: %s", a.body)
	}
	fx.executor.on("panics later", func(_ context.Context, _ invocation.Request, emit func(invocation.Event) error) (invocation.Result, error) {
		_ = emit(invocation.Event{Kind: invocation.Chunk, Data: []byte("1")})
		panic("secret")
	})
	res, err := fx.client.Post(fx.url+"/v1/agents/echo/stream", "application/json", strings.NewReader(`{"entrypoint":"panics later"}`))
	if err == nil {
		if _, err = io.ReadAll(res.Body); err == nil {
			t.Error("half a stream ended as if it were whole")
		}
		_ = res.Body.Close()
	}
	fx.wantGood()
}

// TestIdleConnections holds 10,000 of them and calls.
func TestIdleConnections(t *testing.T) {
	if testing.Short() {
		t.Skip("opens 20,000 descriptors")
	}
	const conns = 10_000
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil || limit.Max < 2*conns+200 {
		want := syscall.Rlimit{Cur: 2*conns + 1000, Max: 2*conns + 1000}
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &want); err != nil {
			t.Skipf("needs %d descriptors, %d are allowed: %v", 2*conns, limit.Max, err)
		}
	}
	fx := newFixture(t, nil)
	before := heap()
	open := make([]net.Conn, 0, conns)
	defer func() {
		for _, c := range open {
			_ = c.Close()
		}
	}()
	for len(open) < conns {
		c, err := net.Dial("tcp", fx.addr)
		if errors.Is(err, syscall.EMFILE) {
			t.Skipf("needs more descriptors: %v", err)
		}
		if err != nil {
			t.Fatal(err)
		}
		open = append(open, c)
	}
	begin := time.Now()
	fx.wantGood()
	if took := time.Since(begin); took > 2*time.Second {
		t.Errorf("a call beside them takes %s", took)
	}
	if grown := heap() - before; grown > conns*32<<10 {
		t.Errorf("they hold %d MiB", grown>>20)
	}
}

// slowPlatform tells that a rollback began, and ends it once it is released.
type slowPlatform struct {
	fakePlatform
	began, release chan struct{}
}

func (p *slowPlatform) Rollback(ctx context.Context, agent string, req api.RollbackRequest) (api.Revision, error) {
	p.began <- struct{}{}
	<-p.release
	return p.fakePlatform.Rollback(ctx, agent, req)
}

// TestSettleWaitsForChanges has one under way; then none is taken any more.
func TestSettleWaitsForChanges(t *testing.T) {
	t.Parallel()
	p := &slowPlatform{began: make(chan struct{}), release: make(chan struct{})}
	fx := newFixture(t, func(o *Options) { o.Platform = p })
	const rollback = "/v1/agents/echo/rollback"
	change := make(chan int, 1)
	go func() { change <- fx.do(http.MethodPost, rollback, `{}`).StatusCode }()
	<-p.began
	over, cancel := context.WithCancel(t.Context())
	cancel()
	if err := fx.server.Settle(over); err == nil {
		t.Error("it waited for nothing")
	}
	close(p.release)
	if err := fx.server.Settle(t.Context()); err != nil {
		t.Fatal(err)
	}
	if code := <-change; code >= 300 {
		t.Errorf("the change was answered with %d", code)
	}
	if e := fx.wantError(fx.do(http.MethodPost, rollback, `{}`), fault.AgentUnavailable); !strings.Contains(e.Message, "taking over") {
		t.Errorf("a later change: %+v", e)
	}
	fx.wantGood()
}

// TestAConnectionIsUsedOnAfterAStream has one that began before the server
// retired, so its client could not know that the connection is to end.
func TestAConnectionIsUsedOnAfterAStream(t *testing.T) {
	t.Parallel()
	ticks := make(chan time.Time)
	fx := newFixture(t, func(o *Options) {
		o.After = func(d time.Duration) <-chan time.Time {
			if d == retireTime {
				return ticks
			}
			return time.After(d)
		}
	})
	began, release := make(chan struct{}, 1), make(chan struct{})
	fx.executor.on("waits", waits(began, release))
	if a := fx.invoke(`{}`); a.StatusCode != http.StatusOK { // its connection will be idle
		t.Fatalf("%d %s", a.StatusCode, a.body)
	}
	idle := fx.client
	fx.client = &http.Client{Transport: &http.Transport{}}
	streamed := make(chan []event, 1)
	go func() {
		_, events := fx.stream("/v1/agents/echo/stream", `{"entrypoint":"waits"}`)
		streamed <- events
	}()
	<-began
	retired, down := make(chan struct{}), make(chan error, 1)
	go func() {
		fx.server.Retire(t.Context(), fx.listener)
		close(retired)
		down <- fx.server.Shutdown(t.Context())
	}()
	ticks <- time.Time{}
	<-retired
	ticks <- time.Time{} // the idle one was seen idle
	ticks <- time.Time{} // and is closed
	close(release)
	if events := <-streamed; events[len(events)-1].name != "done" {
		t.Errorf("the stream: %v", events)
	}
	// There is no listener: this goes over the connection of the stream.
	if a := fx.invoke(`{}`); a.StatusCode != http.StatusOK || !a.Close {
		t.Errorf("the call after it: %d, close %v", a.StatusCode, a.Close)
	}
	for {
		select {
		case ticks <- time.Time{}:
			continue
		case err := <-down:
			if err != nil {
				t.Errorf("Shutdown: %v", err)
			}
		}
		break
	}
	if _, err := idle.Get(fx.url + "/health/live"); err == nil {
		t.Error("the idle connection is open")
	}
}
