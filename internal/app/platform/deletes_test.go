package platform

import (
	"errors"
	"testing"

	"github.com/runagent/runagent/api"
)

func TestADeployWhoseAgentIsDeletedSaysSo(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	kept := h.deploy("bot", h.upload("Bot", ""), nil)
	rev := h.deployer.Live(kept.AgentID)
	h.progress.Begin(kept.ID)
	if err := h.DeleteAgent(t.Context(), "bot"); err != nil {
		t.Fatal(err)
	}
	var end *api.Revision
	h.told(rev, errors.New("start: the agent was deleted meanwhile"))
	if _, err := h.progress.Follow(t.Context(), kept.ID, func(e api.DeployEvent) error {
		end = e.Revision
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if end == nil || end.Number != 1 || end.State != "failed" || end.Error != "start: the agent was deleted meanwhile" {
		t.Errorf("told of %+v", end)
	}
}
