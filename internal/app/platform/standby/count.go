package standby

import "slices"

// Count is how many revisions are in each tier of readiness, and how many calls
// wait for one to wake.
type Count struct{ Hot, Warm, Cold, Waiting int }

// Count counts.
func (s *Pools) Count() (c Count) {
	s.mu.Lock()
	places := make([]*place, 0, len(s.places))
	for _, p := range s.places {
		places = append(places, p)
	}
	s.mu.Unlock()
	for _, p := range places {
		p.mu.Lock()
		up, waiting, rev := p.phase == awake, p.sleepers, p.rev
		p.mu.Unlock()
		c.Waiting += waiting
		switch {
		case up:
			c.Hot++
		case s.o.Machine.Warm(rev):
			c.Warm++
		default:
			c.Cold++
		}
	}
	return c
}

// Recent returns the agents that were called, the last first.
func (s *Pools) Recent() []string {
	s.mu.Lock()
	called := map[string]int64{}
	for _, p := range s.places {
		p.mu.Lock()
		if !p.called.IsZero() {
			called[p.rev.Agent.ID] = max(called[p.rev.Agent.ID], p.called.UnixNano())
		}
		p.mu.Unlock()
	}
	s.mu.Unlock()
	agents := make([]string, 0, len(called))
	for id := range called {
		agents = append(agents, id)
	}
	slices.SortFunc(agents, func(a, b string) int { return int(called[b] - called[a]) })
	return agents
}
