// Package none is the sandbox driver without isolation: processes run as the
// user who started the server, with the machine in sight. It still owns their
// lives: nothing it started outlives the server, however that ends.
package none

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/runagent/runagent/internal/offspring"
	"github.com/runagent/runagent/internal/sandbox"
	"github.com/runagent/runagent/internal/sandbox/cgroup"
)

// Options configures a Driver.
type Options struct {
	// Groups are where processes are put, which makes the level process; nil puts
	// them nowhere.
	Groups *cgroup.Tree
	Log    *slog.Logger
}

// Driver starts processes through a guard, which it starts when first needed.
type Driver struct {
	o      Options
	memory *memoryKills

	mu       sync.Mutex // guards all that follows
	guard    *guardLink
	procs    map[int]*process
	early    map[int]int // exits reported before their process was known
	starting int         // starts and forks under way: no sweep meanwhile
	watched  []*process  // whose memory is looked at
	closed   bool
	wg       sync.WaitGroup
}

type guardLink struct {
	conn    *net.UnixConn
	cmd     *exec.Cmd
	next    int
	waiting map[int]chan started
	gone    chan struct{}
}

type started struct {
	report report
	pidfd  int
}

// New returns a Driver.
func New(o Options) *Driver {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Driver{o: o, memory: newMemoryKills(), procs: map[int]*process{}, early: map[int]int{}}
}

// Capabilities implements sandbox.Driver.
func (d *Driver) Capabilities() sandbox.Capabilities {
	level := "none"
	if d.o.Groups != nil {
		level = "process"
	}
	return sandbox.Capabilities{Level: level, Fork: true, Freeze: d.o.Groups.WhyNoFreezer() == ""}
}

// Start implements sandbox.Driver.
func (d *Driver) Start(ctx context.Context, spec sandbox.Spec) (sandbox.Process, error) {
	p, err := d.start(ctx, spec)
	if err != nil {
		return nil, err
	}
	return p, nil
}

// StartZygote implements sandbox.Driver.
func (d *Driver) StartZygote(ctx context.Context, spec sandbox.Spec) (sandbox.Zygote, error) {
	ours, theirs, err := packetPair()
	if err != nil {
		return nil, err
	}
	defer theirs.Close()
	spec.Files = append([]*os.File{theirs}, spec.Files...)
	p, err := d.start(ctx, spec)
	if err != nil {
		ours.Close()
		return nil, err
	}
	z := &zygote{process: p, driver: d, conn: ours, forks: map[string]chan forked{}, ready: make(chan sandbox.Imported, 1)}
	d.wg.Go(z.receive)
	return z, nil
}

// Close implements sandbox.Driver: the guard kills everything when its
// connection ends, then exits.
func (d *Driver) Close() error {
	d.mu.Lock()
	d.closed = true
	g := d.guard
	d.guard = nil
	d.mu.Unlock()
	if g == nil {
		return nil
	}
	// The reader of the connection sees its end and unblocks.
	_ = g.conn.CloseWrite()
	<-g.gone
	err := g.cmd.Wait()
	d.lost()
	d.wg.Wait()
	if err != nil {
		return fmt.Errorf("guard: %w", err)
	}
	return nil
}

func (d *Driver) start(ctx context.Context, spec sandbox.Spec) (*process, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", os.DevNull, err)
	}
	defer null.Close()
	files := []*os.File{null, orNull(spec.Stdout, null), orNull(spec.Stderr, null)}
	files = append(files, spec.Files...)

	d.mu.Lock()
	g, err := d.ensureGuard()
	if err != nil {
		d.mu.Unlock()
		return nil, err
	}
	g.next++
	id, answer := g.next, make(chan started, 1)
	g.waiting[id] = answer
	d.starting++
	d.mu.Unlock()
	defer d.started()

	msg, err := json.Marshal(order{ID: id, Argv: spec.Argv, Env: spec.Env, Dir: spec.Dir, Files: len(spec.Files)})
	if err != nil {
		return nil, fmt.Errorf("encode start request: %w", err)
	}
	if err := sendFiles(g.conn, msg, files...); err != nil {
		return nil, fmt.Errorf("ask guard to start %s: %w", spec.Argv[0], err)
	}
	select {
	case s := <-answer:
		if s.report.Error != "" {
			return nil, fmt.Errorf("start %s: %s", spec.Argv[0], s.report.Error)
		}
		return d.adopt(s.report.PID, s.pidfd), nil
	case <-g.gone:
		return nil, errors.New("the guard process ended")
	case <-ctx.Done():
		// It may still start: the answer is then nobody's, and the sweep kills it.
		return nil, ctx.Err()
	}
}

// ensureGuard returns the running guard, starting one if needed. d.mu is held.
func (d *Driver) ensureGuard() (*guardLink, error) {
	if d.closed {
		return nil, errors.New("the driver is closed")
	}
	if d.guard != nil {
		return d.guard, nil
	}
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find own program: %w", err)
	}
	ours, theirs, err := packetPair()
	if err != nil {
		return nil, err
	}
	defer theirs.Close()
	cmd := exec.Command(self, guardCommand)
	cmd.ExtraFiles = []*os.File{theirs}
	cmd.Stderr = os.Stderr
	cmd.Env = append(os.Environ(), "GOMAXPROCS=1", "GOGC=25", "GOTRACEBACK=none")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		ours.Close()
		return nil, fmt.Errorf("start guard: %w", err)
	}
	// All that it starts is in its group, from the first moment.
	if err := d.o.Groups.Join(cmd.Process.Pid); err != nil {
		d.o.Log.Warn("processes are not in a group of their own", "error", err)
	}
	g := &guardLink{conn: ours, cmd: cmd, waiting: map[int]chan started{}, gone: make(chan struct{})}
	d.guard = g
	d.wg.Go(func() { d.listen(g) })
	return g, nil
}

// listen takes the guard's reports until it is gone.
func (d *Driver) listen(g *guardLink) {
	buf := make([]byte, maxPacket)
	for {
		n, files, err := recvFiles(g.conn, buf)
		if err != nil || n == 0 {
			break
		}
		var r report
		if err := json.Unmarshal(buf[:n], &r); err != nil {
			closeAll(files)
			continue
		}
		d.handle(g, r, files)
	}
	g.conn.Close()
	close(g.gone)
	d.mu.Lock()
	crashed := d.guard == g
	if crashed {
		d.guard = nil
	}
	d.mu.Unlock()
	if crashed {
		err := g.cmd.Wait()
		d.o.Log.Error("the guard process ended; what it guarded is killed", "error", err)
		d.lost()
	}
}

func (d *Driver) handle(g *guardLink, r report, files []*os.File) {
	if r.Exited != 0 {
		d.exited(r.Exited, r.Status)
		return
	}
	pidfd := -1
	if len(files) == 1 {
		pidfd = dup(files[0])
	}
	closeAll(files)
	d.mu.Lock()
	answer := g.waiting[r.ID]
	delete(g.waiting, r.ID)
	d.mu.Unlock()
	if answer == nil {
		return
	}
	answer <- started{r, pidfd}
}

// adopt makes a process known.
func (d *Driver) adopt(pid, pidfd int) *process {
	p := &process{driver: d, pid: pid, pidfd: pidfd, done: make(chan struct{}), kills: d.o.Groups.SharedKills(), before: d.memory.now()}
	d.mu.Lock()
	d.procs[pid] = p
	status, ended := d.early[pid]
	delete(d.early, pid)
	d.mu.Unlock()
	if ended {
		d.exited(pid, status)
	}
	return p
}

// exited settles a process that ended, and ends what it left behind.
func (d *Driver) exited(pid, status int) {
	d.mu.Lock()
	p := d.procs[pid]
	delete(d.procs, pid)
	if p == nil && d.starting > 0 {
		d.early[pid] = status
	}
	d.mu.Unlock()
	if p == nil {
		return
	}
	p.settle(sandbox.ExitOf(status))
	d.sweep()
}

// started ends a start or fork and sweeps what was not swept meanwhile.
func (d *Driver) started() {
	d.mu.Lock()
	d.starting--
	if d.starting == 0 {
		clear(d.early)
	}
	d.mu.Unlock()
	d.sweep()
}

// sweep kills the orphans of processes that ended: children of the guard that
// are not known. A process being started is not known yet, so sweeping waits.
func (d *Driver) sweep() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.guard == nil || d.starting > 0 {
		return
	}
	for _, pid := range offspring.Children(d.guard.cmd.Process.Pid) {
		if d.procs[pid] == nil {
			offspring.KillTree(pid)
		}
	}
}

// lost settles everything after the guard went.
func (d *Driver) lost() {
	d.mu.Lock()
	procs := d.procs
	d.procs = map[int]*process{}
	d.mu.Unlock()
	for _, p := range procs {
		p.Kill()
		p.settle(sandbox.Exit{})
	}
}

// process is one process; the kernel's descriptor for it makes killing safe
// against reuse of its number.
type process struct {
	driver *Driver
	pid    int
	done   chan struct{}
	exit   sandbox.Exit
	kills  int64 // for memory that there had been before in the groups of ours
	before int64 // the same in the server's own group

	mu     sync.Mutex // guards all that follows
	pidfd  int
	killed bool
	over   bool            // its limit, as was seen
	group  *cgroup.Bounded // nil without
	limit  int64
}

func (p *process) PID() int              { return p.pid }
func (p *process) Done() <-chan struct{} { return p.done }
func (p *process) Exit() sandbox.Exit    { return p.exit }

// Kill implements sandbox.Process.
func (p *process) Kill() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.pidfd < 0 || unix.PidfdSendSignal(p.pidfd, unix.SIGSTOP, nil, 0) != nil {
		return
	}
	// Its socket ends before it does: who sees that and kills it is not the cause.
	p.killed = p.killed || !exiting(p.pid)
	for _, k := range offspring.Children(p.pid) {
		offspring.KillTree(k)
	}
	_ = unix.PidfdSendSignal(p.pidfd, unix.SIGKILL, nil, 0)
}

func (p *process) settle(e sandbox.Exit) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.pidfd >= 0 {
		unix.Close(p.pidfd)
		p.pidfd = -1
	}
	select {
	case <-p.done:
	default:
		p.exit = p.blame(e)
		if p.group != nil {
			p.driver.wg.Go(p.group.Remove)
		}
		close(p.done)
	}
}

func orNull(f, null *os.File) *os.File {
	if f == nil {
		return null
	}
	return f
}

func dup(f *os.File) int {
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return -1
	}
	return fd
}

var _ sandbox.Driver = (*Driver)(nil)
