//go:build !linux

// Package cgroup puts the processes of a platform into the kernel's control
// groups, which Linux alone has.
package cgroup

// Options configures a Tree.
type Options struct {
	// Name is unique among the platforms of this machine.
	Name string
	// Beside says that another process has the groups of that name for a while.
	Beside bool
	// Limit bounds the memory of all groups together; 0 does not.
	Limit int64
	// Root is where the files of the kernel are.
	Root string
}

// Tree is no groups.
type Tree struct{}

const why = "control groups exist on Linux only"

// Open returns a tree that can do nothing.
func Open(Options) *Tree { return &Tree{} }

// WhyNoMemory says why memory is not bounded by groups.
func (*Tree) WhyNoMemory() string { return why }

// WhyNoFreezer says why processes can't be frozen.
func (*Tree) WhyNoFreezer() string { return why }

// Limit is what all groups may take together: that is not bounded.
func (*Tree) Limit() int64 { return 0 }

// Used is how much memory all groups take: that is not known.
func (*Tree) Used() (int64, bool) { return 0, false }

// Close does nothing.
func (*Tree) Close() {}
