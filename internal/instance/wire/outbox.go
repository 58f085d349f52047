package wire

import (
	"encoding/binary"
	"io"
	"net"
	"slices"
	"sync"
)

// Outbox writes frames to a socket, many per system call: whoever finds no
// writer at work becomes it and also writes what others add meanwhile. Long
// payloads are not copied, and go out a frame at a time between what is short.
type Outbox struct {
	w io.Writer

	mu      sync.Mutex // guards all that follows
	pending []byte
	spare   []byte
	parcels []*parcel // long payloads; the first is next
	vector  net.Buffers
	writing bool
	err     error
}

// NewOutbox returns an Outbox that writes to w.
func NewOutbox(w io.Writer) *Outbox { return &Outbox{w: w} }

const (
	// maxSpare is the largest buffer kept for reuse.
	maxSpare = 1 << 20
	// copyUpTo is the longest payload that is copied among the pending frames.
	copyUpTo = 32 << 10
)

// parcel is a long payload on its way, in frames of MaxPayload bytes.
type parcel struct {
	kind  byte
	flags byte
	call  uint32
	parts [][]byte // what is left of it
	left  int
	head  [headerSize + wholeSize]byte // of the frame being written
	after []byte                       // frames to write behind it
	sent  chan struct{}                // closed when it has left, or never will
}

// Write appends frames by add and sees that they are written. It may return
// before they are, when another goroutine is writing. Once a write has failed
// all do.
func (o *Outbox) Write(add func([]byte) []byte) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.err == nil {
		o.pending = add(o.pending)
	}
	return o.drain()
}

// Payload writes the concatenation of head and parts as frames of one kind and
// call. The parts must not be changed before sent is closed; nil means that
// they were copied. It returns as Write does.
func (o *Outbox) Payload(kind byte, call uint32, head []byte, parts ...[]byte) (sent <-chan struct{}, err error) {
	size := len(head)
	for _, p := range parts {
		size += len(p)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case o.err != nil:
	case size <= copyUpTo:
		o.pending = appendHeader(o.pending, kind, 0, call, size)
		o.pending = append(o.pending, head...)
		for _, p := range parts {
			o.pending = append(o.pending, p...)
		}
	default:
		whole := append(make([][]byte, 0, len(parts)+1), slices.Clone(head))
		for _, p := range parts {
			if len(p) > 0 {
				whole = append(whole, p)
			}
		}
		p := &parcel{kind: kind, call: call, parts: whole, left: size, sent: make(chan struct{})}
		o.parcels = append(o.parcels, p)
		sent = p.sent
	}
	return sent, o.drain()
}

// After is Write, but what it adds follows the payload of the call if that is
// still on its way.
func (o *Outbox) After(call uint32, add func([]byte) []byte) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	at := slices.IndexFunc(o.parcels, func(p *parcel) bool { return p.call == call })
	switch {
	case o.err != nil:
	case at >= 0:
		o.parcels[at].after = add(o.parcels[at].after)
	default:
		o.pending = add(o.pending)
	}
	return o.drain()
}

// drain writes what waits, unless another goroutine does. Called with o.mu,
// which it gives up while it writes.
func (o *Outbox) drain() error {
	if o.writing {
		return o.err
	}
	o.writing = true
	for len(o.pending)+len(o.parcels) > 0 && o.err == nil {
		batch := o.pending
		o.pending = o.spare[:0]
		o.spare = nil
		vector := append(o.vector[:0], batch)
		var last *parcel
		if len(o.parcels) > 0 {
			vector, last = o.frame(vector)
		}
		o.vector = vector
		o.mu.Unlock()
		err := o.flush(batch, vector)
		o.mu.Lock()
		clear(o.vector)
		if last != nil {
			close(last.sent)
		}
		if cap(batch) <= maxSpare {
			o.spare = batch
		}
		o.err = err
	}
	o.writing = false
	if o.err != nil {
		for _, p := range o.parcels {
			close(p.sent)
		}
		o.parcels = nil
	}
	return o.err
}

func (o *Outbox) flush(batch []byte, vector net.Buffers) (err error) {
	if len(vector) == 1 {
		_, err = o.w.Write(batch)
		return err
	}
	if len(batch) == 0 {
		vector = vector[1:]
	}
	_, err = vector.WriteTo(o.w) // one system call where the kernel takes it all
	return err
}

// frame adds the next frame of the first parcel, and returns the parcel if that
// was its last. Long payloads go one after the other: by turns all of them would
// arrive late.
func (o *Outbox) frame(vector net.Buffers) (net.Buffers, *parcel) {
	p := o.parcels[0]
	vector = p.next(vector)
	if p.left > 0 {
		return vector, nil
	}
	o.parcels = slices.Delete(o.parcels, 0, 1)
	if len(p.after) > 0 {
		vector = append(vector, p.after)
	}
	return vector, p
}

// next adds the next frame of the parcel.
func (p *parcel) next(vector net.Buffers) net.Buffers {
	size := min(p.left, MaxPayload)
	head := p.head[:0]
	switch first := p.flags == 0; {
	case first && p.left > MaxPayload:
		size -= wholeSize
		head = appendHeader(head, p.kind, flagMore, p.call, size+wholeSize)
		head = binary.BigEndian.AppendUint32(head, uint32(p.left))
	case p.left > MaxPayload:
		head = appendHeader(head, p.kind, flagMore|flagContinues, p.call, size)
	default:
		head = appendHeader(head, p.kind, p.flags, p.call, size)
	}
	p.flags = flagContinues
	p.left -= size
	vector = append(vector, head)
	for size > 0 {
		part := p.parts[0]
		n := min(size, len(part))
		vector = append(vector, part[:n])
		size -= n
		if n == len(part) {
			p.parts = p.parts[1:]
		} else {
			p.parts[0] = part[n:]
		}
	}
	return vector
}
