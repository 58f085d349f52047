package instance

import (
	"io"
	"sync"
)

// outbox writes frames to a socket, many per system call: whoever finds no
// writer at work becomes it and also writes what others add meanwhile.
type outbox struct {
	w io.Writer

	mu      sync.Mutex // guards all that follows
	pending []byte
	spare   []byte
	writing bool
	err     error
}

// maxSpare is the largest buffer kept for reuse.
const maxSpare = 1 << 20

// write appends frames by add and sees that they are written. It may return
// before they are, when another goroutine is writing. Once a write has failed
// all do.
func (o *outbox) write(add func([]byte) []byte) error {
	o.mu.Lock()
	if o.err != nil {
		defer o.mu.Unlock()
		return o.err
	}
	o.pending = add(o.pending)
	if o.writing {
		o.mu.Unlock()
		return nil
	}
	o.writing = true
	for len(o.pending) > 0 && o.err == nil {
		batch := o.pending
		o.pending = o.spare[:0]
		o.spare = nil
		o.mu.Unlock()
		_, err := o.w.Write(batch)
		o.mu.Lock()
		if cap(batch) <= maxSpare {
			o.spare = batch
		}
		o.err = err
	}
	o.writing = false
	err := o.err
	o.mu.Unlock()
	return err
}
