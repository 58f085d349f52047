package platform

import (
	"cmp"
	"context"

	"github.com/runagent/runagent/api"
	"github.com/runagent/runagent/internal/secret"
	"github.com/runagent/runagent/internal/server/control"
	"github.com/runagent/runagent/internal/store/state"
)

// agentID returns the ID of the agent that ref means, "" for "".
func (s *service) agentID(ctx context.Context, ref string) (string, error) {
	if ref == "" {
		return "", nil
	}
	a, err := s.state.Agent(ctx, ref)
	return a.ID, err
}

// SetSecret implements control.Secrets.
func (s *service) SetSecret(ctx context.Context, agent, name, value string) error {
	if err := cmp.Or(secret.CheckName(name), secret.CheckValue(value)); err != nil {
		return err
	}
	id, err := s.agentID(ctx, agent)
	if err != nil {
		return err
	}
	sealed, err := s.vault.Seal([]byte(value), id, name)
	if err != nil {
		return err
	}
	return s.state.SetSecret(ctx, state.Secret{AgentID: id, Name: name, Sealed: sealed})
}

// Secrets implements control.Secrets.
func (s *service) Secrets(ctx context.Context) ([]api.Secret, error) {
	kept, err := s.state.AllSecrets(ctx)
	if err != nil {
		return nil, err
	}
	agents, err := s.state.Agents(ctx)
	if err != nil {
		return nil, err
	}
	slugs := map[string]string{}
	for _, a := range agents {
		slugs[a.ID] = a.Slug
	}
	list := make([]api.Secret, len(kept))
	for i, k := range kept {
		list[i] = api.Secret{Name: k.Name, Agent: slugs[k.AgentID], AgentID: k.AgentID, UpdatedAt: k.UpdatedAt}
	}
	return list, nil
}

// DeleteSecret implements control.Secrets.
func (s *service) DeleteSecret(ctx context.Context, agent, name string) error {
	id, err := s.agentID(ctx, agent)
	if err != nil {
		return err
	}
	return s.state.DeleteSecret(ctx, id, name)
}

// secrets opens those of an agent; its own win over those of all agents.
func (s *service) secrets(ctx context.Context, agentID string) (map[string]string, error) {
	kept, err := s.state.Secrets(ctx, agentID)
	if err != nil {
		return nil, err
	}
	values := make(map[string]string, len(kept))
	for _, k := range kept {
		value, err := s.vault.Open(k.Sealed, k.AgentID, k.Name)
		if err != nil {
			return nil, err
		}
		values[k.Name] = string(value)
	}
	return values, nil
}

var _ control.Secrets = (*service)(nil)
