//go:build !linux

// Package none is the sandbox driver without isolation: processes run as the
// user who started the server, with the machine in sight. Outside Linux it
// starts them plainly, each in a session of its own that ends with it.
package none

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os/exec"
	"sync"
	"syscall"

	"github.com/runagent/runagent/internal/sandbox"
	"github.com/runagent/runagent/internal/sandbox/cgroup"
)

// Options configures a Driver.
type Options struct {
	// Groups is used on Linux only.
	Groups *cgroup.Tree
	Log    *slog.Logger
}

// Driver starts processes plainly.
type Driver struct {
	mu     sync.Mutex // guards all that follows
	procs  map[*process]struct{}
	closed bool
	wg     sync.WaitGroup
}

// New returns a Driver.
func New(Options) *Driver { return &Driver{procs: map[*process]struct{}{}} }

// Capabilities implements sandbox.Driver.
func (d *Driver) Capabilities() sandbox.Capabilities { return sandbox.Capabilities{Level: "none"} }

// StartZygote implements sandbox.Driver: forking is not safe here.
func (d *Driver) StartZygote(context.Context, sandbox.Spec) (sandbox.Zygote, error) {
	return nil, errors.New("zygotes exist on Linux only")
}

// Start implements sandbox.Driver.
func (d *Driver) Start(ctx context.Context, spec sandbox.Spec) (sandbox.Process, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	cmd := exec.Command(spec.Argv[0], spec.Argv[1:]...)
	cmd.Env, cmd.Dir, cmd.ExtraFiles = spec.Env, spec.Dir, spec.Files
	if spec.Stdout != nil {
		cmd.Stdout = spec.Stdout
	}
	if spec.Stderr != nil {
		cmd.Stderr = spec.Stderr
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return nil, errors.New("the driver is closed")
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", spec.Argv[0], err)
	}
	p := &process{cmd: cmd, done: make(chan struct{})}
	d.procs[p] = struct{}{}
	d.wg.Go(func() {
		_ = cmd.Wait() // how it ended stands in the state
		if ws, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); ok {
			p.exit = sandbox.ExitOf(int(ws))
		}
		p.Kill() // what it left behind in its session
		close(p.done)
		d.mu.Lock()
		delete(d.procs, p)
		d.mu.Unlock()
	})
	return p, nil
}

// Used is what all processes of the driver take: that is not known here.
func (d *Driver) Used() int64 { return 0 }

// Close implements sandbox.Driver.
func (d *Driver) Close() error {
	d.mu.Lock()
	d.closed = true
	for p := range d.procs {
		p.Kill()
	}
	d.mu.Unlock()
	d.wg.Wait()
	return nil
}

type process struct {
	cmd  *exec.Cmd
	done chan struct{}
	exit sandbox.Exit
}

// PID implements sandbox.Process.
func (p *process) PID() int { return p.cmd.Process.Pid }

// Done implements sandbox.Process.
func (p *process) Done() <-chan struct{} { return p.done }

// Exit implements sandbox.Process.
func (p *process) Exit() sandbox.Exit { return p.exit }

// Kill implements sandbox.Process.
func (p *process) Kill() {
	_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL) // it may be gone already
}

// Memory implements sandbox.Process: it is not known here.
func (p *process) Memory() int64 { return 0 }

// LimitMemory implements sandbox.Process: it bounds nothing here.
func (p *process) LimitMemory(int64) error { return nil }

var _ sandbox.Driver = (*Driver)(nil)
