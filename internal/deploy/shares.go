package deploy

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Split is the traffic of an agent as it is to be.
type Split struct {
	AgentID string
	// Shares are the revisions that get calls; their percents add up to 100.
	Shares []Share
	// Fresh are the revisions that have just come up; one without a share gets
	// no calls but those that name it.
	Fresh []*Revision
	// CanaryUntil is when the trial of the fresh revision ends; zero for none.
	CanaryUntil time.Time
}

// ErrTrafficChanged says that an agent's traffic is not what a change of it was
// made for.
var ErrTrafficChanged = errors.New("the agent's traffic has changed meanwhile")

// WithShare gives rev so many percent of the calls, and the others the rest, in
// the same proportion to each other as before. Who is left with nothing is out.
func WithShare(shares []Share, rev *Revision, percent int) []Share {
	others := slices.DeleteFunc(slices.Clone(shares), func(s Share) bool { return s.ID == rev.ID })
	if len(others) == 0 || percent >= 100 {
		return []Share{{rev, 100}}
	}
	fit(others, 100-percent)
	if percent > 0 {
		others = append([]Share{{rev, percent}}, others...)
	}
	return slices.DeleteFunc(others, func(s Share) bool { return s.Percent == 0 })
}

// Without is the traffic when rev gets none of it any more.
func Without(shares []Share, rev *Revision) []Share { return WithShare(shares, rev, 0) }

// fit scales percents to a sum; what rounding leaves goes to the largest
// remainders.
func fit(shares []Share, sum int) {
	total, given := 0, 0
	for _, s := range shares {
		total += s.Percent
	}
	order := make([]int, len(shares))
	rest := make([]int, len(shares))
	for i, s := range shares {
		order[i], rest[i] = i, s.Percent*sum%total
		shares[i].Percent = s.Percent * sum / total
		given += shares[i].Percent
	}
	slices.SortStableFunc(order, func(a, b int) int { return rest[b] - rest[a] })
	for _, i := range order[:sum-given] {
		shares[i].Percent++
	}
}

func revisions(shares []Share) []*Revision {
	revs := make([]*Revision, len(shares))
	for i, s := range shares {
		revs[i] = s.Revision
	}
	return revs
}

// SameShares reports whether two traffics are the same.
func SameShares(a, b []Share) bool {
	return len(a) == len(b) && !slices.ContainsFunc(a, func(s Share) bool {
		return !slices.ContainsFunc(b, func(o Share) bool { return o.ID == s.ID && o.Percent == s.Percent })
	})
}

// Split sends an agent's calls to the given revisions, whose percents add up to
// 100. Those that are not up come up first; if one of them does not, all stays
// as it is. If from is not nil, the traffic must be that, or ErrTrafficChanged is
// returned.
func (x *Deployer) Split(ctx context.Context, agentID string, shares, from []Share) (err error) {
	l := x.lane(agentID)
	ctx, leave := l.enter(ctx, revisions(shares)...)
	defer leave()
	l.mu.Lock()
	defer l.mu.Unlock()
	if from != nil && !SameShares(l.shares, from) {
		return ErrTrafficChanged
	}
	shares = slices.Clone(shares)
	split := Split{AgentID: agentID, Shares: shares}
	for i, s := range shares {
		if up := l.serving(s.ID); up != nil {
			shares[i].Revision = up
			continue
		}
		if err := x.raise(ctx, s.Revision); err != nil {
			return x.undo(ctx, split.Fresh, fmt.Errorf("revision %d: %w", s.Number, err))
		}
		split.Fresh = append(split.Fresh, s.Revision)
	}
	if err := x.swap(ctx, l, split); err != nil {
		return x.undo(ctx, split.Fresh, fmt.Errorf("switch: %w", causeOf(ctx, err)))
	}
	return nil
}
