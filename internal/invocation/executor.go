package invocation

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/runagent/runagent/internal/agent"
	"github.com/runagent/runagent/internal/fault"
)

// DefaultTimeout bounds a call where neither the caller nor the agent does.
const DefaultTimeout = 300 * time.Second

// recordLimit is the size up to which a record keeps a payload whole.
const recordLimit = PayloadLimit

// Causes that end a call's context, told apart by context.Cause.
var (
	errDeadline = errors.New("deadline passed")
	errCanceled = errors.New("canceled by another caller")
)

// Options configures an Executor. Directory, Invoker and Recorder are needed.
type Options struct {
	Directory Directory
	Invoker   Invoker
	Recorder  Recorder
	// NoDeadlines lets calls take as long as they like: their author debugs them.
	NoDeadlines bool
	// Log gets internal errors; nil discards them.
	Log *slog.Logger
}

// endless is how long a call may take that has no deadline.
const endless = 365 * 24 * time.Hour

// Executor runs invocations. It is safe for concurrent use.
type Executor struct {
	o Options

	mu      sync.Mutex // guards running
	running map[string]context.CancelCauseFunc

	// good and bad count the invocations that have ended.
	good, bad atomic.Int64
}

// NewExecutor returns an Executor.
func NewExecutor(o Options) *Executor {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Executor{o: o, running: make(map[string]context.CancelCauseFunc)}
}

// Outcome is what a door needs beyond the Result.
type Outcome struct {
	ID     string
	Target *Target
	Status Status
	Result Result
}

// Execute runs req and returns when it has ended. emit gets Started first,
// then chunks and logs in order; the terminal event is the caller's to write
// from what Execute returns. Outcome.ID is set once an invocation exists, also
// beside an error. Without one nothing refers to req's bytes any more. Errors are
// *fault.Error.
func (x *Executor) Execute(ctx context.Context, req Request, emit func(Event) error) (Outcome, error) {
	target, callable, err := x.choose(ctx, &req)
	if err != nil {
		return Outcome{}, err
	}
	now := time.Now()
	call := newCall(&req, target, callable.Tag, now)
	if x.o.NoDeadlines {
		call.Deadline = now.Add(endless)
	}
	rec := newRecord(&call, &req, now)
	x.o.Recorder.Started(rec)

	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	x.enter(call.ID, cancel)
	defer x.leave(call.ID)
	timer := time.AfterFunc(time.Until(call.Deadline), func() { cancel(errDeadline) })
	defer timer.Stop()

	fields, err := newExtractor(callable.Extractor)
	j := journal{emit: emit, began: now, fields: fields}
	if callable.Streams {
		j.items = make([]byte, 0, 256)
	}
	var res Result
	if err == nil {
		err = j.started(call.ID)
	}
	if err == nil {
		res, err = x.o.Invoker.Invoke(ctx, call, j.event)
	}
	if err == nil {
		res.Output, err = fields.pick(res.Output)
	}
	res.Timings.Total = time.Since(now)
	res.Timings.FirstChunk = j.firstChunk
	res.Chunks, res.Streams = j.chunks, callable.Streams

	fail := x.settle(ctx, err)
	out := Outcome{ID: call.ID, Target: target, Status: statusOf(fail), Result: res}
	finish(&rec, &out, fail, &j)
	if !rec.Output.Truncated {
		out.Result.Memory = nil // the record keeps the output where it is
	}
	x.o.Recorder.Finished(rec)
	if fail != nil {
		x.bad.Add(1)
		return out, fail
	}
	x.good.Add(1)
	return out, nil
}

func newCall(req *Request, target *Target, tag string, now time.Time) Call {
	return Call{
		ID:          newID(),
		Attempt:     1,
		AgentID:     target.AgentID,
		Revision:    target.Revision,
		Entrypoint:  tag,
		SessionID:   req.SessionID,
		Args:        req.Args,
		Kwargs:      req.Kwargs,
		Tame:        req.Tame,
		Deadline:    now.Add(limit(req, target)),
		TraceParent: req.TraceParent,
		Metadata:    req.Metadata,
	}
}

// Counts returns how many invocations have ended well and badly.
func (x *Executor) Counts() (good, bad int64) { return x.good.Load(), x.bad.Load() }

// Cancel stops a running invocation. Errors: fault.NotFound when none with
// that ID is running.
func (x *Executor) Cancel(id string) error {
	x.mu.Lock()
	cancel := x.running[id]
	x.mu.Unlock()
	if cancel == nil {
		return fault.New(fault.NotFound, "no running invocation has this ID")
	}
	cancel(errCanceled)
	return nil
}

// enter notes that an invocation runs, and leave that it does no more.
func (x *Executor) enter(id string, cancel context.CancelCauseFunc) {
	x.mu.Lock()
	x.running[id] = cancel
	x.mu.Unlock()
}

func (x *Executor) leave(id string) {
	x.mu.Lock()
	delete(x.running, id)
	x.mu.Unlock()
}

// choose finds the agent and the entrypoint a request means.
func (x *Executor) choose(ctx context.Context, req *Request) (*Target, *agent.Callable, error) {
	target, err := x.o.Directory.Target(ctx, Route{Agent: req.Agent, Revision: req.Revision, Session: req.SessionID})
	if err != nil {
		return nil, nil, err
	}
	callable, err := pick(target, req.Entrypoint)
	if err != nil {
		return nil, nil, err
	}
	if req.PlainOnly && callable.Streams {
		return nil, nil, fault.New(fault.Validation, "entrypoint %q streams its result; call it as a stream", callable.Tag).WithField("entrypoint_tag")
	}
	if req.StreamOnly && !callable.Streams {
		return nil, nil, fault.New(fault.Validation, "entrypoint %q does not stream; call it without a stream", callable.Tag).WithField("entrypoint_tag")
	}
	return target, callable, nil
}

// pick returns the entrypoint with the given tag, or the default one.
func pick(t *Target, tag string) (*agent.Callable, error) {
	if tag == "" {
		if len(t.Callables) == 1 {
			return &t.Callables[0], nil
		}
		for _, name := range []string{"main", "generic"} {
			if c := t.Callable(name); c != nil {
				return c, nil
			}
		}
		return nil, fault.New(fault.Validation, "say which entrypoint to run; agent %q has %s", t.Slug, tagList(t)).WithField("entrypoint")
	}
	if c := t.Callable(tag); c != nil {
		return c, nil
	}
	return nil, fault.New(fault.EntrypointNotFound, "entrypoint %q not found; agent %q has %s", tag, t.Slug, tagList(t)).WithField("entrypoint")
}

func tagList(t *Target) string {
	var b []byte
	for i, c := range t.Callables {
		if i > 0 {
			b = append(b, ", "...)
		}
		b = append(b, c.Tag...)
	}
	return string(b)
}

// limit is how long the call may take.
func limit(req *Request, t *Target) time.Duration {
	d := t.MaxTimeout
	if d <= 0 {
		d = DefaultTimeout
	}
	if req.Timeout > 0 && req.Timeout < d {
		d = req.Timeout
	}
	if req.AnswerEarly {
		d -= min(d/20, 250*time.Millisecond)
	}
	return d
}

// settle turns how a call ended into what its caller is told.
func (x *Executor) settle(ctx context.Context, err error) *fault.Error {
	if err == nil {
		return nil
	}
	switch cause := context.Cause(ctx); {
	case errors.Is(cause, errDeadline):
		return fault.New(fault.Timeout, "the call did not end before its deadline")
	case errors.Is(cause, errCanceled):
		return fault.New(fault.Canceled, "the call was canceled")
	case cause != nil && !errors.Is(cause, context.Canceled):
		return fault.New(fault.Canceled, "the call ended early: %w", cause)
	case cause != nil:
		return fault.New(fault.Canceled, "the caller went away")
	}
	if e := fault.As(err); e != nil {
		return e
	}
	if errors.Is(err, context.Canceled) {
		return fault.New(fault.Canceled, "the caller went away")
	}
	x.o.Log.Error("invocation failed inside the server", "error", err)
	return fault.New(fault.Internal, "internal error: %w", err)
}

func statusOf(e *fault.Error) Status {
	if e == nil {
		return Succeeded
	}
	switch e.Code {
	case fault.Timeout:
		return TimedOut
	case fault.Canceled:
		return CanceledS
	default:
		return FailedS
	}
}

// journal numbers events and keeps what the record needs of them.
type journal struct {
	emit       func(Event) error
	began      time.Time
	fields     extractor // of each chunk
	seq        int64
	chunks     int
	firstChunk time.Duration
	items      []byte // the stream's items, comma-separated, up to recordLimit
	size       int64  // of all of them
}

func (j *journal) started(id string) error {
	j.seq = 1
	return j.emit(Event{Seq: 1, Kind: Started, Data: []byte(`{"invocation_id":"` + id + `"}`)})
}

func (j *journal) event(e Event) error {
	j.seq++
	e.Seq = j.seq
	if e.Kind == Chunk {
		var err error
		if e.Data, err = j.fields.pick(e.Data); err != nil {
			return err
		}
		if j.chunks == 0 {
			j.firstChunk = time.Since(j.began)
		}
		j.chunks++
		j.size += int64(len(e.Data)) + 1
		if room := recordLimit - len(j.items); room > 0 {
			sep := byte(',')
			if len(j.items) == 0 {
				sep = '['
			}
			j.items = append(append(j.items, sep), e.Data[:min(room, len(e.Data))]...)
		}
	}
	return j.emit(e)
}

// newRecord is the record of a call that has just begun.
func newRecord(call *Call, req *Request, now time.Time) Record {
	return Record{
		ID: call.ID, ProjectID: "default", NodeID: "local", Attempt: call.Attempt,
		AgentID: call.AgentID, Revision: call.Revision, Entrypoint: call.Entrypoint,
		SessionID: call.SessionID, Status: Running, CreatedAt: now,
		Input: inputPayload(call),
		Door:  req.Door, SDKType: req.SDKType, Client: req.Client, RequestID: req.RequestID,
	}
}

// inputPayload is what a record keeps of a call's input, the parts of which are
// joined into one object.
func inputPayload(c *Call) Payload {
	args, between, kwargs := "", "", ""
	if c.Args != nil {
		args = `"args":`
	}
	if c.Kwargs != nil {
		kwargs = `"kwargs":`
	}
	if c.Args != nil && c.Kwargs != nil {
		between = ","
	}
	return joinedPayload(recordLimit, []byte("{"+args), c.Args, []byte(between+kwargs), c.Kwargs, []byte("}"))
}

func finish(rec *Record, out *Outcome, fail *fault.Error, j *journal) {
	rec.Status = out.Status
	rec.FinishedAt = rec.CreatedAt.Add(out.Result.Timings.Total)
	rec.Start = out.Result.Start
	rec.Chunks = j.chunks
	rec.Timings = out.Result.Timings
	rec.Usage = out.Result.Usage
	if fail != nil {
		rec.Error = errorJSON(fail)
	}
	switch {
	case out.Result.Streams && j.size < recordLimit:
		if len(j.items) == 0 {
			j.items = append(j.items, '[')
		}
		rec.Output = Payload{JSON: append(j.items, ']'), Size: j.size + 1}
	case out.Result.Streams:
		rec.Output = Payload{JSON: j.items, Size: j.size + 1, Truncated: true}
	case fail == nil:
		rec.Output = NewPayload(out.Result.Output, recordLimit)
	}
}

// errorJSON is the error as records keep it: the wire's error object.
func errorJSON(e *fault.Error) json.RawMessage {
	raw, err := json.Marshal(struct {
		Code       fault.Code      `json:"code"`
		Message    string          `json:"message"`
		Details    json.RawMessage `json:"details,omitempty"`
		Field      string          `json:"field,omitempty"`
		Suggestion string          `json:"suggestion,omitempty"`
	}{e.Code, e.Message, e.Details, e.Field, e.Suggestion})
	if err != nil {
		return nil
	}
	return raw
}

// newID returns a UUIDv7. What is random in it tells calls apart and guards
// nothing, so the generator does that takes no lock and no system call.
func newID() string {
	id, err := uuid.NewV7FromReader(generator{})
	if err != nil {
		return uuid.NewString() // never: a generator does not fail
	}
	return id.String()
}

// generator is Go's own generator of random numbers as a reader.
type generator struct{}

func (generator) Read(p []byte) (int, error) {
	for rest := p; len(rest) > 0; {
		var word [8]byte
		binary.NativeEndian.PutUint64(word[:], rand.Uint64())
		rest = rest[copy(rest, word[:]):]
	}
	return len(p), nil
}
