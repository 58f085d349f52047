package faults

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
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
// server to lose patience.
func TestSlowAndTruncatedBodiesEnd(t *testing.T) {
	t.Parallel()
	agent := serve(t, "echo")
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
		text, err := io.ReadAll(conn)
		if err != nil || !strings.HasPrefix(string(text), "HTTP/1.1 400") && len(text) > 0 {
			t.Errorf("got %.200q, %v: want a 400 or the end", text, err)
		}
	})
	t.Run("slow", func(t *testing.T) {
		t.Parallel()
		conn := dial(t, agent)
		if _, err := io.WriteString(conn, head); err != nil {
			t.Fatal(err)
		}
		done := make(chan string, 1)
		go func() {
			text, _ := io.ReadAll(conn) // a reset is an end too
			done <- string(text)
		}()
		drip := time.NewTicker(time.Second)
		defer drip.Stop()
		late := time.After(45 * time.Second)
		for {
			select {
			case text := <-done:
				if text != "" && !strings.HasPrefix(text, "HTTP/1.1 408") {
					t.Errorf("got %.200q, want 408", text)
				}
				wantAnswer(t, agent.Invoke("main", served.Input{"message": "hi"}))
				return
			case <-drip.C:
				_, _ = io.WriteString(conn, " ") // may find the connection closed: seen above
			case <-late:
				t.Fatal("one byte a second held the connection for 45 s")
			}
		}
	})
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
	wantFailure(t, agent.Post("/v1/agents/ghost/invoke", `{"input":{}}`), 404, "AGENT_NOT_FOUND", "ghost")
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
