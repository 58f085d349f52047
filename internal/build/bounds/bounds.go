// Package bounds runs the commands of an installation, which end together when
// they take more than they may.
package bounds

import (
	"context"
	"io/fs"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/runagent/runagent/internal/fault"
)

// Bounds are what one installation may take. Zero values bound nothing.
type Bounds struct {
	Time time.Duration
	// Memory is of all processes of the installer together, where the system
	// tells it: on Linux.
	Memory int64
	// Disk is of the environment, and of what the installer writes besides.
	Disk int64
}

// How often is looked at what an installation takes. Looking at the disk takes
// long itself, so it rests diskRests times as long as that took.
const (
	lookEvery = 200 * time.Millisecond
	diskEvery = time.Second
	diskRests = 20
)

// Run is one installation. Its commands run one after the other.
type Run struct {
	ctx    context.Context //nolint:containedctx // of one installation
	cancel context.CancelCauseFunc
	runs   atomic.Int64 // the process that is above all that run now, 0 for none
	wg     sync.WaitGroup
}

// Begin begins an installation in the folders dirs, which ends with ctx, or
// when it takes more than o; End must be called.
func Begin(ctx context.Context, o Bounds, dirs ...string) *Run {
	w := &Run{}
	w.ctx, w.cancel = context.WithCancelCause(ctx)
	if o.Time > 0 || o.Memory > 0 || o.Disk > 0 {
		w.wg.Go(func() { w.watch(o, dirs) })
	}
	return w
}

// End ends the installation.
func (w *Run) End() {
	w.cancel(nil)
	w.wg.Wait()
}

// Context ends with the installation. Its cause is then that of Begin's, or a
// *fault.Error that says what the installation took too much of.
func (w *Run) Context() context.Context { return w.ctx }

// Command returns the command that argv says, to be set up and given to Do.
func (w *Run) Command(argv []string) *exec.Cmd {
	cmd := exec.CommandContext(w.ctx, argv[0], argv[1:]...)
	cmd.WaitDelay = 2 * time.Second
	return cmd
}

// Do runs a command to its end. On Linux what it has started ends with it, and
// when the installation or this process does, whatever it did to get away; files
// that cmd has besides the standard ones are open until then, and not the
// command's. Elsewhere its process group ends with the installation.
func (w *Run) Do(cmd *exec.Cmd) error {
	// The death signal follows the thread that started the process, not the
	// process that owns the thread: it must live as long as the installer.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := start(cmd); err != nil {
		return err
	}
	w.runs.Store(int64(cmd.Process.Pid))
	defer w.runs.Store(0)
	return cmd.Wait()
}

// watch ends the installation when it takes too much.
func (w *Run) watch(o Bounds, dirs []string) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	began := time.Now()
	next := began.Add(diskEvery)
	for {
		select {
		case <-tick.C:
		case <-w.ctx.Done():
			return
		}
		switch {
		case o.Time > 0 && time.Since(began) > o.Time:
			w.cancel(tooMuch("took longer than %s", o.Time).WithSuggestion(
				"Require packages that have wheels for this Python, or allow more with --build-timeout of `runagent platform start`."))
		case o.Memory > 0 && w.takes() > o.Memory:
			w.cancel(tooMuch("took more than %d MiB of memory", o.Memory>>20).WithSuggestion(
				"Require packages that have wheels for this Python, or allow more with --build-memory of `runagent platform start`."))
		case o.Disk > 0 && time.Now().After(next):
			looked := time.Now()
			if taken(dirs) > o.Disk {
				w.cancel(tooMuch("took more than %d MiB of disk", o.Disk>>20).WithSuggestion(
					"Require less, or allow more with --build-disk of `runagent platform start`."))
			}
			next = time.Now().Add(max(diskEvery, diskRests*time.Since(looked)))
		}
	}
}

func tooMuch(format string, args ...any) *fault.Error {
	return fault.New(fault.AgentUnavailable, "the installation "+format+", and was ended", args...)
}

// takes is what the installer's processes have in memory.
func (w *Run) takes() int64 {
	pid := int(w.runs.Load())
	if pid == 0 {
		return 0
	}
	return memory(pid)
}

// taken is what the files below dirs take on the disk. Files that vanish
// meanwhile count nothing, and those that the package cache holds too, little.
func taken(dirs []string) int64 {
	var total int64
	for _, dir := range dirs {
		_ = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
			if err != nil {
				return nil //nolint:nilerr // it is gone
			}
			if info, err := d.Info(); err == nil {
				if stat, ok := info.Sys().(*syscall.Stat_t); ok {
					total += stat.Blocks * 512
				}
			}
			return nil
		})
	}
	return total
}
