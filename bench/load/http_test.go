package load

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// answers serves the bytes of canned answers, one for each request, on real sockets.
func answers(t *testing.T, texts ...string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for len(texts) > 0 {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			for len(texts) > 0 {
				if _, err := conn.Read(make([]byte, 4096)); err != nil {
					break
				}
				text := texts[0]
				texts = texts[1:]
				// In two writes, so that a parser that expects all at once fails.
				_, _ = io.WriteString(conn, text[:len(text)/2])
				_, _ = io.WriteString(conn, text[len(text)/2:])
				if strings.Contains(text, "lose") {
					break
				}
			}
			conn.Close()
		}
	}()
	return l.Addr().String()
}

func TestHTTPReadsEveryForm(t *testing.T) {
	t.Parallel()
	addr := answers(t,
		"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfirst",
		"HTTP/1.1 200 OK\r\ntransfer-encoding: Chunked\r\n\r\n3\r\nsec\r\n3;x=y\r\nond\r\n0\r\n\r\n",
		"HTTP/1.1 200 OK\r\ncontent-length: 5\r\nConnection: close\r\n\r\nthird",
		"HTTP/1.0 200 OK\r\nX: lose\r\n\r\nfourth",
		"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
	)
	h := NewHTTP(addr)
	defer h.Close()
	for _, want := range []string{"first", "second", "third", "fourth", ""} {
		body, _, err := h.Call(&Shot{Wire: Post(addr, "/", []byte("{}"))})
		if err != nil || string(body) != want {
			t.Fatalf("Call = %q, %v; want %q", body, err, want)
		}
	}
}

func TestHTTPLeavesStaleConnections(t *testing.T) {
	t.Parallel()
	var opened atomic.Int32
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			opened.Add(1)
		}
	}
	server.Start()
	defer server.Close()
	addr := server.Listener.Addr().String()
	h := NewHTTP(addr)
	defer h.Close()
	for _, step := range []struct {
		stale time.Duration
		want  int32
	}{{time.Hour, 1}, {time.Hour, 1}, {0, 2}} {
		h.stale = step.stale
		if _, _, err := h.Call(&Shot{Wire: Post(addr, "/", []byte("{}"))}); err != nil {
			t.Fatal(err)
		}
		if got := opened.Load(); got != step.want {
			t.Errorf("stale after %v: %d connections, want %d", step.stale, got, step.want)
		}
	}
}

func TestHTTPRefuses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ text, says string }{
		"another_status": {"HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nlate", "status 503: late"},
		"half_a_body":    {"HTTP/1.1 200 OK\r\nContent-Length: 9\r\nX: lose\r\n\r\nhalf", "unexpected EOF"},
		"no_http":        {"220 mail.example ESMTP\r\n\r\n", "not an HTTP answer"},
		"bad_chunk":      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", "chunk size"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := NewHTTP(answers(t, c.text))
			defer h.Close()
			_, _, err := h.Call(&Shot{Wire: []byte("x")})
			if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("Call = %v, want %q", err, c.says)
			}
		})
	}
}

func TestHTTPSpeaksToARealServer(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if r.URL.Path != "/path" || r.Header.Get("Accept") != "text/event-stream" {
			http.Error(w, "who is this?", http.StatusTeapot)
			return
		}
		_, _ = w.Write(body[:1])
		_ = http.NewResponseController(w).Flush()
		_, _ = w.Write(body[1:])
	}))
	defer server.Close()
	addr := strings.TrimPrefix(server.URL, "http://")
	h := NewHTTP(addr)
	defer h.Close()
	big := bytes.Repeat([]byte("0123456789"), 100_000)
	for range 3 {
		began := time.Now()
		body, timing, err := h.Call(&Shot{Wire: Post(addr, "/path", big, "Accept: text/event-stream"), First: []byte("789012")})
		if err != nil || !bytes.Equal(body, big) {
			t.Fatalf("Call = %d bytes, %v; want %d", len(body), err, len(big))
		}
		if timing.First.Before(began) {
			t.Errorf("the first item was seen at %v, before the call at %v", timing.First, began)
		}
	}
}

func TestSendLeavesInTheMiddle(t *testing.T) {
	t.Parallel()
	gone := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "data: first\n\n")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
		close(gone)
	}))
	defer server.Close()
	addr := strings.TrimPrefix(server.URL, "http://")
	h := NewHTTP(addr)
	if err := h.Send(Post(addr, "/", nil), []byte("first")); err != nil {
		t.Fatal(err)
	}
	h.Close()
	select {
	case <-gone:
	case <-time.After(10 * time.Second):
		t.Error("the server did not see that its reader had left")
	}
}
