package platform

import (
	"errors"
	"os"
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

// TestAKillLeavesNothingOfADeletedAgent has the platform end before the last call
// of an agent that was deleted, and then in the midst of deleting another.
func TestAKillLeavesNothingOfADeletedAgent(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	gone, kept := h.deploy("bot", h.upload("Bot", ""), nil), h.deploy("pet", h.upload("Pet", ""), nil)
	if err := h.DeleteAgent(t.Context(), "bot"); err != nil {
		t.Fatal(err)
	}
	h.stop(t.Context())
	// What a kill leaves: of the one the data, of the other only the intention.
	for _, id := range []string{gone.AgentID, kept.AgentID} {
		none := func() error { return nil }
		if err := errors.Join(h.folders.Deleting(id, none), os.MkdirAll(h.folders.AgentData(id), 0o700)); err != nil {
			t.Fatal(err)
		}
	}
	h.enter(h.o.Data)
	if _, err := os.Stat(h.folders.AgentData(gone.AgentID)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the data of an agent that was deleted is still there: %v", err)
	}
	if _, err := os.Stat(h.folders.AgentData(kept.AgentID)); err != nil {
		t.Errorf("the data of an agent whose deletion was not kept: %v", err)
	}
	failed := errors.New("failed")
	if err := h.folders.Deleting(kept.AgentID, func() error { return failed }); !errors.Is(err, failed) || len(h.folders.Deleted()) != 0 {
		t.Errorf("%v, %v", err, h.folders.Deleted())
	}
}
