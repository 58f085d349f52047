//go:build linux

package cgroup

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// kernel makes the files that a kernel would show.
func kernel(t *testing.T, own, mounts string, dirs ...string) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range map[string]string{"proc/self/cgroup": own, "proc/self/mountinfo": mounts} {
		file := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, dir := range dirs {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func TestFindsItsGroups(t *testing.T) {
	t.Parallel()
	const v2 = "30 24 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw\n"
	const v1 = "31 25 0:27 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n32 25 0:28 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct\n"
	for name, c := range map[string]struct {
		own, mounts, controller, dir, fails string
	}{
		"version 2":           {"0::/system.slice/runagent.service\n", v2, "", "sys/fs/cgroup/system.slice/runagent.service", ""},
		"version 1":           {"4:memory:/box\n", v1, "memory", "sys/fs/cgroup/memory/box", ""},
		"shared version 1":    {"3:cpu,cpuacct:/box\n", v1, "cpuacct", "sys/fs/cgroup/cpu/box", ""},
		"inside a container":  {"4:memory:/docker/1\n", strings.ReplaceAll(v1, " / /sys/fs/cgroup/memory", " /docker/1 /sys/fs/cgroup/memory"), "memory", "sys/fs/cgroup/memory", ""},
		"not mounted":         {"0::/\n", v1, "", "", "cgroup version 2 is not mounted"},
		"no such controller":  {"0::/\n", v2, "memory", "", "there is no memory controller"},
		"only version 1 here": {"4:memory:/\n", v1, "", "", "this process is in no group of cgroup version 2"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			root := kernel(t, c.own, c.mounts)
			at, err := find(root, c.controller)
			if c.fails != "" {
				if err == nil || !strings.Contains(err.Error(), c.fails) {
					t.Errorf("got %v, %v, want %q", at, err, c.fails)
				}
				return
			}
			if err != nil || at.dir != filepath.Join(root, c.dir) {
				t.Errorf("got %v, %v, want %s", at, err, c.dir)
			}
		})
	}
}

func TestAMachineWithoutGroupsSaysSo(t *testing.T) {
	t.Parallel()
	tree := Open(Options{Name: "runagent-x", Root: t.TempDir(), Limit: 1 << 30})
	defer tree.Close()
	if tree.WhyNoMemory() == "" || tree.WhyNoFreezer() == "" || tree.Limit() != 0 {
		t.Errorf("memory: %q, freezer: %q, limit %d", tree.WhyNoMemory(), tree.WhyNoFreezer(), tree.Limit())
	}
	if _, err := tree.Bound(1, 1); !errors.Is(err, ErrNone) {
		t.Errorf("bound: %v", err)
	}
	if _, err := tree.Freeze(1); !errors.Is(err, ErrNone) {
		t.Errorf("freeze: %v", err)
	}
	if _, known := tree.Used(); known || tree.Join(1) != nil {
		t.Error("it counts memory that it can't see")
	}
	var none *Tree
	none.Close()
	if none.WhyNoFreezer() == "" || none.WhyNoMemory() == "" || none.Join(1) != nil || none.SharedKills() != 0 {
		t.Error("no tree at all is not one that can do nothing")
	}
}

func TestAFolderThatCanNotBeWrittenSaysSo(t *testing.T) {
	t.Parallel()
	// The mount is there and its folder is not: as good as read-only.
	root := kernel(t, "0::/gone\n4:memory:/gone\n", "30 24 0:26 / /cg rw - cgroup2 cgroup2 rw\n31 25 0:27 / /cgm rw - cgroup cgroup rw,memory\n")
	tree := Open(Options{Name: "runagent-x", Root: root})
	if !strings.Contains(tree.WhyNoMemory(), "no group can be made") || !strings.Contains(tree.WhyNoFreezer(), "no group can be made") {
		t.Errorf("memory: %q, freezer: %q", tree.WhyNoMemory(), tree.WhyNoFreezer())
	}
}

func TestLeftoversOfAnEarlierProcessAreRemoved(t *testing.T) {
	t.Parallel()
	root := kernel(t, "4:memory:/\n", "31 25 0:27 / /cgm rw - cgroup cgroup rw,memory\n", "cgm/runagent-x/one-7", "cgm/runagent-y")
	tree := Open(Options{Name: "runagent-x", Root: root})
	if tree.WhyNoMemory() != "" {
		t.Fatal(tree.WhyNoMemory())
	}
	if _, err := os.Stat(filepath.Join(root, "cgm/runagent-x/one-7")); err == nil {
		t.Error("a group of an earlier process is still there")
	}
	tree.Close()
	if _, err := os.Stat(filepath.Join(root, "cgm/runagent-x")); err == nil {
		t.Error("the groups are there after their end")
	}
	if _, err := os.Stat(filepath.Join(root, "cgm/runagent-y")); err != nil {
		t.Error("those of another platform are gone")
	}
}

// TestTwoProcessesOfAPlatform has one beside another, which goes first, and one
// after both were killed.
func TestTwoProcessesOfAPlatform(t *testing.T) {
	t.Parallel()
	root := kernel(t, "4:memory:/\n", "31 25 0:27 / /cgm rw - cgroup cgroup rw,memory\n", "cgm")
	groups := func(want int) {
		t.Helper()
		found, err := filepath.Glob(filepath.Join(root, "cgm/runagent-x*"))
		if err != nil || len(found) != want {
			t.Errorf("there are %q, %v, want %d", found, err, want)
		}
	}
	first := Open(Options{Name: "runagent-x", Root: root})
	second := Open(Options{Name: "runagent-x", Root: root, Beside: true})
	groups(2)
	first.Close()
	groups(1)
	second.Close()
	groups(0)
	Open(Options{Name: "runagent-x", Root: root})
	Open(Options{Name: "runagent-x", Root: root, Beside: true})
	groups(2)
	Open(Options{Name: "runagent-x", Root: root})
	groups(1)
}
