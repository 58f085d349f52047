package server

import (
	"context"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
)

// connections are those that clients have open, so that a server which retires
// can see them off one by one. net/http closes one right behind an answer that
// began before, and the client's next request would meet the end.
type connections struct {
	mu   sync.Mutex
	open map[*connection]struct{}
}

// connection is one that a client has open.
type connection struct {
	net.Conn
	idle atomic.Bool
	uses atomic.Int64 // how often it was not idle any more
}

// watched is a listener whose connections are noted.
type watched struct {
	net.Listener
	all *connections
}

func (l watched) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	c := &connection{Conn: conn}
	l.all.mu.Lock()
	defer l.all.mu.Unlock()
	if l.all.open == nil {
		l.all.open = map[*connection]struct{}{}
	}
	l.all.open[c] = struct{}{}
	return c, nil
}

// note is told by net/http what a connection does.
func (s *connections) note(conn net.Conn, state http.ConnState) {
	c, ok := conn.(*connection)
	if !ok {
		return
	}
	switch state {
	case http.StateActive:
		c.uses.Add(1)
		c.idle.Store(false)
	case http.StateNew, http.StateIdle:
		c.idle.Store(true)
	case http.StateHijacked, http.StateClosed:
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.open, c)
	}
}

// seeOff closes connections that nobody used between two ticks, until none is
// left or ctx ends. tick returns when the next one is due.
func (s *connections) seeOff(ctx context.Context, tick func(context.Context)) {
	last := map[*connection]int64{}
	for ctx.Err() == nil {
		s.mu.Lock()
		left := len(s.open)
		idle := map[*connection]int64{}
		for c := range s.open {
			if c.idle.Load() {
				idle[c] = c.uses.Load()
			}
		}
		s.mu.Unlock()
		if left == 0 {
			return
		}
		for c, uses := range idle {
			if before, ok := last[c]; ok && before == uses {
				_ = c.Close() // net/http reads the end of it
			}
		}
		last = idle
		tick(ctx)
	}
}
