package invocation

import (
	"context"
	"encoding/json"
	"time"

	"github.com/runagent/runagent/internal/agent"
)

// Request is what a caller asks for, before an agent and entrypoint are chosen.
type Request struct {
	Agent      string // ID, slug or name, or one with a revision: "name@3"
	Revision   string // number or ID; "" lets traffic decide
	Entrypoint string // tag; "" chooses the only one, or main, or generic
	Args       json.RawMessage
	Kwargs     json.RawMessage
	// Tame is as in Call.
	Tame      bool
	SessionID string
	// Timeout is the caller's wish; 0 means the agent's own limit. It is
	// capped by the agent's limit.
	Timeout     time.Duration
	Metadata    json.RawMessage
	TraceParent string
	// Who called, for the record.
	Door, SDKType, Client, RequestID string
	// StreamOnly and PlainOnly refuse entrypoints of the other kind with
	// VALIDATION_ERROR; the doors of published clients need both.
	StreamOnly, PlainOnly bool
	// AnswerEarly makes the deadline a little shorter, for clients whose own
	// timeout equals the one they send.
	AnswerEarly bool
}

// Target is where calls to an agent go just now.
type Target struct {
	AgentID      string
	Name, Slug   string
	AgentVersion string
	Revision     string
	Callables    []agent.Callable
	// MaxTimeout is resources.timeout.
	MaxTimeout time.Duration
}

// Callable returns the entrypoint with the given tag, or nil.
func (t *Target) Callable(tag string) *agent.Callable {
	for i := range t.Callables {
		if t.Callables[i].Tag == tag {
			return &t.Callables[i]
		}
	}
	return nil
}

// Route says what a call is for.
type Route struct {
	// Agent and Revision are as in Request.
	Agent, Revision string
	// Session keeps calls on one revision while traffic is split; may be "".
	Session string
}

// Directory finds the target of a call. Errors: fault.AgentNotFound,
// fault.NotFound for a revision that is not there, and fault.AgentUnavailable
// while no revision can serve.
type Directory interface {
	Target(ctx context.Context, to Route) (*Target, error)
}
