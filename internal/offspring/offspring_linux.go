package offspring

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// Adopt makes this process the parent of what its descendants leave, so that
// whatever they do (setsid, double fork) they stay below it.
func Adopt() error {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("become subreaper: %w", err)
	}
	return nil
}

// KillAll kills all descendants of this process, which must have called Adopt,
// until none is left.
func KillAll() {
	for {
		for _, k := range Children(os.Getpid()) {
			KillTree(k)
		}
		var ws syscall.WaitStatus
		if _, err := syscall.Wait4(-1, &ws, 0, nil); errors.Is(err, syscall.ECHILD) {
			return
		}
	}
}

// KillTree kills pid and its descendants. It stops each before looking for
// children, so that none can be started behind its back.
func KillTree(pid int) {
	_ = syscall.Kill(pid, syscall.SIGSTOP)
	for _, k := range Children(pid) {
		KillTree(k)
	}
	_ = syscall.Kill(pid, syscall.SIGKILL)
}

// Children returns the direct children of pid, of all its threads.
func Children(pid int) []int {
	tasks, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	if err != nil {
		return nil
	}
	var kids []int
	for _, t := range tasks {
		raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/children", pid, t.Name()))
		if err != nil {
			continue
		}
		for _, f := range strings.Fields(string(raw)) {
			if k, err := strconv.Atoi(f); err == nil {
				kids = append(kids, k)
			}
		}
	}
	return kids
}

// Sum adds up size of pid and of all its descendants.
func Sum(pid int, size func(pid int) int64) int64 {
	n := size(pid)
	for _, k := range Children(pid) {
		n += Sum(k, size)
	}
	return n
}

// Resident is what a process has in memory, shared pages included; 0 when it has
// ended.
func Resident(pid int) int64 {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	fields := strings.Fields(string(raw))
	if err != nil || len(fields) < 2 {
		return 0
	}
	pages, _ := strconv.ParseInt(fields[1], 10, 64) // the kernel's own number
	return pages * int64(os.Getpagesize())
}
