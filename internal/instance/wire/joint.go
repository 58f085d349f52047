package wire

import (
	"fmt"

	"github.com/runagent/runagent/internal/slab"
)

// Joint is where the parts of split payloads come together. It is of one call,
// and of the goroutine that reads.
type Joint struct {
	parts []byte // what has come
	whole int    // how long it is to be
}

// Add reads the payload of f and returns it when it is whole, with ok. What it
// returns is the receiver's own, and of package slab if it is long.
func (j *Joint) Add(fr *Reader, f *Frame, limit int) (payload []byte, ok bool, err error) {
	have := len(j.parts)
	switch f.flags & (flagMore | flagContinues) {
	case 0:
		if j.parts != nil {
			return nil, false, errSplit
		}
		payload = slab.Get(f.size())[:f.size()]
		return payload, true, fr.take(f, payload)
	case flagMore:
		if j.parts != nil {
			return nil, false, errSplit
		}
		if f.whole > limit {
			return nil, false, fmt.Errorf("payload over %d bytes", limit)
		}
		j.parts, j.whole = slab.Get(f.whole), f.whole
	}
	all := have + f.size()
	if j.parts == nil || all > j.whole || !f.more() && all != j.whole {
		return nil, false, errSplit
	}
	j.parts = j.parts[:all]
	if err := fr.take(f, j.parts[have:]); err != nil || f.more() {
		return nil, false, err
	}
	payload, j.parts = j.parts, nil
	return payload, true, nil
}
