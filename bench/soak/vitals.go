package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/runagent/runagent/bench/proctree"
)

// vitals is what the server's processes hold.
type vitals struct {
	processes, files, threads int
	pss                       int64
}

// readVitals reads them for the tree below root.
func readVitals(root int) (vitals, error) {
	pids, err := proctree.Members(root)
	if err != nil {
		return vitals{}, err
	}
	u, err := proctree.Read(root)
	if err != nil {
		return vitals{}, err
	}
	v := vitals{processes: u.Processes, pss: u.PSS}
	for _, pid := range pids {
		v.files += entries(fmt.Sprintf("/proc/%d/fd", pid))
		v.threads += entries(fmt.Sprintf("/proc/%d/task", pid))
	}
	return v, nil
}

// entries counts what is in a folder; none, if the process has ended.
func entries(dir string) int {
	found, err := os.ReadDir(dir)
	if err != nil {
		return 0
	}
	return len(found)
}

func (v vitals) String() string {
	return fmt.Sprintf("%d processes, %d files, %d threads, %.1f MiB", v.processes, v.files, v.threads, float64(v.pss)/(1<<20))
}

// What a server may hold more than at the beginning of a soak: what pools and
// caches keep, and the runtime's own threads.
const (
	moreFiles      = 16
	moreThreads    = 24
	moreMemory     = 24 << 20
	mostGoroutines = 80 // a server at rest has about 35
)

// grown returns what is more at the end than the limits above allow.
func grown(start, end vitals) []string {
	var found []string
	for _, c := range []struct {
		what              string
		start, end, allow int64
	}{
		{"processes", int64(start.processes), int64(end.processes), 0},
		{"open files", int64(start.files), int64(end.files), moreFiles},
		{"threads", int64(start.threads), int64(end.threads), moreThreads},
		{"bytes of memory", start.pss, end.pss, moreMemory + start.pss/4},
	} {
		if c.end > c.start+c.allow {
			found = append(found, fmt.Sprintf("%s grew from %d to %d", c.what, c.start, c.end))
		}
	}
	return found
}

// goroutines counts them in the dump that a Go program leaves at SIGQUIT.
func goroutines(dump string) int { return strings.Count("\n"+dump, "\ngoroutine ") }
