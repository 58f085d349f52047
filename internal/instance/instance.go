// Package instance runs agents: processes that hold user code and take many
// calls at once over one socket (docs/protocol.md), the zygotes that fork
// them, and the pools that keep the right number of them alive.
package instance

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/runagent/runagent/internal/agent"
	"github.com/runagent/runagent/internal/fault"
	"github.com/runagent/runagent/internal/instance/wire"
	"github.com/runagent/runagent/internal/invocation"
	"github.com/runagent/runagent/internal/sandbox"
)

const (
	// maxResult bounds one payload from an instance, its own limit aside:
	// a stream item or result is refused by the shim well below it.
	maxResult = 64 << 20
	// maxModules bounds one list of modules, many times what the largest agents load.
	maxModules = 16 << 20
	// graceAfterCancel is how long user code may take to end once canceled.
	graceAfterCancel = 5 * time.Second
	// graceForOthers is how long the calls beside a stuck one may go on.
	graceForOthers = 30 * time.Second
)

// Errors that end an instance.
var (
	errStuck    = errors.New("a call on it did not end after it was canceled")
	errNoAnswer = errors.New("it did not answer any more")
	errDoomed   = errors.New("instance takes no more calls")
	errOverdue  = errors.New("its revision gets no more calls, and the last ones did not end in time")
)

// Instance is one running process of a revision. It is safe for concurrent use.
type Instance struct {
	ID        string
	conn      net.Conn
	proc      sandbox.Process
	ready     Readiness
	index     map[string]int // tag → place in ready.Callables
	admission *Admission
	out       *wire.Outbox
	logs      func(invocation.LogLine)
	onFree    func(slotKind) // a slot of the kind became free
	onAnswer  func()         // it answered a ping after a cancel: no longer in doubt
	onModules func([]string) // its calls have loaded these
	grace     time.Duration

	mu     sync.Mutex // guards all that follows
	calls  map[uint32]*inflight
	nextID uint32
	doomed error // why no more calls are taken; nil while they are
	reason error // why it was killed, when we did
	// latest is the call after which none was in flight, and when it ended.
	latest    string
	latestEnd time.Time

	closing chan struct{} // closed when no more calls are taken

	pings atomic.Int64 // sent; more than pongs: in doubt
	pongs atomic.Int64
	ended chan struct{} // closed when the process and the reader have ended
	wg    sync.WaitGroup

	modules wire.Joint // of MODULES; the reader's
}

// Callables returns the entrypoints as the instance reported them.
func (in *Instance) Callables() []agent.Callable { return in.ready.Callables }

// Ended is closed when the instance is gone and every call on it has ended.
func (in *Instance) Ended() <-chan struct{} { return in.ended }

// Invoke carries one call; it returns at its end or at the end of ctx, at
// once. The slot stays taken until the instance confirms.
func (in *Instance) Invoke(ctx context.Context, call invocation.Call, emit func(invocation.Event) error) (invocation.Result, error) {
	c, err := in.begin(&call)
	if err != nil {
		return invocation.Result{}, err
	}
	var spare []arrival
	items, bytes := 0, 0
	for {
		arrived, ended := c.take(spare)
		for i := range arrived {
			if err := arrived[i].emit(ended || i < len(arrived)-1, emit); err != nil {
				in.abandon(c, wire.CancelGone)
				return invocation.Result{}, err
			}
			n, size := arrived[i].items()
			items, bytes = items+n, bytes+size
			arrived[i].data = nil
		}
		spare = arrived
		if ended {
			return in.outcome(ctx, c)
		}
		if items >= creditItems/2 || bytes >= creditBytes/2 {
			in.send(func(b []byte) []byte { return wire.AppendCredit(b, c.id, items, bytes) })
			items, bytes = 0, 0
		}
		select {
		case <-c.wake:
		case <-ctx.Done():
			in.abandon(c, cancelReason(ctx, &call))
			return invocation.Result{}, context.Cause(ctx)
		}
	}
}

func cancelReason(ctx context.Context, call *invocation.Call) byte {
	if !call.Deadline.IsZero() && !time.Now().Before(call.Deadline) {
		return wire.CancelDeadline
	}
	return wire.CancelGone
}

// begin registers the call and sends it.
func (in *Instance) begin(call *invocation.Call) (*inflight, error) {
	place, ok := in.index[call.Entrypoint]
	if !ok {
		return nil, fault.New(fault.EntrypointNotFound, "entrypoint %q not found", call.Entrypoint)
	}
	c := &inflight{invocation: call.ID, slot: kindOf(in.ready.Callables[place]), wake: make(chan struct{}, 1)}
	in.mu.Lock()
	if in.doomed != nil {
		in.mu.Unlock()
		return nil, errDoomed
	}
	in.nextID++
	for in.nextID == 0 || in.calls[in.nextID] != nil {
		in.nextID++
	}
	c.id = in.nextID
	in.calls[c.id] = c
	in.mu.Unlock()

	var head [wire.CallHeadSize]byte
	meta := callMetadata(call)
	h := wire.CallHead{Entrypoint: uint16(place), DeadlineMS: millisLeft(call.Deadline), CreditItems: creditItems, CreditBytes: creditBytes}
	if call.Tame {
		h.Flags = wire.CallTame
	}
	fixed := wire.AppendCallHead(head[:0], h, len(meta), len(call.Args))
	c.sent, _ = in.out.Payload(wire.Call, c.id, fixed, meta, call.Args, call.Kwargs) // as with send
	return c, nil
}

func millisLeft(deadline time.Time) uint32 {
	if deadline.IsZero() {
		return 0
	}
	return uint32(max(1, min(time.Until(deadline).Milliseconds(), 1<<31)))
}

// send writes frames. A failed write means that the instance is going: its
// reader will see that and end all calls.
func (in *Instance) send(add func([]byte) []byte) {
	_ = in.out.Write(add)
}

// abandon cancels a call whose caller has gone, and starts the clock by which
// the instance must confirm.
func (in *Instance) abandon(c *inflight, reason byte) {
	c.mu.Lock()
	if c.ended || c.abandoned {
		c.mu.Unlock()
		return
	}
	c.abandoned = true
	c.arrived = nil
	c.pongsAtCancel = in.pongs.Load()
	in.pings.Add(1)
	c.overdue = time.AfterFunc(in.grace, func() { in.stuck(c) })
	c.mu.Unlock()
	_ = in.out.After(c.id, func(b []byte) []byte { // as with send
		return wire.AppendFrame(wire.AppendFrame(b, wire.Cancel, c.id, reason), wire.Ping, 0)
	})
}

// stuck deals with a call that outlived its grace. An instance that did not
// even answer a ping is killed; otherwise the other calls may go on a while.
func (in *Instance) stuck(c *inflight) {
	if in.pongs.Load() == c.pongsAtCancel {
		in.kill(errNoAnswer)
		return
	}
	in.doom(errStuck)
	in.wg.Go(func() {
		t := time.NewTimer(graceForOthers)
		defer t.Stop()
		tick := time.NewTicker(50 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-in.ended:
				return
			case <-t.C:
				in.kill(errStuck)
				return
			case <-tick.C:
				if in.onlyAbandoned() {
					in.kill(errStuck)
					return
				}
			}
		}
	})
}

// onlyAbandoned reports whether no call is left that somebody waits for.
func (in *Instance) onlyAbandoned() bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	for _, c := range in.calls {
		c.mu.Lock()
		waited := !c.abandoned
		c.mu.Unlock()
		if waited {
			return false
		}
	}
	return true
}

// doom stops the instance from taking calls.
func (in *Instance) doom(why error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.doomed == nil {
		in.doomed = why
		close(in.closing)
	}
}

// inDoubt reports whether the instance has yet to answer since a call on it
// was canceled: it may be held by C code, and its calls would die with it.
func (in *Instance) inDoubt() bool { return in.pings.Load() > in.pongs.Load() }

func (in *Instance) isDoomed() bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.doomed != nil
}

func (in *Instance) kill(why error) {
	in.doom(why)
	in.mu.Lock()
	if in.reason == nil {
		in.reason = why
	}
	in.mu.Unlock()
	in.proc.Kill()
}

// Stop lets the calls in flight finish, until ctx ends, then ends the instance.
func (in *Instance) Stop(ctx context.Context) {
	in.doom(errDoomed)
	in.send(func(b []byte) []byte { return wire.AppendFrame(b, wire.Stop, 0) })
	select {
	case <-in.ended:
	case <-ctx.Done():
		in.kill(errOverdue)
		<-in.ended
	}
	in.wg.Wait()
}

// outcome turns an ended call into what its caller gets.
func (in *Instance) outcome(ctx context.Context, c *inflight) (invocation.Result, error) {
	if c.sent != nil { // an instance may answer before it has read everything
		select {
		case <-c.sent:
		case <-ctx.Done():
			return invocation.Result{}, context.Cause(ctx)
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.failure != nil:
		return invocation.Result{Usage: c.failure.Usage}, c.failure.fault()
	case c.err != nil:
		return invocation.Result{}, c.err
	}
	r := invocation.Result{Output: c.result.Output, Memory: c.memory}
	if len(c.result.Meta) > 0 {
		var meta struct {
			Usage json.RawMessage `json:"usage"`
		}
		if err := json.Unmarshal(c.result.Meta, &meta); err == nil {
			r.Usage = meta.Usage
		}
	}
	return r, nil
}

// read takes frames until the socket ends, then settles every call.
func (in *Instance) read(fr *wire.Reader) {
	var err error
	for err == nil {
		var f wire.Frame
		if f, err = fr.Next(); err == nil {
			err = in.handle(fr, &f)
		}
	}
	in.doom(errDoomed)
	if !errors.Is(err, io.EOF) && !errors.Is(err, os.ErrDeadlineExceeded) {
		in.proc.Kill() // it broke the protocol, or died inside a frame
	}
	in.conn.Close()
	in.settle()
}

// settle waits for the process' end and fails what was in flight with it.
func (in *Instance) settle() {
	t := time.AfterFunc(time.Second, in.proc.Kill)
	<-in.proc.Done()
	t.Stop()
	in.mu.Lock()
	calls := in.calls
	in.calls = map[uint32]*inflight{}
	in.mu.Unlock()
	err := in.deathFault()
	for _, c := range calls {
		c.finish(func() { c.err = err })
	}
	close(in.ended)
}

// obituary says how an instance that has ended did so.
func (in *Instance) obituary() string {
	in.mu.Lock()
	reason := in.reason
	in.mu.Unlock()
	if reason != nil && !errors.Is(reason, errDoomed) {
		return "it was killed because " + reason.Error()
	}
	return in.proc.Exit().String()
}

// deathFault says to a caller how the instance under its call ended.
func (in *Instance) deathFault() error {
	exit := in.proc.Exit()
	details := map[string]any{"type": "InstanceDied", "instance": in.ID}
	if exit.Known && exit.Signal != 0 {
		details["signal"] = int(exit.Signal)
	} else if exit.Known {
		details["exit_code"] = exit.Code
	}
	if exit.OOM {
		details["out_of_memory"] = true
		if exit.Limit > 0 {
			details["memory_limit_bytes"] = exit.Limit
		}
	}
	text := in.obituary()
	details["message"] = text
	return fault.New(fault.Execution, "the instance running this call ended: %s", text).WithDetails(details)
}

// handle acts on one frame; an error ends the instance.
func (in *Instance) handle(fr *wire.Reader, f *wire.Frame) error {
	switch f.Kind {
	case wire.Log:
		return in.handleLog(f)
	case wire.Pong:
		if in.pongs.Add(1) == in.pings.Load() {
			in.onAnswer()
		}
		return nil
	case wire.Modules:
		return in.handleModules(fr, f)
	case wire.Chunk, wire.Chunks, wire.Result, wire.Error:
	default:
		return nil // of a newer shim
	}
	in.mu.Lock()
	c := in.calls[f.Call]
	in.mu.Unlock()
	if c == nil {
		return fmt.Errorf("frame %d for unknown call %d", f.Kind, f.Call)
	}
	payload, ok, err := c.joint.Add(fr, f, maxResult)
	if !ok || err != nil {
		return err
	}
	if f.Kind == wire.Chunk || f.Kind == wire.Chunks {
		c.add(f.Kind, payload)
		return nil
	}
	if err := c.settleWith(f.Kind, payload); err != nil {
		return err
	}
	in.mu.Lock()
	delete(in.calls, f.Call)
	if len(in.calls) == 0 {
		in.latest, in.latestEnd = c.invocation, time.Now()
	}
	in.mu.Unlock()
	in.onFree(c.slot)
	return nil
}

// handleModules passes on what calls have loaded.
func (in *Instance) handleModules(fr *wire.Reader, f *wire.Frame) error {
	payload, ok, err := in.modules.Add(fr, f, maxModules)
	if !ok || err != nil {
		return err
	}
	var names []string
	if err := json.Unmarshal(payload, &names); err != nil {
		return fmt.Errorf("decode MODULES frame: %w", err)
	}
	in.onModules(names)
	return nil
}

func (c *inflight) settleWith(kind byte, payload []byte) error {
	if kind == wire.Result {
		r, err := wire.ParseResult(payload)
		if err != nil {
			return err
		}
		c.finish(func() { c.result, c.memory = r, payload })
		return nil
	}
	var e userError
	if err := json.Unmarshal(payload, &e); err != nil {
		return fmt.Errorf("decode ERROR frame: %w", err)
	}
	c.finish(func() { c.failure = &e })
	return nil
}

// fault turns an ERROR frame into what callers get.
func (e *userError) fault() error {
	code := fault.Execution
	switch fault.Code(e.Code) {
	case fault.Validation, fault.Canceled, fault.Timeout:
		code = fault.Code(e.Code)
	}
	message := e.Message
	if code == fault.Execution && e.Type != "" {
		message = e.Type + ": " + e.Message
	}
	f := fault.New(code, "%s", message)
	f.Field = e.Field
	details := map[string]any{}
	if len(e.Details) > 0 {
		_ = json.Unmarshal(e.Details, &details)
	}
	if e.Type != "" {
		details["type"], details["message"] = e.Type, e.Message
	}
	if e.Traceback != "" {
		details["traceback"] = e.Traceback
	}
	if len(details) == 0 {
		return f
	}
	return f.WithDetails(details)
}
