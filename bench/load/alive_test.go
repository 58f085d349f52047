package load

import (
	"net"
	"testing"
	"time"
)

func TestAliveSeesAClosedConnection(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	h := NewHTTP(l.Addr().String())
	defer h.Close()
	if h.Alive() == nil {
		t.Error("a client that never connected is alive")
	}
	if err := h.open(); err != nil {
		t.Fatal(err)
	}
	other, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Alive(); err != nil {
		t.Errorf("an open connection: %v", err)
	}
	if err := other.Close(); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(5 * time.Second); h.Alive() == nil; {
		if time.Now().After(deadline) {
			t.Fatal("a closed connection counts as alive")
		}
	}
}
