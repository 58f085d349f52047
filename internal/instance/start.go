package instance

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/runagent/runagent/internal/agent"
	"github.com/runagent/runagent/internal/instance/wire"
	"github.com/runagent/runagent/internal/invocation"
	"github.com/runagent/runagent/internal/sandbox"
)

// Launcher makes the process of an instance. The files stay the caller's.
type Launcher interface {
	Launch(ctx context.Context, token string, sock, stdout, stderr *os.File) (sandbox.Process, invocation.StartKind, error)
}

// startOptions is what one instance needs.
type startOptions struct {
	launcher  Launcher
	admission *Admission
	logs      func(invocation.LogLine)
	onFree    func(slotKind)
	onAnswer  func()
	onModules func([]string)
	grace     time.Duration
	memory    int64
}

// lateError is why a start has ended that took too long: how long it might take.
type lateError time.Duration

// Error implements error.
func (e lateError) Error() string {
	return fmt.Sprintf("the instance was not ready within %s: what the agent's code does when it is imported takes longer, or never ends", time.Duration(e))
}

// orLate prefers that ctx has ended for want of time to what that led to.
func orLate(ctx context.Context, err error) error {
	var imp *ImportError
	if late, ok := context.Cause(ctx).(lateError); ok && !errors.As(err, &imp) { //nolint:errorlint // the cause itself
		return late
	}
	return err
}

// start makes an instance and returns it when it is ready. Errors:
// *ImportError when the agent's code can't be imported.
func start(ctx context.Context, o startOptions) (*Instance, invocation.StartKind, error) {
	token := rand.Text()
	ours, theirs, err := streamPair()
	if err != nil {
		return nil, "", err
	}
	defer theirs.Close()
	in := &Instance{
		ID: strings.ToLower(token[:8]), conn: ours, admission: o.admission, logs: o.logs,
		onFree: o.onFree, onAnswer: o.onAnswer, onModules: o.onModules, grace: o.grace,
		out: wire.NewOutbox(ours), calls: map[uint32]*inflight{}, ended: make(chan struct{}), closing: make(chan struct{}),
	}
	outR, outW, err := os.Pipe()
	if err != nil {
		ours.Close()
		return nil, "", fmt.Errorf("make pipe: %w", err)
	}
	defer outW.Close()
	errR, errW, err := os.Pipe()
	if err != nil {
		ours.Close()
		outR.Close()
		return nil, "", fmt.Errorf("make pipe: %w", err)
	}
	defer errW.Close()
	proc, kind, err := o.launcher.Launch(ctx, token, theirs, outW, errW)
	if err != nil {
		ours.Close()
		outR.Close()
		errR.Close()
		return nil, "", orLate(ctx, err)
	}
	in.proc = proc
	in.wg.Go(func() { in.drain(outR, "stdout") })
	in.wg.Go(func() { in.drain(errR, "stderr") })
	// A forked child of user code may hold the socket open after the instance
	// has died: what is left to read then comes at once or never.
	in.wg.Go(func() {
		<-proc.Done()
		_ = ours.SetReadDeadline(time.Now().Add(200 * time.Millisecond))
	})
	fr := wire.NewReader(ours)
	if err := in.handshake(ctx, fr, token, o.memory); err != nil {
		proc.Kill()
		<-proc.Done()
		ours.Close()
		var imp *ImportError
		if !errors.As(err, &imp) && ctx.Err() == nil && proc.Exit().Known && (proc.Exit().OOM || proc.Exit().Signal != syscall.SIGKILL) {
			err = fmt.Errorf("the instance ended before it was ready: %s", proc.Exit())
		}
		return nil, "", orLate(ctx, err)
	}
	in.wg.Go(func() { in.read(fr) })
	return in, kind, nil
}

// handshake takes the instance from hello to ready. Its memory is bounded
// before any user code runs.
func (in *Instance) handshake(ctx context.Context, fr *wire.Reader, token string, memory int64) error {
	stop := context.AfterFunc(ctx, func() { _ = in.conn.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	hello, err := in.await(fr, wire.Hello)
	if err != nil {
		return fmt.Errorf("wait for hello: %w", err)
	}
	var h struct {
		Token    string `json:"token"`
		Protocol int    `json:"protocol"`
	}
	if err := json.Unmarshal(hello, &h); err != nil || h.Token != token || h.Protocol != 1 {
		return fmt.Errorf("the process said hello with another token or protocol")
	}
	if err := in.proc.LimitMemory(memory); err != nil {
		return fmt.Errorf("limit the memory of the instance: %w", err)
	}
	admit, err := json.Marshal(in.admission)
	if err != nil {
		return fmt.Errorf("encode admission: %w", err)
	}
	if _, err := in.out.Payload(wire.Admit, 0, nil, admit); err != nil {
		return fmt.Errorf("send admission: %w", err)
	}
	ready, err := in.await(fr, wire.Ready)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(ready, &in.ready); err != nil {
		return fmt.Errorf("decode READY frame: %w", err)
	}
	in.index = make(map[string]int, len(in.ready.Callables))
	for i, c := range in.ready.Callables {
		in.index[c.Tag] = i
	}
	return nil
}

// await reads frames up to one of the wanted kind and returns its payload.
func (in *Instance) await(fr *wire.Reader, want byte) ([]byte, error) {
	var parts wire.Joint
	for {
		f, err := fr.Next()
		if err != nil {
			return nil, err
		}
		switch f.Kind {
		case wire.Log:
			if err := in.handleLog(&f); err != nil {
				return nil, err
			}
		case want, wire.Failed:
			payload, ok, err := parts.Add(fr, &f, maxResult)
			if err != nil {
				return nil, err
			}
			if !ok {
				continue
			}
			if f.Kind == want {
				return payload, nil
			}
			imp := &ImportError{}
			if err := json.Unmarshal(payload, imp); err != nil {
				return nil, fmt.Errorf("decode FAILED frame: %w", err)
			}
			return nil, imp
		}
	}
}

// streamPair makes a connected pair of stream sockets.
func streamPair() (ours net.Conn, theirs *os.File, err error) {
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("make socket pair: %w", err)
	}
	for _, fd := range fds {
		syscall.CloseOnExec(fd)
		_ = syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_SNDBUF, 2*wire.MaxPayload)
	}
	theirs = os.NewFile(uintptr(fds[1]), "instance")
	f := os.NewFile(uintptr(fds[0]), "instance")
	defer f.Close()
	ours, err = net.FileConn(f)
	if err != nil {
		theirs.Close()
		return nil, nil, fmt.Errorf("use socket: %w", err)
	}
	return ours, theirs, nil
}

// slotKind says which bound a call counts against.
type slotKind int

const (
	slotSync slotKind = iota
	slotAsync
	slotKinds
)

// kindOf says which bound calls to c count against. Batch calls only wait for
// their list, so they count as async.
func kindOf(c agent.Callable) slotKind {
	if c.Type == agent.Async || c.Type == agent.Batch {
		return slotAsync
	}
	return slotSync
}
