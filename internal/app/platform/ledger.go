package platform

import (
	"context"
	"errors"

	"github.com/runagent/runagent/api"
	"github.com/runagent/runagent/internal/app/platform/progress"
	"github.com/runagent/runagent/internal/deploy"
	"github.com/runagent/runagent/internal/store/state"
)

// ledger keeps how far deploys have come and tells it to those who follow.
type ledger struct {
	state    *state.DB
	progress *progress.Book
	// inherit is told of a switch that is about to be.
	inherit func(to deploy.Split)
	// switched is told of one that has been.
	switched func(to deploy.Split)
}

// Reached implements deploy.Ledger.
func (l ledger) Reached(ctx context.Context, rev *deploy.Revision, why error) error {
	if why != nil {
		return l.state.Reached(ctx, rev, errors.New(progress.Reason(why, rev.Agent.Dir)))
	}
	if err := l.state.Reached(ctx, rev, nil); err != nil {
		return err
	}
	l.progress.Tell(rev.ID, api.DeployEvent{Step: string(rev.State)})
	return nil
}

// probing tells who follows that rev came up and is looked at.
func (l ledger) probing(rev *deploy.Revision) {
	l.progress.Tell(rev.ID, api.DeployEvent{Step: "probing"})
}

// Switch implements deploy.Ledger.
func (l ledger) Switch(ctx context.Context, to deploy.Split) error {
	for _, rev := range to.Fresh {
		l.progress.Tell(rev.ID, api.DeployEvent{Step: "switching"})
	}
	l.inherit(to)
	if err := l.state.Switch(ctx, to); err != nil {
		return err
	}
	l.switched(to)
	return nil
}

var _ deploy.Ledger = ledger{}
