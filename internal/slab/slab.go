// Package slab recycles the memory of large payloads. New memory for each would
// have to be cleared, faulted in and collected again, which costs as much as all
// else that is done with a payload.
//
// Who got a slice from here owns it. Giving it back is for the last owner, and
// needless: what is not given back is garbage as any other.
package slab

import (
	"math/bits"
	"sync"
)

const (
	// Smallest is the least that is recycled. Less is cheap to make.
	Smallest = 64 << 10
	// Largest is the most.
	Largest = 16 << 20
	// steps is how many sizes there are between a power of two and the next, so
	// that a fifth of the memory is idle at most.
	steps   = 4
	classes = 8*steps + 1
)

// pools hold pointers to empty slices by class. The collector empties them when
// they are not in use.
var pools [classes]sync.Pool

// sizeOf is the capacity of the slices of a class.
func sizeOf(class int) int {
	return (Smallest / steps) * (steps + class%steps) << (class / steps)
}

// classOf returns the smallest class that has room for size bytes; classes or
// more if none has.
func classOf(size int) int {
	if size <= Smallest {
		return 0
	}
	units := (size + Smallest/steps - 1) / (Smallest / steps) // in steps of the first power
	double := bits.Len(uint((units - 1) / steps))
	if double > 0 {
		double--
	}
	class := double*steps + (units-1)>>double - steps + 1
	return class
}

// Get returns an empty slice with room for size bytes. What is behind its end
// may hold what its last owner left.
func Get(size int) []byte {
	if b := Spare(size); b != nil {
		return b
	}
	if size >= Smallest && size <= Largest {
		size = sizeOf(classOf(size))
	}
	return make([]byte, 0, size)
}

// Spare is Get without new memory: it returns nil if none was given back.
func Spare(size int) []byte {
	if size < Smallest || size > Largest {
		return nil
	}
	if b, ok := pools[classOf(size)].Get().(*[]byte); ok {
		return *b
	}
	return nil
}

// Put gives back a slice that Get or Spare returned, or one of the same
// beginning and capacity. Other slices are let go.
func Put(b []byte) {
	size := cap(b)
	if size < Smallest || size > Largest {
		return
	}
	class := classOf(size)
	if sizeOf(class) != size {
		return
	}
	kept := b[:0] // not b, which would be put on the heap in any case
	pools[class].Put(&kept)
}
