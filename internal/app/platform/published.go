package platform

import (
	"context"
	"path/filepath"

	"github.com/runagent/runagent/api"
	"github.com/runagent/runagent/internal/app/platform/intake"
	"github.com/runagent/runagent/internal/fault"
	"github.com/runagent/runagent/internal/secret"
	"github.com/runagent/runagent/internal/store/state"
)

// openIntake makes what takes agents in from published clients.
func (s *service) openIntake() (err error) {
	s.intake, err = intake.New(intake.Options{
		Platform: host{s}, Dir: filepath.Join(s.o.Data, "announced"), Limits: s.o.Limits,
	})
	return err
}

// host is the platform as the intake knows it.
type host struct{ *service }

// Describe implements intake.Platform.
func (h host) Describe(ctx context.Context, ref string) (*api.CompatStatus, error) {
	d, err := h.service.Describe(ctx, ref)
	if err != nil {
		return nil, err
	}
	status := &api.CompatStatus{AgentID: d.Agent.ID, AgentName: d.Agent.Name, Status: d.State, Revision: d.Revision}
	if d.Agent.Manifest != nil {
		status.Version = d.Agent.Manifest.Version
	}
	return status, nil
}

// SetSecrets implements intake.Platform. All are checked before one is kept.
func (h host) SetSecrets(ctx context.Context, agentID string, values map[string]string, gone []string) error {
	for name, value := range values {
		if err := secret.CheckName(name); err != nil {
			return err
		}
		if err := secret.CheckValue(value); err != nil {
			return err
		}
	}
	for name, value := range values {
		sealed, err := h.vault.Seal([]byte(value), agentID, name)
		if err != nil {
			return err
		}
		if err := h.state.SetSecret(ctx, state.Secret{AgentID: agentID, Name: name, Sealed: sealed}); err != nil {
			return err
		}
	}
	for _, name := range gone {
		if err := h.state.DeleteSecret(ctx, agentID, name); err != nil && fault.CodeOf(err) != fault.NotFound {
			return err
		}
	}
	return nil
}

var _ intake.Platform = host{}
