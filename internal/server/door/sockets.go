package door

import (
	"context"
	"sync"
)

// sockets counts the WebSockets that are open: net/http forgets a connection
// once it is handed over, so a shutdown could not wait for them.
type sockets struct {
	mu     sync.Mutex
	open   int
	closed bool
	none   chan struct{} // closed when open is 0 and closed is set
}

// enter counts one more. It returns false once a wait has begun.
func (s *sockets) enter() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.open++
	return true
}

// leave counts one less.
func (s *sockets) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open--
	if s.closed && s.open == 0 {
		close(s.none)
	}
}

// Wait lets no more in and returns when all have left or ctx has ended.
func (s *sockets) Wait(ctx context.Context) error {
	s.mu.Lock()
	if !s.closed {
		s.closed = true
		s.none = make(chan struct{})
		if s.open == 0 {
			close(s.none)
		}
	}
	none := s.none
	s.mu.Unlock()
	select {
	case <-none:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
