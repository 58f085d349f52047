package served

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Process is a process as it was when found: its number may be given to
// another one later, its start time tells.
type Process struct {
	PID   int
	start string
}

// Find returns the process with this number; ok is false when there is none.
func Find(pid int) (p Process, ok bool) {
	_, start, ok := stat(pid)
	return Process{PID: pid, start: start}, ok
}

// Alive reports whether p still runs; a zombie does not.
func (p Process) Alive() bool {
	_, start, ok := stat(p.PID)
	return ok && start == p.start
}

// Parent is the number of p's parent now, or 0 when p has ended.
func (p Process) Parent() int {
	parent, start, ok := stat(p.PID)
	if !ok || start != p.start {
		return 0
	}
	return parent
}

// stat reads parent and start time of a process from /proc.
func stat(pid int) (parent int, start string, ok bool) {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, "", false
	}
	// The name in parentheses may hold anything: fields are counted behind it.
	_, rest, found := strings.Cut(string(raw[strings.LastIndexByte(string(raw), ')'):]), ") ")
	fields := strings.Fields(rest)
	if !found || len(fields) < 20 || fields[0] == "Z" || fields[0] == "X" {
		return 0, "", false
	}
	parent, err = strconv.Atoi(fields[1])
	return parent, fields[19], err == nil
}

// Tree returns all processes below the server.
func (a *Agent) Tree() []Process {
	a.t.Helper()
	children := map[int][]int{}
	paths, err := filepath.Glob("/proc/[0-9]*")
	if err != nil || len(paths) == 0 {
		a.t.Skip("needs /proc to see the processes of the server")
	}
	for _, path := range paths {
		pid, err := strconv.Atoi(filepath.Base(path))
		if err != nil {
			continue
		}
		if parent, _, ok := stat(pid); ok {
			children[parent] = append(children[parent], pid)
		}
	}
	var tree []Process
	for below := children[a.PID()]; len(below) > 0; below = below[1:] {
		if p, ok := Find(below[0]); ok {
			tree = append(tree, p)
		}
		below = append(below, children[below[0]]...)
	}
	return tree
}

// Kill sends SIGKILL to a process.
func Kill(t testing.TB, pid int) {
	t.Helper()
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatalf("kill %d: %v", pid, err)
	}
}

// Gone waits until all processes have ended and fails if they don't within d.
func Gone(t testing.TB, d time.Duration, processes ...Process) {
	t.Helper()
	for _, p := range processes {
		Eventually(t, d, fmt.Sprintf("process %d ends", p.PID), func() bool { return !p.Alive() })
	}
}

// Eventually waits until ok, asking often, and fails after d. It is for what
// gives no signal: files and processes of others.
func Eventually(t testing.TB, d time.Duration, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	late := time.NewTimer(d)
	defer late.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-late.C:
			t.Fatalf("not within %v: %s", d, what)
		}
	}
}
