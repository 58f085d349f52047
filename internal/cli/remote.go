package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/runagent/runagent/api"
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

// place is an agent that was found: on this machine, or on a platform.
type place struct {
	client *runagent.Client
	// agent is as list shows it.
	agent *local.Agent
	// here says that it is on this machine.
	here bool
	// revision is the one that was named with it, "@3", or "".
	revision string
}

// served finds the agent that the user calls ref where it is being served.
// Where the environment names a platform that is meant; else an agent of this
// machine goes before one of the platform that the user has logged in to.
func (p *Program) served(ctx context.Context, ref string) (*place, error) {
	var notHere error
	if named, err := p.platformNamed(); err != nil {
		return nil, err
	} else if !named {
		agents, err := p.agents(ctx)
		if err != nil {
			return nil, err
		}
		found, err := agents.FindServed(ref)
		if err == nil {
			client, err := p.clientOf(found)
			return &place{client: client, agent: found, here: true}, err
		}
		notHere = err
	}
	return p.deployed(ctx, ref, notHere)
}

// readNamed is read for the agent that the user calls ref: being served on
// this machine, else on the platform, else once served on this machine.
func (p *Program) readNamed(ctx context.Context, ref string, do func(client *runagent.Client, target *local.Agent, live bool) error) error {
	read := func(target *local.Agent) error {
		return p.read(target, func(client *runagent.Client, live bool) error { return do(client, target, live) })
	}
	var notHere error
	var once *local.Agent
	if named, err := p.platformNamed(); err != nil {
		return err
	} else if !named {
		agents, err := p.agents(ctx)
		if err != nil {
			return err
		}
		found, err := agents.Find(ref)
		if err == nil && found.Serves() {
			return read(found)
		}
		once, notHere = found, err
	}
	at, err := p.deployed(ctx, ref, notHere)
	switch {
	case err == nil:
		return do(at.client, at.agent, true)
	case once != nil:
		return read(once)
	}
	return err
}

// platformNamed reports whether the environment names a platform.
func (p *Program) platformNamed() (bool, error) {
	settings, err := p.settings()
	return settings.URL != "", err
}

// deployed finds the agent that the user calls ref on the platform. notHere is
// why it was not found on this machine, if it was looked for there in vain.
func (p *Program) deployed(ctx context.Context, ref string, notHere error) (*place, error) {
	client, err := p.desk().Connect()
	var name string
	if err == nil {
		name, err = platform.Ref(ref)
	}
	var found *api.Agent
	if err == nil {
		found, err = client.Agent(ctx, name)
	}
	switch {
	case err == nil:
		at := &place{client: client, agent: onPlatform(client, found)}
		if i := strings.LastIndexByte(name, '@'); i > 0 && name != found.Name {
			at.revision = name[i:]
		}
		return at, nil
	case notHere == nil:
		return nil, err
	case client == nil || name == "":
		return nil, notHere
	case runagent.HasCode(err, runagent.CodeAgentNotFound):
		return nil, fmt.Errorf("%w; %s has none of this name either", notHere, client.URL())
	}
	return nil, fmt.Errorf("%w; and the platform does not tell: %w", notHere, err)
}

// listPlatform returns the agents of the platform as list shows them; none when
// no platform is known.
func (p *Program) listPlatform(ctx context.Context) (local.Agents, error) {
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
	for i := range found {
		agents[i] = *onPlatform(client, &found[i])
	}
	return agents, nil
}

// onPlatform is an agent of a platform as list shows it.
func onPlatform(client *runagent.Client, a *api.Agent) *local.Agent {
	return &local.Agent{ID: a.ID, Name: a.Name, URL: client.URL(), Framework: a.Framework, Status: a.State}
}
