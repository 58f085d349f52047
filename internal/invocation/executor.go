package invocation

import (
	"context"
	"log/slog"
)

// Options configures an Executor. Directory, Invoker and Recorder are needed.
type Options struct {
	Directory Directory
	Invoker   Invoker
	Recorder  Recorder
	Log       *slog.Logger
}

// Executor runs invocations. It is safe for concurrent use.
type Executor struct {
	o Options
}

// NewExecutor returns an Executor.
func NewExecutor(o Options) *Executor { return &Executor{o: o} }

// Outcome is what a door needs beyond the Result.
type Outcome struct {
	ID     string
	Target *Target
	Status Status
	Result Result
}

// Execute runs req and returns when it has ended. emit gets Started first,
// then chunks and logs in order; the terminal event is the caller's to write
// from what Execute returns. Outcome.ID is set as soon as an invocation exists,
// also beside an error.
func (x *Executor) Execute(ctx context.Context, req Request, emit func(Event) error) (Outcome, error) {
	panic("not yet")
}

// Cancel stops a running invocation. Errors: fault.NotFound, fault.Conflict
// when it has ended.
func (x *Executor) Cancel(id string) error { panic("not yet") }
