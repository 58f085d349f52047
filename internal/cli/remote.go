package cli

import (
	"context"
	"errors"
	"fmt"

	start "github.com/runagent/runagent/internal/app/platform"
	"github.com/runagent/runagent/internal/cli/local"
	"github.com/runagent/runagent/internal/cli/platform"
	"github.com/runagent/runagent/sdk/go/runagent"
)

// desk is what the platform's commands are given.
func (p *Program) desk() *platform.Desk {
	return &platform.Desk{
		In: p.In, Out: p.Out, Err: p.Err, Version: p.Version, Hurry: p.hurry,
		Settings: p.settings, Usage: usagef, Start: start.Start,
	}
}

// served returns a client of the server that serves the agent that the user
// calls ref, and the agent's name there. Where the environment names a platform
// that is meant; else an agent of this machine goes before one of the platform
// that the user has logged in to. here is nil unless it is on this machine.
func (p *Program) served(ctx context.Context, ref string, find func(local.Agents) (*local.Agent, error)) (client *runagent.Client, name string, here *local.Agent, err error) {
	settings, err := p.settings()
	if err != nil {
		return nil, "", nil, err
	}
	if settings.URL != "" {
		client, name, err = p.deployed(ref)
		return client, name, nil, err
	}
	agents, err := p.agents(ctx)
	if err != nil {
		return nil, "", nil, err
	}
	here, notHere := find(agents)
	if notHere == nil {
		client, err = p.clientOf(here)
		return client, here.ID, here, err
	}
	client, name, err = p.deployed(ref)
	if err != nil {
		return nil, "", nil, notHere
	}
	if _, err := client.Agent(ctx, name); err != nil {
		if !runagent.HasCode(err, runagent.CodeAgentNotFound) {
			return nil, "", nil, fmt.Errorf("%w; and %s: %w", notHere, client.URL(), err)
		}
		return nil, "", nil, fmt.Errorf("%w; %s has none of this name either", notHere, client.URL())
	}
	return client, name, nil, nil
}

// deployed returns a client of the platform, and what the agent that the user
// calls ref is called there.
func (p *Program) deployed(ref string) (*runagent.Client, string, error) {
	client, err := p.desk().Connect()
	if err != nil {
		return nil, "", err
	}
	name, err := platform.Ref(ref)
	return client, name, err
}

// onPlatform returns the agents of the platform as list shows them; none when
// no platform is known.
func (p *Program) onPlatform(ctx context.Context) (local.Agents, error) {
	client, err := p.desk().Connect()
	if errors.Is(err, platform.ErrNoPlatform) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	found, err := client.Agents(ctx)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", client.URL(), err)
	}
	agents := make(local.Agents, len(found))
	for i, a := range found {
		agents[i] = local.Agent{ID: a.ID, Name: a.Name, URL: client.URL(), Framework: a.Framework, Status: a.State}
	}
	return agents, nil
}
