package none

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
)

// memoryKills tells whether the system killed for want of memory in the
// control group that this program and all it starts are in, where they have no
// groups of ours.
type memoryKills struct {
	counter string // a file with a line "oom_kill N"; "" where there is none
	limit   string // the file with the group's limit in bytes

	mu   sync.Mutex // guards told
	told int64      // of that many kills
}

// newMemoryKills finds the counter: of this group, where the system keeps one for each.
func newMemoryKills() *memoryKills {
	groups, _ := os.ReadFile("/proc/self/cgroup") // without it the whole machine's counter is left
	for _, m := range memoryCounters(string(groups), "/sys/fs/cgroup") {
		if _, ok := countIn(m.counter); ok {
			return m
		}
	}
	return &memoryKills{}
}

// memoryCounters lists where the counter may be, the closest first. In a
// container the path in groups may be one of the machine outside.
func memoryCounters(groups, root string) (list []*memoryKills) {
	v1 := func(dir string) *memoryKills {
		return &memoryKills{counter: filepath.Join(dir, "memory.oom_control"), limit: filepath.Join(dir, "memory.limit_in_bytes")}
	}
	v2 := func(dir string) *memoryKills {
		return &memoryKills{counter: filepath.Join(dir, "memory.events"), limit: filepath.Join(dir, "memory.max")}
	}
	for line := range strings.Lines(groups) {
		fields := strings.SplitN(strings.TrimSpace(line), ":", 3) // "4:memory:/path", or "0::/path"
		switch {
		case len(fields) < 3:
		case fields[1] == "memory":
			list = append(list, v1(filepath.Join(root, "memory", fields[2])), v1(filepath.Join(root, "memory")))
		case fields[0] == "0":
			list = append(list, v2(filepath.Join(root, fields[2])), v2(root))
		}
	}
	return append(list, &memoryKills{counter: "/proc/vmstat"})
}

// now is how many kills there have been.
func (m *memoryKills) now() int64 {
	n, _ := countIn(m.counter)
	return n
}

// one reports whether there was a kill after the first since of them that
// nobody has been told of yet, and the group's limit in bytes, 0 where there is none.
func (m *memoryKills) one(since int64) (limit int64, killed bool) {
	now := m.now()
	m.mu.Lock()
	if since = max(since, m.told); now > since {
		m.told, killed = since+1, true
	}
	m.mu.Unlock()
	if !killed {
		return 0, false
	}
	text, err := os.ReadFile(m.limit)
	if err != nil {
		return 0, true
	}
	limit, err = strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	if err != nil || limit > 1<<50 { // "max", or version 1's way to say so
		return 0, true
	}
	return limit, true
}

// countIn reads the line "oom_kill N" of a file.
func countIn(path string) (count int64, ok bool) {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, false
	}
	for line := range strings.Lines(string(text)) {
		if number, found := strings.CutPrefix(strings.TrimSpace(line), "oom_kill "); found {
			count, err = strconv.ParseInt(number, 10, 64)
			return count, err == nil
		}
	}
	return 0, false
}

// pfExiting is the kernel's flag of a task on its way out.
const pfExiting = 0x4

// exiting reports whether a process is about to end, whatever ends it.
func exiting(pid int) bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return true
	}
	_, rest, _ := strings.Cut(string(text[bytes.LastIndexByte(text, ')')+1:]), " ")
	fields := strings.Fields(rest) // state, parent, group, session, terminal, its group, flags
	if len(fields) < 7 {
		return false
	}
	flags, _ := strconv.ParseUint(fields[6], 10, 64) // the kernel's own number
	return fields[0] == "Z" || fields[0] == "X" || flags&pfExiting != 0
}
