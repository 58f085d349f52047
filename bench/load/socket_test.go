package load

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/coder/websocket"
)

// echoing is a WebSocket server that answers each message with itself, thrice,
// then "end".
func echoing(t *testing.T) (addr string, opened *int) {
	t.Helper()
	opened = new(int)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/ws" {
			http.NotFound(w, r)
			return
		}
		conn, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer func() { _ = conn.CloseNow() }()
		*opened++
		conn.SetReadLimit(1 << 21)
		for {
			_, text, err := conn.Read(r.Context())
			if err != nil {
				return
			}
			for _, message := range [][]byte{text, text, text, []byte("end")} {
				if conn.Write(r.Context(), websocket.MessageText, message) != nil {
					return
				}
			}
		}
	}))
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://"), opened
}

func isEnd(message []byte) bool { return string(message) == "end" }

func TestSocketGathersMessages(t *testing.T) {
	t.Parallel()
	addr, opened := echoing(t)
	s := NewSocket(addr, "/ws")
	defer s.Close()
	for _, size := range []int{1, 125, 126, 65535, 65536, 1 << 20} {
		text := bytes.Repeat([]byte("x"), size)
		body, timing, err := s.Call(&Shot{Wire: text, End: isEnd, First: text})
		if err != nil {
			t.Fatalf("Call with %d bytes: %v", size, err)
		}
		want := strings.Repeat(string(text)+"\n", 3) + "end"
		if string(body) != want || timing.First.IsZero() {
			t.Errorf("Call with %d bytes gave %d bytes, first seen %v; want %d", size, len(body), timing.First, len(want))
		}
	}
	if *opened != 1 {
		t.Errorf("it opened %d connections, want 1 for all", *opened)
	}
}

func TestFreshSocketOpensOneEach(t *testing.T) {
	t.Parallel()
	addr, opened := echoing(t)
	s := NewFreshSocket(addr, "/ws")
	for range 3 {
		if _, _, err := s.Call(&Shot{Wire: []byte("m"), End: isEnd}); err != nil {
			t.Fatal(err)
		}
	}
	if *opened != 3 {
		t.Errorf("it opened %d connections, want 3", *opened)
	}
}

func TestSocketSaysWhoRefused(t *testing.T) {
	t.Parallel()
	addr, _ := echoing(t)
	_, _, err := NewSocket(addr, "/elsewhere").Call(&Shot{Wire: []byte("m"), End: isEnd})
	if err == nil || !strings.Contains(err.Error(), "404") {
		t.Errorf("Call = %v, want the 404", err)
	}
}
