//go:build linux

// Package cgroup puts the processes of a platform into the kernel's control
// groups, so that their memory can be bounded and idle ones frozen. A machine
// that lets us make none, or only some, is told apart by Why….
package cgroup

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	// shared is the group of all that has none of its own.
	shared = "shared"
	// serverLeaf is where this process goes when its own group must hold
	// groups with limits, which on version 2 can't hold processes then.
	serverLeaf = "runagent-server"
	// besideMark is between the name and the process of one that is Beside.
	besideMark = "-by-"
	// settle bounds the wait for a killed process to leave its group.
	settle = 2 * time.Second
)

// Tree is the groups of one platform. It is safe for concurrent use.
type Tree struct {
	memory, freezer hierarchy
	limit           int64
	next            atomic.Int64
}

// hierarchy is one of the kernel's trees, as far as it is ours.
type hierarchy struct {
	dir string // "" when it can't be used, which why explains
	v2  bool
	why string
}

// Options configures a Tree.
type Options struct {
	// Name is unique among the platforms of this machine.
	Name string
	// Beside says that another process has the groups of that name for a while.
	Beside bool
	// Limit bounds the memory of all groups together; 0 does not.
	Limit int64
	// Root is where the files of the kernel are, "/" but in tests.
	Root string
}

// Open makes the groups of a platform and ends what earlier processes left in
// groups of that name, unless it is to be Beside one of them. What the machine
// does not allow is left out.
func Open(o Options) *Tree {
	o.Root = cmp.Or(o.Root, "/")
	t := &Tree{limit: o.Limit}
	t.freezer = prepare(o, func() (place, error) { return find(o.Root, "") })
	if t.freezer.dir != "" {
		if _, err := os.Stat(filepath.Join(t.freezer.dir, "cgroup.freeze")); err != nil {
			t.freezer = hierarchy{why: "the kernel has no cgroup.freeze"}
		}
	}
	t.memory = t.memoryAt(o)
	if t.memory.dir == "" {
		return t
	}
	if err := t.bound(t.memory.dir, o.Limit); err != nil {
		t.memory = hierarchy{why: err.Error()}
	}
	return t
}

// memoryAt finds where memory can be bounded.
func (t *Tree) memoryAt(o Options) hierarchy {
	if t.freezer.dir != "" {
		if err := delegateMemory(filepath.Dir(t.freezer.dir)); err == nil {
			if err := write(t.freezer.dir, "cgroup.subtree_control", "+memory"); err == nil {
				return t.freezer
			}
		}
	}
	return prepare(o, func() (place, error) { return find(o.Root, "memory") })
}

// delegateMemory makes the groups below dir, which is ours, ones that can
// bound memory.
func delegateMemory(dir string) error {
	if !has(dir, "cgroup.controllers", "memory") {
		return errors.New("there is no memory controller")
	}
	if has(dir, "cgroup.subtree_control", "memory") {
		return nil
	}
	if err := write(dir, "cgroup.subtree_control", "+memory"); err == nil {
		return nil
	}
	// A group with processes can't have such groups below it: if we are the
	// only one, we move.
	pids, err := members(dir)
	if err != nil || !slices.Equal(pids, []int{os.Getpid()}) {
		return errors.New("other processes are in this group")
	}
	leaf := filepath.Join(dir, serverLeaf)
	if err := os.Mkdir(leaf, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if err := write(leaf, "cgroup.procs", strconv.Itoa(os.Getpid())); err != nil {
		return err
	}
	return write(dir, "cgroup.subtree_control", "+memory")
}

// prepare makes the platform's folder in a hierarchy.
func prepare(o Options, find func() (place, error)) hierarchy {
	at, err := find()
	if err != nil {
		return hierarchy{why: err.Error()}
	}
	own := at.dir
	if filepath.Base(own) == serverLeaf {
		own = filepath.Dir(own)
	}
	h := hierarchy{dir: filepath.Join(own, o.Name), v2: at.v2}
	if o.Beside {
		h.dir += besideMark + strconv.Itoa(os.Getpid())
	} else {
		left, _ := filepath.Glob(h.dir + besideMark + "*") // the pattern is good
		for _, dir := range left {
			clear(dir)
		}
	}
	clear(h.dir)
	for _, dir := range []string{h.dir, filepath.Join(h.dir, shared)} {
		if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
			return hierarchy{why: fmt.Sprintf("no group can be made: %v", err)}
		}
	}
	return h
}

// WhyNoMemory says why memory is not bounded by groups, "" when it is.
func (t *Tree) WhyNoMemory() string {
	if t == nil {
		return "there are no groups"
	}
	return t.memory.why
}

// WhyNoFreezer says why processes can't be frozen, "" when they can.
func (t *Tree) WhyNoFreezer() string {
	if t == nil {
		return "there are no groups"
	}
	return t.freezer.why
}

// Limit is what all groups may take together, 0 when that is not bounded.
func (t *Tree) Limit() int64 {
	if t == nil || t.memory.dir == "" {
		return 0
	}
	return t.limit
}

// Join puts a process, and all that it starts, into the group of those that
// have none of their own.
func (t *Tree) Join(pid int) error {
	if t == nil {
		return nil
	}
	var errs []error
	for _, h := range t.hierarchies() {
		errs = append(errs, write(filepath.Join(h.dir, shared), "cgroup.procs", strconv.Itoa(pid)))
	}
	return errors.Join(errs...)
}

// hierarchies are those that can be used, each once.
func (t *Tree) hierarchies() []hierarchy {
	var list []hierarchy
	for _, h := range []hierarchy{t.memory, t.freezer} {
		if h.dir != "" && !slices.Contains(list, h) {
			list = append(list, h)
		}
	}
	return list
}

// Used is how much memory all groups take, pages of files that the kernel
// would give up left out.
func (t *Tree) Used() (int64, bool) {
	if t == nil || t.memory.dir == "" {
		return 0, false
	}
	name, inactive := "memory.usage_in_bytes", "total_inactive_file"
	if t.memory.v2 {
		name, inactive = "memory.current", "inactive_file"
	}
	used, err := number(t.memory.dir, name)
	if err != nil {
		return 0, false
	}
	return max(0, used-field(t.memory.dir, "memory.stat", inactive)), true
}

// SharedKills counts the processes without a group of their own that the
// kernel has killed for memory.
func (t *Tree) SharedKills() int64 {
	if t == nil || t.memory.dir == "" {
		return 0
	}
	return t.memory.kills(filepath.Join(t.memory.dir, shared))
}

func (h hierarchy) kills(dir string) int64 {
	if h.v2 {
		return field(dir, "memory.events", "oom_kill")
	}
	return field(dir, "memory.oom_control", "oom_kill")
}

// bound sets the limit of a group; 0 leaves it as it is.
func (t *Tree) bound(dir string, bytes int64) error {
	if bytes <= 0 {
		return nil
	}
	text := strconv.FormatInt(bytes, 10)
	if !t.memory.v2 {
		return write(dir, "memory.limit_in_bytes", text)
	}
	_ = write(dir, "memory.swap.max", "0") // absent without swap
	return write(dir, "memory.max", text)
}

// Close ends what is left in the groups and removes them.
func (t *Tree) Close() {
	if t == nil {
		return
	}
	for _, h := range t.hierarchies() {
		clear(h.dir)
	}
}

// clear thaws, kills and removes all that is at and below dir.
func clear(dir string) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return
	}
	for _, e := range entries {
		if e.IsDir() {
			clear(filepath.Join(dir, e.Name()))
		}
	}
	_ = write(dir, "cgroup.freeze", "0") // version 1 has none, nor the next
	_ = write(dir, "cgroup.kill", "1")
	remove(dir)
}

// remove removes a group once those in it, who are killed, have left.
func remove(dir string) {
	for until := time.Now().Add(settle); ; time.Sleep(time.Millisecond) { //nolint:forbidigo // the kernel gives no signal on version 1
		pids, _ := members(dir)
		for _, pid := range pids {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
		if err := os.Remove(dir); err == nil || !errors.Is(err, syscall.EBUSY) || time.Now().After(until) {
			return
		}
	}
}

func members(dir string) ([]int, error) {
	raw, err := os.ReadFile(filepath.Join(dir, "cgroup.procs"))
	if err != nil {
		return nil, err
	}
	var pids []int
	for _, word := range strings.Fields(string(raw)) {
		if pid, err := strconv.Atoi(word); err == nil && pid > 0 {
			pids = append(pids, pid)
		}
	}
	return pids, nil
}

func write(dir, name, text string) error {
	f, err := os.OpenFile(filepath.Join(dir, name), os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}

func number(dir, name string) (int64, error) {
	raw, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(strings.TrimSpace(string(raw)), 10, 64)
}

// field returns a number from a file of lines "name number", 0 when there is none.
func field(dir, file, name string) int64 {
	f, err := os.Open(filepath.Join(dir, file))
	if err != nil {
		return 0
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if rest, ok := strings.CutPrefix(lines.Text(), name+" "); ok {
			n, _ := strconv.ParseInt(rest, 10, 64) // 0 is what is not known
			return n
		}
	}
	return 0
}

func has(dir, name, word string) bool {
	raw, err := os.ReadFile(filepath.Join(dir, name))
	return err == nil && slices.Contains(strings.Fields(string(raw)), word)
}
