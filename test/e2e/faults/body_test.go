package faults

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/runagent/runagent/test/served"
)

func TestBadBodiesAreRefused(t *testing.T) {
	t.Parallel()
	agent := serve(t, "echo")
	cases := []struct {
		name, body, contentType string
		status                  int
		code                    string
	}{
		{"not JSON", `{"entrypoint":`, "application/json", 400, "VALIDATION_ERROR"},
		{"not an object", `[1]`, "application/json", 400, "VALIDATION_ERROR"},
		{"empty", ``, "application/json", 400, "VALIDATION_ERROR"},
		{"trailing data", `{"entrypoint":"main","input":{"message":"x"}} {}`, "application/json", 400, "VALIDATION_ERROR"},
		{"unknown field", `{"entrypont":"main","input":{"message":"x"}}`, "application/json", 400, "VALIDATION_ERROR"},
		{"too deep", `{"entrypoint":"whole","input":{"a":` + strings.Repeat("[", 201) + strings.Repeat("]", 201) + `}}`, "application/json", 400, "VALIDATION_ERROR"},
		{"bad UTF-8", "{\"entrypoint\":\"main\",\"input\":{\"message\":\"\xff\"}}", "application/json", 400, "VALIDATION_ERROR"},
		{"11 MiB", served.Envelope("main", served.Input{"message": strings.Repeat("x", 11<<20)}), "application/json", 413, "PAYLOAD_TOO_LARGE"},
		{"not JSON by its type", `{"entrypoint":"main","input":{"message":"x"}}`, "text/xml", 415, "UNSUPPORTED_MEDIA_TYPE"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got := agent.Post("/v1/agents/"+agent.ID+"/invoke", c.body, "Content-Type", c.contentType)
			wantFailure(t, got, c.status, c.code)
			if got.Header.Get("X-Request-Id") == "" {
				t.Error("no X-Request-Id")
			}
			wantAnswer(t, agent.Invoke("main", served.Input{"message": "hi"}))
		})
	}
}

// TestSlowAndTruncatedBodiesEnd sends parts of a request and waits for the
// server to say what is missing.
func TestSlowAndTruncatedBodiesEnd(t *testing.T) {
	t.Parallel()
	agent := serve(t, "echo", "--read-timeout", "1s")
	head := bodyHead(1000)
	t.Run("truncated", func(t *testing.T) {
		t.Parallel()
		conn := dial(t, agent)
		if _, err := io.WriteString(conn, head+`{"entrypoint":`); err != nil {
			t.Fatal(err)
		}
		if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		wantFailure(t, readAnswer(t, conn), 400, "VALIDATION_ERROR", "ended after 14 bytes")
		wantAnswer(t, agent.Invoke("main", served.Input{"message": "hi"}))
	})
	t.Run("slow", func(t *testing.T) {
		t.Parallel()
		conn := dial(t, agent)
		began := time.Now()
		if _, err := io.WriteString(conn, head); err != nil {
			t.Fatal(err)
		}
		answered := make(chan struct{})
		var drip sync.WaitGroup
		drip.Go(func() {
			each := time.NewTicker(100 * time.Millisecond)
			defer each.Stop()
			for {
				select {
				case <-each.C:
					_, _ = io.WriteString(conn, " ") // may find the connection closed: the answer tells
				case <-answered:
					return
				}
			}
		})
		defer drip.Wait()
		defer close(answered)
		wantFailure(t, readAnswer(t, conn), 408, "REQUEST_TIMEOUT", "did not arrive in time")
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("a body that drips held the connection for %v, --read-timeout is 1 s", took)
		}
		wantAnswer(t, agent.Invoke("main", served.Input{"message": "hi"}))
	})
	t.Run("slow head", func(t *testing.T) {
		t.Parallel()
		conn := dial(t, agent)
		if _, err := io.WriteString(conn, head[:40]); err != nil {
			t.Fatal(err)
		}
		if err := conn.SetReadDeadline(time.Now().Add(soon)); err != nil {
			t.Fatal(err)
		}
		if text, err := io.ReadAll(conn); err != nil {
			t.Errorf("the connection is still open after %v: %q, %v", soon, text, err)
		}
		wantAnswer(t, agent.Invoke("main", served.Input{"message": "hi"}))
	})
}

// readAnswer reads an answer off a bare connection.
func readAnswer(t *testing.T, conn net.Conn) served.Answer {
	t.Helper()
	if err := conn.SetReadDeadline(time.Now().Add(soon)); err != nil {
		t.Fatal(err)
	}
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatalf("no answer: %v", err)
	}
	defer res.Body.Close()
	got, err := served.Read(res)
	if err != nil {
		t.Fatalf("the answer broke off: %v", err)
	}
	return got
}

// bodyHead is the head of a call whose body has so many bytes.
func bodyHead(length int) string {
	return fmt.Sprintf("POST /v1/agents/echo/invoke HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n", length)
}

func dial(t *testing.T, agent *served.Agent) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", agent.Port()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

func TestWhatDoesNotBindIsExplained(t *testing.T) {
	t.Parallel()
	agent := serve(t, "echo")
	wantFailure(t, agent.Invoke("main", served.Input{"massage": "hi"}), 400, "VALIDATION_ERROR", "message", "massage")
	wantFailure(t, agent.Invoke("main", nil), 400, "VALIDATION_ERROR", "message")
	wantFailure(t, agent.Invoke("mian", served.Input{"message": "hi"}), 404, "ENTRYPOINT_NOT_FOUND", "mian", "main", "main_stream")
	wantFailure(t, agent.Post("/v1/agents/ghost/invoke", `{"input":{}}`), 404, "AGENT_NOT_FOUND", "ghost", "here is echo")
	wantFailure(t, agent.Fetch("/v1/agents/ghost"), 404, "AGENT_NOT_FOUND", "ghost", "here is echo")
	wantFailure(t, agent.Post("/api/v1/agents/ghost/run", `{"entrypoint_tag":"main"}`), 404, "AGENT_NOT_FOUND", "ghost", "here is echo")
	if got := agent.Fetch("/nowhere"); got.HTTP != http.StatusNotFound || got.Error.Code != "NOT_FOUND" {
		t.Errorf("unknown path: got %d %s", got.HTTP, got.Body)
	}
	wantAnswer(t, agent.Invoke("main", served.Input{"message": "hi"}))
}

// TestOtherOriginsAndHostsAreRefused keeps web pages away from an author's agents.
func TestOtherOriginsAndHostsAreRefused(t *testing.T) {
	t.Parallel()
	agent := serve(t, "echo")
	path, body := "/v1/agents/"+agent.ID+"/invoke", served.Envelope("main", served.Input{"message": "hi"})
	for name, headers := range map[string][]string{
		"an origin":     {"Origin", "http://evil.example"},
		"a null origin": {"Origin", "null"},
		"a host name":   {"Host", "evil.example"},
		"a near name":   {"Host", "localhost.evil.example"},
	} {
		if got := agent.Post(path, body, headers...); got.HTTP != http.StatusForbidden {
			t.Errorf("%s: got %d %s, want 403", name, got.HTTP, got.Body)
		}
	}
	wantAnswer(t, agent.Post(path, body, "Host", fmt.Sprintf("localhost:%d", agent.Port())))
}
