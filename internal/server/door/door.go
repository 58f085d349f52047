// Package door is what both doors work with: bodies are read, answers and
// events written, errors told, WebSockets held open and callers checked here,
// whichever dialect is spoken.
package door

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/klauspost/compress/gzhttp"

	"github.com/runagent/runagent/api"
	"github.com/runagent/runagent/internal/agent"
	"github.com/runagent/runagent/internal/invocation"
)

// ErrStopping is the cause with which calls end that a shutdown did not wait for.
var ErrStopping = errors.New("the server is stopping")

// Executor runs invocations. invocation.Executor is one.
type Executor interface {
	Execute(ctx context.Context, req invocation.Request, emit func(invocation.Event) error) (invocation.Outcome, error)
	Cancel(id string) error
}

// Agents tells what agents there are. Describe takes an ID, slug or name and
// returns fault.AgentNotFound.
type Agents interface {
	List(ctx context.Context) ([]Description, error)
	Describe(ctx context.Context, ref string) (*Description, error)
}

// Description is what the doors tell about an agent.
type Description struct {
	Agent    *agent.Agent
	Revision string
	// Callables are as the last ready instance reported them.
	Callables []agent.Callable
	// State is running, asleep, stopped or undeployed; "" where there is no telling.
	State string
	// Checks say how the agent is, for example that a save does not load.
	Checks []api.Check
}

// Options configures a Door. All are needed but Checks.
type Options struct {
	Executor Executor
	Agents   Agents
	History  invocation.History
	Log      *slog.Logger
	Version  string
	// Checks adds the server's own checks to its health.
	Checks func(ctx context.Context) []api.Check
	// MaxBytes bounds a body and an answer, each.
	MaxBytes int64
	// StallTimeout bounds how long a client may take nothing of what is sent to it.
	StallTimeout time.Duration
	After        func(time.Duration) <-chan time.Time
}

// Door is what both doors work with. It is safe for concurrent use.
type Door struct {
	Options
	// Draining ends when a shutdown begins: what would never end by itself ends then.
	Draining context.Context //nolint:containedctx // the lifetime of what only waits
	Sockets  sockets

	compact func(http.Handler) http.HandlerFunc
	Scratch buffers
	since   time.Time
}

// New returns a Door that welcomes calls until draining ends.
func New(draining context.Context, o Options) (*Door, error) {
	compact, err := gzhttp.NewWrapper(gzhttp.MinSize(CompactFrom))
	if err != nil {
		return nil, err
	}
	return &Door{Options: o, Draining: draining, compact: compact, since: time.Now()}, nil
}

// Ready reports whether new calls are welcome.
func (d *Door) Ready() bool { return d.Draining.Err() == nil }
