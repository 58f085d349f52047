package none

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/runagent/runagent/internal/sandbox"
	"github.com/runagent/runagent/internal/sandbox/cgroup"
)

// zygote is a process that forks others on request.
type zygote struct {
	*process
	driver *Driver
	conn   *net.UnixConn
	ready  chan sandbox.Imported

	mu    sync.Mutex // guards all that follows
	forks map[string]chan forked
	kids  []*process

	freezing sync.Mutex // guards all that follows
	resting  bool
	frozen   *cgroup.Frozen
}

type forked struct {
	pid, pidfd int
	err        string
}

// packet is one message of the control socket, both ways.
type packet struct {
	Op      string   `json:"op"`
	Token   string   `json:"token,omitempty"`
	Modules []string `json:"modules,omitempty"`
	File    bool     `json:"file,omitempty"`
	PID     int      `json:"pid,omitempty"`
	Status  int      `json:"status,omitempty"`
	Error   string   `json:"error,omitempty"`
	sandbox.Imported
}

// Import implements sandbox.Zygote.
func (z *zygote) Import(ctx context.Context, modules []string) (sandbox.Imported, error) {
	list, err := tempFile(modules)
	if err != nil {
		return sandbox.Imported{}, err
	}
	defer list.Close()
	msg, err := json.Marshal(packet{Op: "import", File: true})
	if err != nil {
		return sandbox.Imported{}, err
	}
	if err := sendFiles(z.conn, msg, list); err != nil {
		return sandbox.Imported{}, fmt.Errorf("ask zygote to import: %w", err)
	}
	select {
	case r := <-z.ready:
		return r, nil
	case <-z.Done():
		return sandbox.Imported{}, fmt.Errorf("zygote ended while importing: %s", z.Exit())
	case <-ctx.Done():
		return sandbox.Imported{}, ctx.Err()
	}
}

// tempFile holds the list of modules, which may be too long for a packet.
func tempFile(modules []string) (*os.File, error) {
	fd, err := unix.MemfdCreate("modules", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("make memory file: %w", err)
	}
	f := os.NewFile(uintptr(fd), "modules")
	if modules == nil {
		modules = []string{}
	}
	raw, err := json.Marshal(modules)
	if err == nil {
		_, err = f.WriteAt(raw, 0)
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("write list of modules: %w", err)
	}
	return f, nil
}

// Fork implements sandbox.Zygote.
func (z *zygote) Fork(ctx context.Context, token string, sock, stdout, stderr *os.File) (sandbox.Process, error) {
	answer := make(chan forked, 1)
	z.mu.Lock()
	z.forks[token] = answer
	z.mu.Unlock()
	z.driver.mu.Lock()
	z.driver.starting++
	z.driver.mu.Unlock()
	defer z.driver.started()

	msg, err := json.Marshal(packet{Op: "fork", Token: token})
	if err != nil {
		return nil, err
	}
	if err := sendFiles(z.conn, msg, sock, stdout, stderr); err != nil {
		return nil, fmt.Errorf("ask zygote to fork: %w", err)
	}
	select {
	case f := <-answer:
		if f.err != "" {
			return nil, fmt.Errorf("fork: %s", f.err)
		}
		yield(f.pid, forkedScore)
		p := z.driver.adopt(f.pid, f.pidfd)
		z.mu.Lock()
		z.kids = append(z.kids, p)
		z.mu.Unlock()
		if p.ended() { // and was forgotten before it was known
			z.forget(p.pid)
		}
		return p, nil
	case <-z.Done():
		return nil, errors.New("the zygote ended")
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Kill ends the zygote alone: what it forked lives on.
func (z *zygote) Kill() {
	z.process.mu.Lock()
	defer z.process.mu.Unlock()
	if z.pidfd >= 0 {
		_ = unix.PidfdSendSignal(z.pidfd, unix.SIGKILL, nil, 0)
	}
}

// Freeze implements sandbox.Zygote. A zygote with children runs until they have
// ended: it alone can tell how they did.
func (z *zygote) Freeze() error {
	z.freezing.Lock()
	z.resting = true
	z.freezing.Unlock()
	return z.settleFreeze()
}

// settleFreeze freezes a zygote that rests and has no children.
func (z *zygote) settleFreeze() error {
	z.mu.Lock()
	busy := len(z.kids)+len(z.forks) > 0
	z.mu.Unlock()
	z.freezing.Lock()
	defer z.freezing.Unlock()
	if busy || !z.resting || z.frozen != nil || z.ended() {
		return nil
	}
	f, err := z.driver.o.Groups.Freeze(z.pid)
	if errors.Is(err, cgroup.ErrNone) {
		return nil
	}
	z.frozen = f
	return err
}

// Thaw implements sandbox.Zygote.
func (z *zygote) Thaw() error {
	z.freezing.Lock()
	defer z.freezing.Unlock()
	z.resting = false
	if z.frozen == nil {
		return nil
	}
	err := z.frozen.Thaw()
	z.frozen = nil
	return err
}

// receive takes the zygote's messages until it is gone.
func (z *zygote) receive() {
	defer z.conn.Close()
	for {
		msg, files, err := recvWhole(z.conn)
		if err != nil || len(msg) == 0 {
			break
		}
		var p packet
		if err := json.Unmarshal(msg, &p); err == nil {
			z.handle(p, files)
		}
		closeAll(files)
	}
	// A zygote whose control socket has ended is of no use, alive or not.
	z.Kill()
	<-z.Done()
	_ = z.Thaw() // removes the group; there is no one in it
	z.abandon()
}

func (z *zygote) handle(p packet, files []*os.File) {
	switch p.Op {
	case "ready":
		select {
		case z.ready <- p.Imported:
		default:
		}
	case "forked", "fork_failed":
		f := forked{pid: p.PID, pidfd: -1, err: p.Error}
		if len(files) == 1 {
			f.pidfd = dup(files[0])
		}
		z.mu.Lock()
		answer := z.forks[p.Token]
		delete(z.forks, p.Token)
		z.mu.Unlock()
		if answer != nil {
			answer <- f
		}
	case "exit":
		z.driver.exited(p.PID, p.Status)
		z.forget(p.PID)
		if err := z.settleFreeze(); err != nil {
			z.driver.o.Log.Warn("the zygote is not frozen", "error", err)
		}
	}
}

func (z *zygote) forget(pid int) {
	z.mu.Lock()
	defer z.mu.Unlock()
	for i, k := range z.kids {
		if k.pid == pid {
			z.kids = append(z.kids[:i], z.kids[i+1:]...)
			return
		}
	}
}

// abandon settles children whose exit the zygote took with it. Those that
// live on are the guard's children now, and it reports them.
func (z *zygote) abandon() {
	z.mu.Lock()
	kids := z.kids
	z.kids = nil
	z.mu.Unlock()
	for _, k := range kids {
		if k.dead() {
			select {
			case <-k.done:
			case <-time.After(time.Second): // the guard's report of a zombie it inherited
				k.settle(sandbox.Exit{})
			}
		}
	}
}

// dead reports whether the process is gone, or a zombie nobody has reaped.
func (p *process) dead() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.pidfd < 0 {
		return true
	}
	n, err := unix.Poll([]unix.PollFd{{Fd: int32(p.pidfd), Events: unix.POLLIN}}, 0)
	return err == nil && n == 1
}

var _ sandbox.Zygote = (*zygote)(nil)
