package proctree

import (
	"fmt"
	"os"
	"strings"
)

// Vitals is what a tree of processes holds.
type Vitals struct {
	Processes, Files, Threads int
	// PSS is as in Usage.
	PSS int64
}

// ReadVitals reads them for root's tree.
func ReadVitals(root int) (Vitals, error) {
	pids, err := Members(root)
	if err != nil {
		return Vitals{}, err
	}
	u, err := Read(root)
	if err != nil {
		return Vitals{}, err
	}
	v := Vitals{Processes: u.Processes, PSS: u.PSS}
	for _, pid := range pids {
		v.Files += entries(fmt.Sprintf("/proc/%d/fd", pid))
		v.Threads += entries(fmt.Sprintf("/proc/%d/task", pid))
	}
	return v, nil
}

// String says it in a line.
func (v Vitals) String() string {
	return fmt.Sprintf("%d processes, %d files, %d threads, %.1f MiB", v.Processes, v.Files, v.Threads, float64(v.PSS)/(1<<20))
}

// entries counts what is in a folder; none, if the process has ended.
func entries(dir string) int {
	found, err := os.ReadDir(dir)
	if err != nil {
		return 0
	}
	return len(found)
}

// Private returns the bytes of memory that no other process shares with pid.
func Private(pid int) (int64, error) {
	clean, err := rollup(pid, "Private_Clean")
	if err != nil {
		return 0, err
	}
	dirty, err := rollup(pid, "Private_Dirty")
	return clean + dirty, err
}

// Forked returns the processes that a zygote below root has forked, the oldest first.
func Forked(root int) ([]int, error) {
	stats, err := members(root)
	if err != nil {
		return nil, err
	}
	zygotes := map[int]bool{}
	for _, s := range stats {
		zygotes[s.pid] = isZygote(s.pid)
	}
	var forked []int
	for _, s := range stats {
		if zygotes[s.pid] && zygotes[s.parent] { // they have its command line
			forked = append(forked, s.pid)
		}
	}
	return forked, nil
}

func isZygote(pid int) bool {
	line, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid)) // one that has ended has none
	return strings.Contains(string(line), "\x00zygote\x00")
}

// Goroutines counts them in the dump that a Go program leaves at SIGQUIT.
func Goroutines(dump string) int { return strings.Count("\n"+dump, "\ngoroutine ") }
