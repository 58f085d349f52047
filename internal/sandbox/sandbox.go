// Package sandbox starts processes at an isolation level. A Driver is one way
// to do it; sandboxtest holds the one suite that every driver passes.
package sandbox

import (
	"context"
	"fmt"
	"math"
	"os"
	"strconv"
	"syscall"
)

// Driver starts processes and forks them from zygotes at one isolation level.
// Whatever a process started ends with it at the latest; its orphans may end
// earlier unless it is a subreaper (prctl(2)), as instances are.
// It is safe for concurrent use.
type Driver interface {
	// Capabilities says what this driver can do on this machine.
	Capabilities() Capabilities
	// Start runs spec and returns when the process exists. The driver closes
	// none of spec's files: they are the caller's.
	Start(ctx context.Context, spec Spec) (Process, error)
	// StartZygote runs spec as a zygote: its first file is the control socket
	// of docs/protocol.md, which the driver makes and owns.
	StartZygote(ctx context.Context, spec Spec) (Zygote, error)
	// Close ends everything the driver started, waits, and frees it.
	Close() error
}

// Capabilities describes a driver on this machine.
type Capabilities struct {
	// Level is the isolation level: none, process, namespace or container.
	Level string
	// Fork says whether zygotes work here.
	Fork bool
	// Freeze says whether zygotes can be frozen.
	Freeze bool
}

// Spec is a process to start.
type Spec struct {
	Argv []string
	Env  []string
	Dir  string
	// Files become descriptors 3, 4, … of the process; of a zygote 4, 5, …
	Files []*os.File
	// Stdout and Stderr become descriptors 1 and 2; nil means /dev/null.
	Stdout, Stderr *os.File
}

// Process is something that runs, or ran.
type Process interface {
	PID() int
	// Done is closed when the process has ended and Exit is known.
	Done() <-chan struct{}
	// Exit says how it ended; valid after Done.
	Exit() Exit
	// Kill ends the process and everything it started, at once. It may be
	// called at any time and returns without waiting.
	Kill()
	// LimitMemory bounds what the process and all that it starts from now on
	// may take together; more ends it, and Exit says so. 0 bounds nothing.
	LimitMemory(bytes int64) error
	// Memory is what ending the process alone would give back, in bytes; 0 when
	// it has ended.
	Memory() int64
}

// Zygote is a process that forks others. Its Kill ends it alone.
type Zygote interface {
	Process
	// Import asks the zygote to import modules and waits until it may fork.
	Import(ctx context.Context, modules []string) (Imported, error)
	// Fork makes a process with descriptors sock, stdout and stderr, known
	// by token until it has said hello.
	Fork(ctx context.Context, token string, sock, stdout, stderr *os.File) (Process, error)
	// Freeze stops the zygote, but none that it has forked, until Thaw. It does
	// nothing where Capabilities say that there is no freezing.
	Freeze() error
	// Thaw lets the zygote run again.
	Thaw() error
}

// Imported is what a zygote says when it may fork.
type Imported struct {
	Count    int        `json:"imported"`
	Excluded []Excluded `json:"excluded"`
	Millis   float64    `json:"import_ms"`
}

// Excluded is a module that a zygote did not keep.
type Excluded struct {
	Module string `json:"module"`
	Why    string `json:"why"`
	// Polluted says that the import left something behind that a fork would
	// break: the zygote is not usable and must be started without the module.
	Polluted bool `json:"polluted"`
}

// Exit is how a process ended.
type Exit struct {
	Known  bool
	Code   int            // of exit, when Signal is 0
	Signal syscall.Signal // that ended it
	OOM    bool           // killed for want of memory
	// Limit is the bound that it was killed for, when that is known.
	Limit int64
	// All says that Limit is of all processes together.
	All bool
	// Server says that Limit is of the server's own control group.
	Server bool
}

// ExitOf decodes a wait status.
func ExitOf(status int) Exit {
	ws := syscall.WaitStatus(status)
	if ws.Signaled() {
		return Exit{Known: true, Signal: ws.Signal()}
	}
	return Exit{Known: true, Code: ws.ExitStatus()}
}

// String says how the process ended, in words for users.
func (e Exit) String() string {
	switch {
	case !e.Known:
		return "it ended, how is not known"
	case e.OOM && e.All:
		return fmt.Sprintf("it was killed because all agents together ran out of memory: they may take %s (--max-memory)", Size(e.Limit))
	case e.OOM && e.Server && e.Limit > 0:
		return fmt.Sprintf("it was killed because it ran out of memory: this server and all that it runs may take %s (its control group)", Size(e.Limit))
	case e.OOM && e.Limit > 0:
		return fmt.Sprintf("it was killed because it ran out of memory: its limit is %s (resources.memory)", Size(e.Limit))
	case e.OOM:
		return "it was killed because it ran out of memory"
	case e.Signal != 0:
		return fmt.Sprintf("it was killed by signal %d (%s)", int(e.Signal), e.Signal)
	default:
		return fmt.Sprintf("it exited with code %d", e.Code)
	}
}

// Size is a number of bytes as people read it.
func Size(bytes int64) string {
	for _, unit := range []struct {
		name  string
		bytes int64
	}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}} {
		if bytes >= unit.bytes {
			return strconv.FormatFloat(math.Round(float64(bytes)*10/float64(unit.bytes))/10, 'f', -1, 64) + " " + unit.name
		}
	}
	return fmt.Sprintf("%d bytes", bytes)
}
