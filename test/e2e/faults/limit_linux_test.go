package faults

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/runagent/runagent/test/served"
)

// limitMemory puts a process into a control group of its own that may hold so
// many bytes; the kernel kills it beyond them.
func limitMemory(t *testing.T, pid int, bytes int64) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(limitedGroup(t, bytes), "cgroup.procs"), []byte(strconv.Itoa(pid)), 0o644); err != nil {
		t.Skipf("memory can't be limited here: %v", err)
	}
}

// inLimitedGroup is a command that executes another in such a control group.
func inLimitedGroup(t *testing.T, bytes int64) []string {
	t.Helper()
	group := limitedGroup(t, bytes)
	return []string{"sh", "-c", `echo $$ > ` + group + `/cgroup.procs && exec "$@"`, "sh"}
}

// limitedGroup makes a control group below this program's own.
func limitedGroup(t *testing.T, bytes int64) string {
	t.Helper()
	raw, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		t.Skipf("needs control groups: %v", err)
	}
	// "4:memory:/path" where memory has a hierarchy of its own, else "0::/path".
	parent, limit := "", ""
	for line := range strings.Lines(string(raw)) {
		fields := strings.SplitN(strings.TrimSpace(line), ":", 3)
		switch {
		case len(fields) < 3:
		case fields[1] == "memory":
			parent, limit = filepath.Join("/sys/fs/cgroup/memory", fields[2]), "memory.limit_in_bytes"
		case fields[0] == "0" && parent == "":
			parent, limit = filepath.Join("/sys/fs/cgroup", fields[2]), "memory.max"
		}
	}
	group, err := os.MkdirTemp(parent, "runagent-test-") //nolint:usetesting // a control group lies in the system's own folder
	if err != nil {
		t.Skipf("making a control group takes root: %v", err)
	}
	t.Cleanup(func() {
		served.Eventually(t, 10*time.Second, "the control group is empty", func() bool { return os.Remove(group) == nil })
	})
	if err := os.WriteFile(filepath.Join(group, limit), []byte(strconv.FormatInt(bytes, 10)), 0o644); err != nil {
		t.Skipf("memory can't be limited here: %v", err)
	}
	return group
}
