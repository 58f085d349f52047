package deploy

import (
	"context"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/runagent/runagent/internal/fault"
	"github.com/runagent/runagent/internal/invocation"
)

// Share is how many percent of an agent's calls go to a revision.
type Share struct {
	*Revision
	Percent int
}

// Traffic says which revisions the calls to each agent go to. It is safe for
// concurrent use; reading takes no lock.
type Traffic struct {
	byRef sync.Map // ID, slug and name → *route
}

// route is where the calls to one agent go.
type route struct {
	shares  []Share
	targets []*invocation.Target // of each share
	total   int                  // of the shares' percents
}

// lead is the revision with the largest share, the first of equals.
func (r *route) lead() *Revision {
	best := 0
	for i, s := range r.shares {
		if s.Percent > r.shares[best].Percent {
			best = i
		}
	}
	return r.shares[best].Revision
}

func refs(rev *Revision) []string { return []string{rev.Agent.ID, rev.Agent.Slug, rev.Agent.Name} }

// TargetOf is where calls to a revision go.
func TargetOf(rev *Revision) *invocation.Target {
	return &invocation.Target{
		AgentID:      rev.Agent.ID,
		Name:         rev.Agent.Name,
		Slug:         rev.Agent.Slug,
		AgentVersion: rev.Agent.Manifest.Version,
		Revision:     rev.ID,
		Callables:    rev.Callables,
		MaxTimeout:   rev.Agent.Manifest.Resources.Timeout,
	}
}

// Set sends the calls to an agent to the given revisions, to none if there is
// none. The agent goes by the name of the first.
func (t *Traffic) Set(agentID string, shares []Share) {
	to := &route{shares: shares}
	keep := []string{}
	for _, s := range shares {
		to.targets = append(to.targets, TargetOf(s.Revision))
		to.total += s.Percent
	}
	if len(shares) > 0 {
		keep = refs(shares[0].Revision)
	}
	v, had := t.byRef.Load(agentID)
	for _, ref := range keep {
		t.byRef.Store(ref, to)
	}
	if !had {
		return
	}
	for _, s := range v.(*route).shares { // names it had before
		for _, ref := range refs(s.Revision) {
			if other, ok := t.byRef.Load(ref); ok && !slices.Contains(keep, ref) && other == v {
				t.byRef.Delete(ref)
			}
		}
	}
}

// Target implements invocation.Directory. Errors: fault.AgentNotFound, and
// fault.NotFound when the agent has no such revision in service.
func (t *Traffic) Target(_ context.Context, to invocation.Route) (*invocation.Target, error) {
	v, ok := t.byRef.Load(to.Agent)
	if !ok {
		if to.Revision == "" {
			to.Agent, to.Revision = SplitRef(to.Agent)
			v, ok = t.byRef.Load(to.Agent)
		}
		if !ok {
			return nil, fault.New(fault.AgentNotFound, "agent %q not found; here is %s", to.Agent, t.Names())
		}
	}
	r := v.(*route)
	switch {
	case to.Revision != "":
		return r.revision(to.Revision)
	case len(r.targets) == 1:
		return r.targets[0], nil
	case to.Session != "":
		return r.bySession(to.Session), nil
	}
	at := rand.IntN(r.total) //nolint:gosec // it spreads calls, and guards nothing
	for i, s := range r.shares {
		if at -= s.Percent; at < 0 {
			return r.targets[i], nil
		}
	}
	return r.targets[len(r.targets)-1], nil
}

// SplitRef splits a reference such as "agent@3" into agent and revision.
func SplitRef(ref string) (agent, revision string) {
	if at := strings.LastIndexByte(ref, '@'); at > 0 {
		return ref[:at], ref[at+1:]
	}
	return ref, ""
}

// revision returns the one with the given number or ID.
func (r *route) revision(ref string) (*invocation.Target, error) {
	for i, s := range r.shares {
		if s.ID == ref || s.Number > 0 && strconv.Itoa(s.Number) == ref {
			return r.targets[i], nil
		}
	}
	return nil, fault.New(fault.NotFound, "agent %q has no revision %q in service", r.shares[0].Agent.Slug, ref).WithField("revision")
}

// bySession chooses by a hash of the session and each revision, weighted by
// their shares: when shares change, only sessions move that must.
func (r *route) bySession(session string) *invocation.Target {
	best, most := 0, math.Inf(-1)
	for i, s := range r.shares {
		h := fnv.New64a()
		_, _ = h.Write([]byte(session + "\x00" + s.ID)) // it never fails
		// The sum's low bits mix badly for texts that differ at their end.
		x := h.Sum64()
		x ^= x >> 32
		x *= 0x9E3779B97F4A7C15
		x ^= x >> 29
		unit := (float64(x>>11) + 0.5) / (1 << 53)
		if score := float64(s.Percent) / -math.Log(unit); score > most {
			best, most = i, score
		}
	}
	return r.targets[best]
}

// Shares returns the revisions that get an agent's calls.
func (t *Traffic) Shares(agentID string) []Share {
	if v, ok := t.byRef.Load(agentID); ok {
		return slices.Clone(v.(*route).shares)
	}
	return nil
}

// live returns the revision that gets most of an agent's calls, or nil.
func (t *Traffic) live(agentID string) *Revision {
	if v, ok := t.byRef.Load(agentID); ok {
		return v.(*route).lead()
	}
	return nil
}

// Live returns the revisions that get most calls, one for each agent, by slug.
func (t *Traffic) Live() []*Revision {
	byAgent := map[string]*Revision{}
	t.byRef.Range(func(_, v any) bool {
		rev := v.(*route).lead()
		byAgent[rev.Agent.ID] = rev
		return true
	})
	revs := make([]*Revision, 0, len(byAgent))
	for _, rev := range byAgent {
		revs = append(revs, rev)
	}
	slices.SortFunc(revs, func(a, b *Revision) int { return strings.Compare(a.Agent.Slug, b.Agent.Slug) })
	return revs
}

// namesShown is how many agents a message names.
const namesShown = 10

// Names lists the agents there are, for messages.
func (t *Traffic) Names() string {
	var slugs []string
	for _, rev := range t.Live() {
		if len(slugs) == namesShown {
			slugs = append(slugs, "…")
			break
		}
		slugs = append(slugs, rev.Agent.Slug)
	}
	if len(slugs) == 0 {
		return "none yet"
	}
	return strings.Join(slugs, ", ")
}

var _ invocation.Directory = (*Traffic)(nil)
