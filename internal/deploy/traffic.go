package deploy

import (
	"context"
	"slices"
	"strings"
	"sync"

	"github.com/runagent/runagent/internal/fault"
	"github.com/runagent/runagent/internal/invocation"
)

// Traffic says which revision the calls to each agent go to. It is safe for
// concurrent use; reading takes no lock.
type Traffic struct {
	byRef sync.Map // ID, slug and name → *route
}

// route is where the calls to one agent go.
type route struct {
	target *invocation.Target
	rev    *Revision
}

func refs(rev *Revision) []string { return []string{rev.Agent.ID, rev.Agent.Slug, rev.Agent.Name} }

// Switch sends the calls to rev's agent to rev.
func (t *Traffic) Switch(rev *Revision) {
	to := &route{rev: rev, target: &invocation.Target{
		AgentID:      rev.Agent.ID,
		Name:         rev.Agent.Name,
		Slug:         rev.Agent.Slug,
		AgentVersion: rev.Agent.Manifest.Version,
		Revision:     rev.ID,
		Callables:    rev.Callables,
		MaxTimeout:   rev.Agent.Manifest.Resources.Timeout,
	}}
	for _, ref := range refs(rev) {
		t.byRef.Store(ref, to)
	}
}

// Remove sends the calls to rev's agent nowhere, if they went to rev.
func (t *Traffic) Remove(rev *Revision) {
	for _, ref := range refs(rev) {
		if v, ok := t.byRef.Load(ref); ok && v.(*route).rev == rev {
			t.byRef.Delete(ref)
		}
	}
}

// Target implements invocation.Directory.
func (t *Traffic) Target(_ context.Context, ref string) (*invocation.Target, error) {
	if v, ok := t.byRef.Load(ref); ok {
		return v.(*route).target, nil
	}
	return nil, fault.New(fault.AgentNotFound, "agent %q not found; here is %s", ref, t.Names())
}

// live returns the revision that gets an agent's calls, or nil.
func (t *Traffic) live(agentID string) *Revision {
	if v, ok := t.byRef.Load(agentID); ok {
		return v.(*route).rev
	}
	return nil
}

// Live returns the revisions that get calls, one for each agent, by slug.
func (t *Traffic) Live() []*Revision {
	byAgent := map[string]*Revision{}
	t.byRef.Range(func(_, v any) bool {
		rev := v.(*route).rev
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
