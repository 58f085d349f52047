package main

import (
	"fmt"

	"github.com/runagent/runagent/bench/proctree"
)

// What a server may hold more than at the beginning of a soak: what pools and
// caches keep, and the runtime's own threads.
const (
	moreFiles      = 16
	moreThreads    = 24
	moreMemory     = 24 << 20
	mostGoroutines = 80 // a server at rest has about 35
)

// grown returns what is more at the end than the limits above allow.
func grown(start, end proctree.Vitals) []string {
	var found []string
	for _, c := range []struct {
		what              string
		start, end, allow int64
	}{
		{"processes", int64(start.Processes), int64(end.Processes), 0},
		{"open files", int64(start.Files), int64(end.Files), moreFiles},
		{"threads", int64(start.Threads), int64(end.Threads), moreThreads},
		{"bytes of memory", start.PSS, end.PSS, moreMemory + start.PSS/4},
	} {
		if c.end > c.start+c.allow {
			found = append(found, fmt.Sprintf("%s grew from %d to %d", c.what, c.start, c.end))
		}
	}
	return found
}
