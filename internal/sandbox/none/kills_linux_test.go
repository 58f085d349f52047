package none

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// TestMemoryKillsAreCountedOnce writes what the kernel would.
func TestMemoryKillsAreCountedOnce(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ groups, dir, counter, limit, value string }{
		"version 1":            {"3:cpu:/x\n4:memory:/user/one\n0::/\n", "memory/user/one", "memory.oom_control", "memory.limit_in_bytes", "134217728"},
		"version 1, container": {"4:memory:/docker/abc\n", "memory", "memory.oom_control", "memory.limit_in_bytes", "134217728"},
		"version 2":            {"0::/user.slice/run.scope\n", "user.slice/run.scope", "memory.events", "memory.max", "134217728"},
		"version 2, no limit":  {"0::/user.slice\n", "user.slice", "memory.events", "memory.max", "max"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			root := t.TempDir()
			dir := filepath.Join(root, c.dir)
			if err := os.MkdirAll(dir, 0o755); err != nil {
				t.Fatal(err)
			}
			write := func(name, text string) {
				t.Helper()
				if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			write(c.counter, "low 0\noom 9\noom_kill 3\noom_group_kill 0\n")
			write(c.limit, c.value+"\n")
			var m *memoryKills
			for _, candidate := range memoryCounters(c.groups, root) {
				if _, ok := countIn(candidate.counter); ok {
					m = candidate
					break
				}
			}
			if m == nil || filepath.Dir(m.counter) != dir {
				t.Fatalf("the counter is sought in %+v, not in %s", m, dir)
			}
			before := m.now()
			if _, killed := m.one(before); killed {
				t.Error("a kill before the start is told of")
			}
			write(c.counter, "oom_kill 4\n")
			want := int64(128 << 20)
			if c.value == "max" {
				want = 0
			}
			if limit, killed := m.one(before); !killed || limit != want {
				t.Errorf("one = %d, %v; want %d, true", limit, killed, want)
			}
			if _, killed := m.one(before); killed {
				t.Error("one kill is told of twice")
			}
		})
	}
}

func TestMemoryKillsOfThisMachine(t *testing.T) {
	t.Parallel()
	m := newMemoryKills()
	if m.counter == "" {
		t.Skip("this system counts no kills for want of memory")
	}
	before := m.now()
	if n, ok := countIn(m.counter); !ok || n < before {
		t.Errorf("%s counts %d, %v; before it were %d", m.counter, n, ok, before)
	}
	if _, killed := (&memoryKills{}).one(0); killed {
		t.Error("a system that counts nothing tells of a kill")
	}
}

// TestExitingKnowsWhoHasEnded looks at a child that nobody has waited for yet.
func TestExitingKnowsWhoHasEnded(t *testing.T) {
	t.Parallel()
	if exiting(os.Getpid()) {
		t.Error("this process is said to be on its way out")
	}
	cmd := exec.Command("sleep", "1000")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	var info unix.Siginfo
	if err := unix.Waitid(unix.P_PID, cmd.Process.Pid, &info, unix.WEXITED|unix.WNOWAIT, nil); err != nil {
		t.Fatal(err)
	}
	if !exiting(cmd.Process.Pid) {
		t.Error("a child that was killed is not on its way out")
	}
	_ = cmd.Wait() // it was killed
	if !exiting(cmd.Process.Pid) {
		t.Error("a child that is gone is not on its way out")
	}
}
