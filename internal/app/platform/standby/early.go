package standby

import (
	"context"
	"slices"

	"github.com/runagent/runagent/internal/deploy"
)

// SleepEarly lets a part of the revisions sleep that nobody calls now, those
// called longest ago, and returns how many. Those that kept names stay awake.
func (s *Pools) SleepEarly(ctx context.Context, kept func(*deploy.Revision) bool) int {
	s.mu.Lock()
	idle := make([]*place, 0, len(s.places))
	last := map[*place]int64{}
	for _, p := range s.places {
		p.mu.Lock()
		if p.phase == awake && !p.draining && p.inFlight == 0 && p.sleepers == 0 && !kept(p.rev) {
			idle = append(idle, p)
			last[p] = p.lastUsed.UnixNano()
		}
		p.mu.Unlock()
	}
	s.mu.Unlock()
	slices.SortFunc(idle, func(a, b *place) int { return int(last[a] - last[b]) })
	slept := 0
	for _, p := range idle[:(len(idle)+3)/4] {
		if p.tire() {
			s.o.Machine.Drain(ctx, p.revision())
			p.end(asleep)
			slept++
		}
	}
	return slept
}
