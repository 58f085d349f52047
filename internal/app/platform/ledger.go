package platform

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"sync"

	"github.com/runagent/runagent/api"
	"github.com/runagent/runagent/internal/deploy"
	"github.com/runagent/runagent/internal/fault"
	"github.com/runagent/runagent/internal/instance"
	"github.com/runagent/runagent/internal/invocation"
	"github.com/runagent/runagent/internal/store/state"
)

// ledger keeps how far deploys have come and tells it to those who follow.
type ledger struct {
	state    *state.DB
	progress *progress
}

// Reached implements deploy.Ledger.
func (l ledger) Reached(ctx context.Context, rev *deploy.Revision, why error) error {
	if why != nil {
		return l.state.Reached(ctx, rev, errors.New(reason(why, rev.Agent.Dir)))
	}
	if err := l.state.Reached(ctx, rev, nil); err != nil {
		return err
	}
	l.progress.tell(rev.ID, api.DeployEvent{Step: string(rev.State)})
	return nil
}

// Switch implements deploy.Ledger.
func (l ledger) Switch(ctx context.Context, rev *deploy.Revision) error {
	return l.state.Switch(ctx, rev)
}

// reason is why a deploy failed, as its author reads it: one line, and below
// it where user code raised. Files are named as in the author's folder.
func reason(why error, dir string) string {
	text := why.Error()
	if f := fault.As(why); f != nil && f.Suggestion != "" {
		text += "; " + f.Suggestion
	}
	var broken *instance.ImportError
	if errors.As(why, &broken) && broken.Traceback != "" {
		text += "\n" + strings.TrimRight(broken.Traceback, "\n")
	}
	return strings.ReplaceAll(text, dir+string(filepath.Separator), "")
}

// directory is the traffic, and says of agents without any why that is so.
type directory struct {
	*deploy.Traffic
	state *state.DB
}

// Target implements invocation.Directory.
func (d directory) Target(ctx context.Context, ref string) (*invocation.Target, error) {
	target, err := d.Traffic.Target(ctx, ref)
	if fault.CodeOf(err) != fault.AgentNotFound {
		return target, err
	}
	a, unknown := d.state.Agent(ctx, ref)
	switch {
	case fault.CodeOf(unknown) == fault.AgentNotFound:
		return nil, err
	case unknown != nil:
		return nil, unknown
	case a.Stopped:
		return nil, fault.New(fault.AgentUnavailable, "agent %q is stopped", a.Name).WithSuggestion("`runagent start %s` brings it back.", a.Slug)
	}
	return nil, fault.New(fault.AgentUnavailable, "no revision of agent %q has come into service", a.Name).
		WithSuggestion("`runagent revisions %s` says why.", a.Slug)
}

// codeUse counts the deploys that use the unpacked code of a revision. Its
// zero value is ready.
type codeUse struct {
	mu    sync.Mutex // guards count
	count map[string]int
}

// take notes one more user.
func (c *codeUse) take(revision string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.count == nil {
		c.count = map[string]int{}
	}
	c.count[revision]++
}

// give notes one user less, and calls remove if there is none and unused says so.
func (c *codeUse) give(revision string, unused func() bool, remove func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.count[revision]--; c.count[revision] > 0 {
		return
	}
	delete(c.count, revision)
	if unused() {
		remove()
	}
}

var (
	_ deploy.Ledger        = ledger{}
	_ invocation.Directory = directory{}
)
