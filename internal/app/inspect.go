package app

import (
	"context"
	"fmt"
	"time"

	"github.com/runagent/runagent/internal/agent"
	"github.com/runagent/runagent/internal/invocation"
	"github.com/runagent/runagent/shim"
)

// Inspect starts the folder's code once, as Serve would, asks what its
// entrypoints are and ends it; it listens nowhere and records nothing. Its
// errors are those of Serve.
func Inspect(ctx context.Context, o ServeOptions) (a *agent.Agent, callables []agent.Callable, err error) {
	o.Instances = 1
	s := &service{o: o, began: time.Now()}
	defer func() { s.stop(ctx) }()
	if s.shim, err = shim.Extract(o.Home); err != nil {
		return nil, nil, fmt.Errorf("unpack the shim: %w", err)
	}
	if err := s.makeEngine(forgetful{}); err != nil {
		return nil, nil, err
	}
	rev, err := s.revision(ctx)
	if err != nil {
		return nil, nil, err
	}
	if err := s.deploy(ctx, rev); err != nil {
		return nil, nil, err
	}
	return rev.Agent, rev.Callables, nil
}

// forgetful keeps no lines.
type forgetful struct{}

// AppendLog implements invocation.Logs.
func (forgetful) AppendLog(invocation.LogLine) {}

// Logs implements invocation.Logs.
func (forgetful) Logs(context.Context, invocation.LogFilter) ([]invocation.KeptLine, error) {
	return nil, nil
}
