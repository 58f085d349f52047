package standby

import "slices"

// Count is how many agents are in each tier of readiness, and how many calls
// wait for one to wake.
type Count struct{ Hot, Warm, Cold, Waiting int }

// tier is how ready an agent is.
type tier int

const (
	cold tier = iota
	warm
	hot
)

// Count counts. An agent is as ready as the readiest of its revisions, but for
// those that drain.
func (s *Pools) Count() (c Count) {
	s.mu.Lock()
	places := make([]*place, 0, len(s.places))
	for _, p := range s.places {
		places = append(places, p)
	}
	s.mu.Unlock()
	agents := map[string]tier{}
	for _, p := range places {
		p.mu.Lock()
		up, waiting, leaves, rev := p.phase == awake, p.sleepers, p.draining, p.rev
		p.mu.Unlock()
		c.Waiting += waiting
		if leaves {
			continue
		}
		now := cold
		if up {
			now = hot
		} else if s.o.Machine.Warm(rev) {
			now = warm
		}
		agents[rev.Agent.ID] = max(agents[rev.Agent.ID], now)
	}
	for _, t := range agents {
		switch t {
		case hot:
			c.Hot++
		case warm:
			c.Warm++
		case cold:
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
