package platform

import (
	"strings"
	"testing"
	"time"

	"github.com/runagent/runagent/api"
	"github.com/runagent/runagent/internal/app/platform/canary"
	"github.com/runagent/runagent/internal/deploy"
	"github.com/runagent/runagent/internal/fault"
)

// onTrial deploys revision 2 for 10% of the calls.
func (h *house) onTrial(slug, digest string, d time.Duration) api.Revision {
	h.t.Helper()
	return h.await(h.Deploy(h.t.Context(), slug, api.DeployRequest{Digest: digest, Canary: &api.Canary{Percent: 10, ForSeconds: d.Seconds()}}))
}

func TestATrialOutlivesARestartAndIsEndedByOthers(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(h *house, digest string){
		"traffic": func(h *house, _ string) {
			_, err := h.SetTraffic(h.t.Context(), "bot", api.TrafficRequest{Traffic: []api.TrafficWish{{Revision: "2", Percent: 10}, {Revision: "1", Percent: 90}}})
			if err != nil {
				h.t.Fatal(err)
			}
		},
		"deploy":   func(h *house, digest string) { h.deploy("bot", digest, nil) },
		"rollback": func(h *house, _ string) { h.await(h.Rollback(h.t.Context(), "bot", api.RollbackRequest{})) },
		"stop": func(h *house, _ string) {
			if err := h.StopAgent(h.t.Context(), "bot"); err != nil {
				h.t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t)
			digest := h.upload("Bot", "")
			h.deploy("bot", digest, nil)
			two := h.onTrial("bot", digest, time.Hour)
			if two.Percent != 10 || two.CanaryUntil == nil {
				t.Fatalf("%+v is not on trial", two)
			}
			h.again()
			if !h.canaries.On(two.AgentID) {
				t.Error("the trial ended with the platform")
			}
			end(h, digest)
			again, err := h.Revision(t.Context(), "bot", "2")
			if err != nil || again.CanaryUntil != nil || h.canaries.On(two.AgentID) {
				t.Errorf("%+v, %v is still on trial", again, err)
			}
		})
	}
}

func TestATrialWhoseTimeEndedMeanwhileIsDecidedByARestart(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	digest := h.upload("Bot", "")
	h.deploy("bot", digest, nil)
	two := h.onTrial("bot", digest, time.Hour)
	shares := h.deployer.Shares(two.AgentID)
	over := deploy.Split{AgentID: two.AgentID, Shares: shares, Fresh: []*deploy.Revision{shares[0].Revision}, CanaryUntil: time.Now().Add(-time.Hour)}
	if err := h.state.Switch(t.Context(), over); err != nil {
		t.Fatal(err)
	}
	h.again()
	for h.canaries.On(two.AgentID) { // each of its looks is a millisecond away
		<-time.After(time.Millisecond)
	}
	if got := h.states("bot"); got != "2=ready:100 1=retired:0" {
		t.Errorf("states %s", got)
	}
}

func TestWhyATrialWentBadlyIsTold(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	digest := h.upload("Bot", "")
	h.deploy("bot", digest, nil)
	two := h.onTrial("bot", digest, time.Hour)
	shares := h.deployer.Shares(two.AgentID)
	fresh := shares[0].Revision
	old := []deploy.Share{{Revision: shares[1].Revision, Percent: 100}}
	if err := h.splitTrial(t.Context(), two.AgentID, old, shares); err != nil {
		t.Fatal(err)
	}
	h.decided(canary.Verdict{Fresh: fresh, Why: "all failed"})
	var texts []string
	var end *api.Revision
	err := h.FollowDeploy(t.Context(), "bot", two.ID, func(e api.DeployEvent) error {
		texts = append(texts, e.Text)
		end = e.Revision
		return nil
	})
	if err != nil || end == nil || end.Error != "its trial went badly: all failed" || end.State != "retired" || end.Timings == nil {
		t.Errorf("the deploy ended with %+v, %v", end, err)
	}
	if !strings.Contains(strings.Join(texts, "\n"), "its trial went badly: all failed") {
		t.Errorf("events %q", texts)
	}
}

func TestTrialsThatCantBe(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	digest, ten := h.upload("Bot", ""), 10
	for says, req := range map[string]api.DeployRequest{
		"exclude each other":        {Canary: &api.Canary{Percent: 10, ForSeconds: 60}, Traffic: &ten},
		"may be 1 to 99":            {Canary: &api.Canary{Percent: 100, ForSeconds: 60}},
		"may be a second to a week": {Canary: &api.Canary{Percent: 10, ForSeconds: 1e300}},
	} {
		req.Digest = digest
		if _, err := h.Deploy(t.Context(), "bot", req); fault.CodeOf(err) != fault.Validation || !strings.Contains(err.Error(), says) {
			t.Errorf("error %v, want %q", err, says)
		}
	}
}
