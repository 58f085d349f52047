package door

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// socketServer answers every WebSocket by talk.
func socketServer(t *testing.T, stall time.Duration, talk func(k *Socket)) *websocket.Conn {
	t.Helper()
	d, err := New(t.Context(), Options{MaxBytes: 1 << 20, StallTimeout: stall, After: time.After})
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer close(ended)
		k, err := d.OpenSocket(w, r)
		if err != nil {
			t.Error(err)
			return
		}
		defer k.Close()
		talk(k)
	}))
	conn, _, err := websocket.Dial(t.Context(), server.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = conn.CloseNow()
		<-ended
		server.Close()
	})
	conn.SetReadLimit(1 << 20)
	return conn
}

func TestMessagesOfEveryLength(t *testing.T) {
	t.Parallel()
	texts := []string{"", "x"}
	for _, size := range []int{125, 126, 127, 65535, 65536, 65537} {
		texts = append(texts, strings.Repeat("y", size), "z")
	}
	conn := socketServer(t, time.Minute, func(k *Socket) {
		var messages []byte
		for _, text := range texts {
			messages = AppendMessage(messages, func(dst []byte) []byte { return append(dst, text...) })
		}
		if err := k.Write(messages); err != nil {
			t.Error(err)
		}
		_, _, _ = k.Conn.Read(k.Ctx) // until the client goes
	})
	for i, want := range texts {
		_, got, err := conn.Read(t.Context())
		if err != nil || !bytes.Equal(got, []byte(want)) {
			t.Fatalf("message %d: %d bytes, %v; want %d", i, len(got), err, len(want))
		}
	}
}

// TestSocketGivesUpAReader: one that takes nothing loses the Socket, in its time.
func TestSocketGivesUpAReader(t *testing.T) {
	t.Parallel()
	gone := make(chan error, 1)
	socketServer(t, 50*time.Millisecond, func(k *Socket) {
		message := AppendMessage(nil, func(dst []byte) []byte { return append(dst, strings.Repeat("x", 1<<20)...) })
		for {
			if err := k.Write(message); err != nil {
				gone <- context.Cause(k.Ctx)
				return
			}
		}
	})
	select {
	case cause := <-gone:
		if cause == nil {
			t.Error("the Socket did not end with the write")
		}
	case <-time.After(20 * time.Second):
		t.Fatal("it still waits for its reader")
	}
}

// TestSocketEndsAWriteThatWaits: nobody waits for a reader once the Socket is to end.
func TestSocketEndsAWriteThatWaits(t *testing.T) {
	t.Parallel()
	gone := make(chan error, 1)
	socketServer(t, time.Hour, func(k *Socket) {
		message := AppendMessage(nil, func(dst []byte) []byte { return append(dst, strings.Repeat("x", 1<<20)...) })
		wrote := make(chan struct{}, 1000)
		k.Running.Go(func() {
			for k.Write(message) == nil {
				wrote <- struct{}{}
			}
			gone <- k.Ctx.Err()
		})
		for waits := false; !waits; {
			select {
			case <-wrote:
			case <-time.After(200 * time.Millisecond):
				waits = true
			}
		}
		k.Cancel(ErrClientGone)
	})
	select {
	case <-gone:
	case <-time.After(20 * time.Second):
		t.Fatal("the write still waits")
	}
}
