//go:build linux

package none

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/runagent/runagent/internal/garbage"
	"github.com/runagent/runagent/internal/offspring"
)

// guardCommand is the hidden command under which a program runs as a guard.
const guardCommand = "guard-processes"

// order is what the server asks of the guard; report what the guard answers.
type order struct {
	ID    int      `json:"id"`
	Argv  []string `json:"argv"`
	Env   []string `json:"env"`
	Dir   string   `json:"dir"`
	Files int      `json:"files"` // how many descriptors follow stdin, stdout and stderr
}

type report struct {
	ID     int    `json:"id,omitempty"`
	PID    int    `json:"pid,omitempty"`
	Error  string `json:"error,omitempty"`
	Exited int    `json:"exited,omitempty"` // pid
	Status int    `json:"status,omitempty"`
}

// runGuard is the process between the server and everything it starts. It is a
// child subreaper, so whatever its descendants do (setsid, double fork) they
// stay below it; when the server is gone, however it went, it kills them all
// and exits. fd is its end of a SOCK_SEQPACKET pair.
//
// The death signal of a process follows the thread that started it, so all of
// it runs locked to one thread; starting is done there only.
func runGuard(fd int) error {
	runtime.LockOSThread()
	if err := offspring.Adopt(); err != nil {
		return err
	}
	conn, err := packetConn(os.NewFile(uintptr(fd), "control"))
	if err != nil {
		return err
	}
	unix.CloseOnExec(fd)
	// Caught, not ignored: that would pass on to what is started.
	signal.Notify(make(chan os.Signal, 1), unix.SIGINT, unix.SIGTERM, unix.SIGHUP)
	// What the program's packages took to set up: the guard needs little of it.
	go func() { _ = garbage.Pace(context.Background()) }()
	g := &guard{conn: conn, orders: make(chan delivery), gone: make(chan struct{})}
	go g.receive()
	g.loop()
	offspring.KillAll()
	return nil
}

type delivery struct {
	order order
	files []*os.File
}

type guard struct {
	conn   *net.UnixConn
	orders chan delivery
	gone   chan struct{}
}

// receive reads orders until the server is gone.
func (g *guard) receive() {
	defer close(g.gone)
	buf := make([]byte, maxPacket)
	for {
		n, files, err := recvFiles(g.conn, buf)
		if err != nil || n == 0 {
			return
		}
		var o order
		if err := json.Unmarshal(buf[:n], &o); err != nil {
			closeAll(files)
			continue
		}
		g.orders <- delivery{o, files}
	}
}

// loop starts what is ordered and reaps what ends. Ended children are found
// by SIGCHLD; the ticker only covers a signal lost in a burst.
func (g *guard) loop() {
	chld := make(chan os.Signal, 16)
	notifyChild(chld)
	tick := time.NewTicker(30 * time.Second)
	defer tick.Stop()
	for {
		select {
		case d := <-g.orders:
			pid, err := start(d)
			closeAll(d.files)
			g.answer(d.order.ID, pid, err)
		case <-chld:
			g.reap()
		case <-tick.C:
			g.reap()
		case <-g.gone:
			return
		}
	}
}

// answer reports a start, with the kernel's descriptor for the process. It
// can't have been reaped yet: only loop reaps.
func (g *guard) answer(id, pid int, err error) {
	if err != nil {
		g.send(report{ID: id, Error: err.Error()})
		return
	}
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		g.send(report{ID: id, PID: pid})
		return
	}
	f := os.NewFile(uintptr(fd), "pidfd")
	defer f.Close()
	raw, err := json.Marshal(report{ID: id, PID: pid})
	if err == nil {
		_ = sendFiles(g.conn, raw, f)
	}
}

func (g *guard) send(r report) {
	raw, err := json.Marshal(r)
	if err != nil {
		return
	}
	// A server that is gone can't read: loop learns of it by itself.
	_, _ = g.conn.Write(raw)
}

func (g *guard) reap() {
	for {
		var ws syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &ws, syscall.WNOHANG, nil)
		if errors.Is(err, syscall.EINTR) {
			continue
		}
		if err != nil || pid <= 0 {
			return
		}
		g.send(report{Exited: pid, Status: int(ws)})
	}
}

// start runs an order; the process dies with this thread, that is with the guard.
func start(d delivery) (int, error) {
	if len(d.files) != d.order.Files+3 {
		return 0, fmt.Errorf("%d descriptors came, %d expected", len(d.files), d.order.Files+3)
	}
	path, err := exec.LookPath(d.order.Argv[0])
	if err != nil {
		return 0, err
	}
	fds := make([]uintptr, len(d.files))
	for i, f := range d.files {
		fds[i] = f.Fd()
	}
	pid, err := syscall.ForkExec(path, d.order.Argv, &syscall.ProcAttr{
		Dir: d.order.Dir, Env: d.order.Env, Files: fds,
		Sys: &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL},
	})
	if err == nil {
		yield(pid, startedScore)
	}
	return pid, err
}
