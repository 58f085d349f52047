package server

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/runagent/runagent/internal/fault"
	"github.com/runagent/runagent/internal/server/door"
)

// raw opens a connection and sends the text.
func (fx *fixture) raw(text string) net.Conn {
	fx.t.Helper()
	conn, err := net.Dial("tcp", fx.addr)
	if err != nil {
		fx.t.Fatal(err)
	}
	fx.t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	if _, err := io.WriteString(conn, text); err != nil {
		fx.t.Fatal(err)
	}
	return conn
}

// rawAnswer reads an HTTP answer off a connection.
func (fx *fixture) rawAnswer(conn net.Conn) answer {
	fx.t.Helper()
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		fx.t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		fx.t.Fatal(err)
	}
	return answer{res, body}
}

func invokeHead(length int) string {
	return fmt.Sprintf("POST /v1/agents/echo/invoke HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n", length)
}

func TestTruncatedBody(t *testing.T) {
	t.Parallel()
	fx := newFixture(t, nil)
	conn := fx.raw(invokeHead(100) + `{"input":{`)
	_ = conn.(*net.TCPConn).CloseWrite()
	fx.wantError(fx.rawAnswer(conn), fault.Validation)
	fx.wantGood()
}

// TestSlowBody sends a byte now and then: the connection must end in bounded
// time all the same.
func TestSlowBody(t *testing.T) {
	t.Parallel()
	fx := newFixture(t, func(o *Options) { o.ReadTimeout = 300 * time.Millisecond })
	conn := fx.raw(invokeHead(1000) + `{"input":`)
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			case <-time.After(20 * time.Millisecond):
				if _, err := conn.Write([]byte(" ")); err != nil {
					return
				}
			}
		}
	}()
	begin := time.Now()
	a := fx.rawAnswer(conn)
	fx.wantError(a, fault.RequestTimeout)
	if took := time.Since(begin); took > 2*time.Second {
		t.Errorf("it took %s", took)
	}
	if !a.Close {
		t.Error("the connection stays open")
	}
	close(stop)
	<-stopped
	fx.wantGood()
}

func TestSlowHeaders(t *testing.T) {
	t.Parallel()
	fx := newFixture(t, func(o *Options) { o.ReadTimeout = 200 * time.Millisecond })
	conn := fx.raw("POST /v1/agents/echo/invoke HTTP/1.1\r\nHost: localhost\r\nX-A")
	if _, err := io.ReadAll(conn); err != nil {
		t.Errorf("the connection stays open: %v", err)
	}
	fx.wantGood()
}

func TestChunkedBodyOverTheLimit(t *testing.T) {
	t.Parallel()
	fx := newFixture(t, func(o *Options) { o.MaxBytes = 100_000 })
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, fx.url+"/v1/agents/echo/invoke", io.MultiReader(strings.NewReader(`{"input":"`), strings.NewReader(strings.Repeat("x", 150_000))))
	if err != nil {
		t.Fatal(err)
	}
	res, err := fx.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, _ := io.ReadAll(res.Body)
	fx.wantError(answer{res, body}, fault.PayloadTooLarge)
	fx.wantGood()
}

// TestAnnouncedBytesCostNothing opens many calls that announce 10 MiB and send
// little: memory must follow what came.
func TestAnnouncedBytesCostNothing(t *testing.T) {
	fx := newFixture(t, nil)
	const conns = 100
	before := heap()
	var opened sync.WaitGroup
	for range conns {
		opened.Go(func() { fx.raw(invokeHead(10<<20) + `{"input":{"a":"` + strings.Repeat("x", 1000)) })
	}
	opened.Wait()
	fx.wantGood()
	if grown := heap() - before; grown > conns*400<<10 {
		t.Errorf("%d waiting bodies hold %d MiB", conns, grown>>20)
	}
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func TestBodyGrowsToItsSize(t *testing.T) {
	t.Parallel()
	fx := newFixture(t, nil)
	for _, size := range []int{1, 600, door.FirstRead - 20, door.FirstRead + 20, 1 << 20, 10<<20 - 30} {
		a := fx.invoke(`{"input":{"a":"` + strings.Repeat("x", size) + `"}}`)
		if a.StatusCode != http.StatusOK || len(fx.executor.last().Kwargs) != size+8 {
			t.Errorf("size %d: %d, the call got %d bytes", size, a.StatusCode, len(fx.executor.last().Kwargs))
		}
	}
}
