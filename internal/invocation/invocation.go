// Package invocation carries one execution of an entrypoint from request to
// result: one code path for JSON, SSE, WebSocket and everything later. It
// knows no HTTP, no database and no process.
package invocation

import (
	"context"
	"encoding/json"
	"time"
)

// Invoker carries one call to where its code runs and returns when it has
// ended. The Result holds output, usage and the timings of each stage.
//
// Once it has returned without an error, nothing refers to the call's bytes any
// more, so that their memory may be used again.
//
// emit runs on the caller's goroutine, in order; an error from it, or the end
// of ctx, cancels the call. Errors are *fault.Error wherever a user can act.
type Invoker interface {
	Invoke(ctx context.Context, call Call, emit func(Event) error) (Result, error)
}

// Call is an immutable value that could be sent to another machine.
type Call struct {
	ID         string // UUIDv7, the invocation's
	Attempt    int    // from 1
	AgentID    string
	Revision   string
	Entrypoint string // its tag
	SessionID  string
	// Args is a JSON list or nil, Kwargs a JSON object or nil: raw bytes as
	// the client sent them, checked to be well-formed.
	Args, Kwargs json.RawMessage
	// Tame says that they nest at most 200 deep, and that no number in them has
	// an exponent or more than 18 digits before its point: every JSON library
	// reads them alike. False where nobody has looked.
	Tame        bool
	Deadline    time.Time
	TraceParent string
	// Metadata is the caller's, a JSON object or nil.
	Metadata json.RawMessage
}

// Kind says what an Event is.
type Kind string

// The kinds of events. The last event of an invocation is result or error.
const (
	Started Kind = "started"
	Chunk   Kind = "chunk"
	Log     Kind = "log"
	Final   Kind = "result"
	Failed  Kind = "error"
)

// Event is one item of an invocation's log.
type Event struct {
	// Seq is gap-free from 1, set by the Executor alone.
	Seq  int64
	Kind Kind
	// Data is JSON: a chunk's item, a LogLine, and of Started
	// {"invocation_id":…}, so that doors can name it before it has ended. Who
	// gets the event may keep it.
	Data json.RawMessage
	// More says that another event, or the call's end, follows at once: what
	// writes events may let this one wait for it.
	More bool
}

// LogLine is one line that user code printed or logged.
type LogLine struct {
	Time         time.Time `json:"time"`
	Stream       string    `json:"stream"`          // stdout, stderr, logging or system (ours)
	Level        string    `json:"level,omitempty"` // of logging: debug, info, warning, error, critical
	Text         string    `json:"text"`
	InvocationID string    `json:"invocation_id,omitempty"`
	Instance     string    `json:"instance,omitempty"`
	AgentID      string    `json:"agent_id,omitempty"`
	Revision     string    `json:"revision,omitempty"`
}

// StartKind says what a call found when it arrived.
type StartKind string

// The tiers of readiness.
const (
	Hot  StartKind = "hot"  // a live instance with a free slot
	Warm StartKind = "warm" // an instance was forked from the zygote for it
	Cold StartKind = "cold" // no zygote
)

// Timings are the stages of one invocation. They sum to Total.
type Timings struct {
	Queue time.Duration // waiting for a slot
	Start time.Duration // waiting for an instance to start
	Call  time.Duration // in the instance: frames, binding and user code
	Total time.Duration
	// FirstChunk is from the start to the first chunk; 0 where there is none.
	FirstChunk time.Duration
}

// Result is what came of a call that succeeded.
type Result struct {
	// Output is the JSON of the result. It is empty for a stream, whose items
	// went to emit as chunks.
	Output json.RawMessage
	// Memory is the slice of package slab in which Output lies, to be given back
	// by the last who needs it; nil if it lies elsewhere.
	Memory  []byte
	Streams bool
	Chunks  int
	Start   StartKind
	Timings Timings
	// Usage is the token usage a framework reported, a JSON object or nil.
	Usage json.RawMessage
}

// Status is the state of an invocation.
type Status string

// The states. The last four are final.
const (
	Queued    Status = "queued"
	Running   Status = "running"
	Succeeded Status = "succeeded"
	FailedS   Status = "failed"
	CanceledS Status = "canceled"
	TimedOut  Status = "timed_out"
)

// Done reports whether s is final.
func (s Status) Done() bool {
	return s == Succeeded || s == FailedS || s == CanceledS || s == TimedOut
}

// Record is everything kept about one invocation.
type Record struct {
	ID         string
	ProjectID  string
	NodeID     string
	Attempt    int
	AgentID    string
	Revision   string
	Entrypoint string
	SessionID  string
	Status     Status
	// Input is {"args":…,"kwargs":…} with absent parts left out; Output the
	// result, or the list of a stream's items. Either may be cut: see Payload.
	Input, Output Payload
	// Error is the wire's error object, or nil.
	Error      json.RawMessage
	Start      StartKind
	Chunks     int
	CreatedAt  time.Time
	FinishedAt time.Time // zero while it runs
	Timings    Timings
	Usage      json.RawMessage
	// Door, SDKType and Client say who called: "v1" or "compat", the client
	// library's name, its remote address and User-Agent.
	Door, SDKType, Client string
	RequestID             string
}

// Payload is JSON kept whole up to a limit, beyond it as prefix, size and digest.
type Payload struct {
	JSON      []byte // whole, or the first bytes
	Size      int64  // of the whole
	Digest    string // "xxh64:…" of the whole when cut, else ""
	Truncated bool
}

// Recorder keeps records. Both methods return at once unless its bounded
// buffer is full; neither fails a call: what can't be kept is counted.
type Recorder interface {
	Started(Record)
	Finished(Record)
}

// Filter selects records for a list, newest first.
type Filter struct {
	AgentID    string
	Status     Status
	Entrypoint string
	SessionID  string
	Since      time.Time
	Cursor     string
	Limit      int // 1 to 1,000; 0 means 50
}

// Stats sums up the records of one agent.
type Stats struct {
	Total, Succeeded, Failed, Canceled, TimedOut, Running int64
	// EverStored counts all records ever kept, those retention removed included.
	EverStored  int64
	AvgDuration time.Duration
}

// History reads what a Recorder kept, what is not yet on disk included.
type History interface {
	Invocation(ctx context.Context, id string) (*Record, error)
	Invocations(ctx context.Context, f Filter) (recs []Record, next string, err error)
	Stats(ctx context.Context, agentID string) (Stats, error)
}
