//go:build linux

package cgroup

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
)

// ErrNone says that this machine has no group for what was asked.
var ErrNone = errors.New("this machine has no such group")

// Bounded is a group whose memory is bounded.
type Bounded struct {
	tree *Tree
	dir  string
}

// Bound puts a process, and all that it starts from now on, into a group of
// its own whose memory is bounded. Errors: ErrNone.
func (t *Tree) Bound(pid int, bytes int64) (*Bounded, error) {
	if t == nil || t.memory.dir == "" {
		return nil, ErrNone
	}
	dir := filepath.Join(t.memory.dir, fmt.Sprintf("one-%d", t.next.Add(1)))
	if err := os.Mkdir(dir, 0o755); err != nil {
		return nil, fmt.Errorf("make a group: %w", err)
	}
	g := &Bounded{t, dir}
	err := t.bound(dir, bytes)
	if err == nil && t.memory.v2 {
		err = write(dir, "memory.oom.group", "1")
	}
	if err == nil {
		err = write(dir, "cgroup.procs", strconv.Itoa(pid))
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("bound memory: %w", err), os.Remove(dir))
	}
	return g, nil
}

// Kills counts the processes in it that the kernel has killed for memory.
func (g *Bounded) Kills() int64 { return g.tree.memory.kills(g.dir) }

// Full reports whether the group came to its own bound.
func (g *Bounded) Full() bool {
	if g.tree.memory.v2 {
		return field(g.dir, "memory.events", "oom") > 0
	}
	n, err := number(g.dir, "memory.failcnt")
	return err == nil && n > 0
}

// Remove ends what is left in the group and removes it.
func (g *Bounded) Remove() { clear(g.dir) }

// Frozen is a process that does not run until it is thawed.
type Frozen struct {
	tree *Tree
	dir  string
	pid  int
}

// Freeze stops a process, without what it has started, until Thaw. It can
// still be killed. Errors: ErrNone.
func (t *Tree) Freeze(pid int) (*Frozen, error) {
	if t == nil || t.freezer.dir == "" {
		return nil, ErrNone
	}
	dir := filepath.Join(t.freezer.dir, fmt.Sprintf("frozen-%d", t.next.Add(1)))
	if err := os.Mkdir(dir, 0o755); err != nil {
		return nil, fmt.Errorf("make a group: %w", err)
	}
	err := write(dir, "cgroup.procs", strconv.Itoa(pid))
	if err == nil {
		err = write(dir, "cgroup.freeze", "1")
	}
	if err != nil {
		_ = write(filepath.Join(t.freezer.dir, shared), "cgroup.procs", strconv.Itoa(pid)) // it may have ended
		return nil, errors.Join(fmt.Errorf("freeze: %w", err), os.Remove(dir))
	}
	return &Frozen{t, dir, pid}, nil
}

// Thaw lets the process run again, outside the group: what it starts can't be
// frozen with it. A process that has ended meanwhile is no error.
func (f *Frozen) Thaw() error {
	err := write(f.dir, "cgroup.freeze", "0")
	if err == nil {
		err = write(filepath.Join(f.tree.freezer.dir, shared), "cgroup.procs", strconv.Itoa(f.pid))
		if errors.Is(err, syscall.ESRCH) {
			err = nil
		}
	}
	if err != nil {
		return fmt.Errorf("thaw: %w", err)
	}
	_ = os.Remove(f.dir) // one that has ended is there until it was waited for; Close removes the rest
	return nil
}

// Still reports whether the kernel says that the process is frozen.
func (f *Frozen) Still() bool { return field(f.dir, "cgroup.events", "frozen") == 1 }
