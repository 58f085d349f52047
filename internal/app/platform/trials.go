package platform

import (
	"context"
	"slices"

	"github.com/runagent/runagent/internal/app/platform/canary"
	"github.com/runagent/runagent/internal/deploy"
	"github.com/runagent/runagent/internal/store/state"
)

// splitTrial sends the calls where the end of a trial sends them.
func (s *service) splitTrial(ctx context.Context, agentID string, shares, from []deploy.Share) error {
	return s.deployer.Split(ctx, agentID, shares, from)
}

// decided keeps and tells why a revision lost its calls in its trial, if it did.
func (s *service) decided(v canary.Verdict) {
	ctx := context.WithoutCancel(s.life)
	s.o.Log.Info("trial ended", "agent_id", v.Fresh.Agent.ID, "revision", v.Fresh.ID, "worse", v.Why)
	text := "its trial is over and it did no worse: it gets all calls"
	if v.Why != "" {
		text = "its trial went badly: " + v.Why
		s.note("end of a trial not kept", s.state.NoteReason(ctx, v.Fresh.ID, text))
	}
	if end, err := s.Revision(ctx, v.Fresh.Agent.ID, v.Fresh.ID); err == nil {
		s.progress.Amend(v.Fresh.ID, text, end)
	}
}

// endTrial ends that of an agent which was taken out of service, unless that failed.
func (s *service) endTrial(agentID string, err error) error {
	if err == nil {
		s.canaries.End(agentID)
	}
	return err
}

// resumeTrials goes on with those that an earlier process began.
func (s *service) resumeTrials(kept []state.Revision) {
	for _, r := range kept {
		shares := s.deployer.Shares(r.AgentID)
		at := slices.IndexFunc(shares, func(o deploy.Share) bool { return o.ID == r.ID })
		if !r.CanaryUntil.IsZero() && at >= 0 && len(shares) > 1 {
			s.canaries.Begin(shares[at].Revision, shares, r.CanaryUntil)
		}
	}
}
