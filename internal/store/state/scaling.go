package state

import (
	"context"
	"fmt"
	"time"
)

// Scaling is how an agent is scaled where its owner said so; nil where not.
type Scaling struct {
	Min, Max    *int
	Target      *float64
	IdleTimeout *time.Duration
}

// Scaling returns what owners said, by agent.
func (d *DB) Scaling(ctx context.Context) (map[string]Scaling, error) {
	const q = `SELECT agent_id, min_instances, max_instances, target, idle_timeout FROM scaling`
	type row struct {
		agent string
		Scaling
	}
	rows, err := collect(ctx, d.db, q, nil, func(scan func(...any) error) (r row, err error) {
		var idle *int64
		err = scan(&r.agent, &r.Min, &r.Max, &r.Target, &idle)
		if idle != nil {
			d := time.Duration(*idle) * time.Microsecond
			r.IdleTimeout = &d
		}
		return r, err
	})
	all := make(map[string]Scaling, len(rows))
	for _, r := range rows {
		all[r.agent] = r.Scaling
	}
	return all, err
}

// SetScaling keeps how an agent is scaled, instead of what was said before.
func (d *DB) SetScaling(ctx context.Context, agentID string, s Scaling) error {
	const q = `
		INSERT INTO scaling (agent_id, min_instances, max_instances, target, idle_timeout) VALUES (?, ?, ?, ?, ?)
		ON CONFLICT (agent_id) DO UPDATE SET min_instances = excluded.min_instances, max_instances = excluded.max_instances,
			target = excluded.target, idle_timeout = excluded.idle_timeout`
	var idle *int64
	if s.IdleTimeout != nil {
		micros := s.IdleTimeout.Microseconds()
		idle = &micros
	}
	if _, err := d.db.ExecContext(ctx, q, agentID, s.Min, s.Max, s.Target, idle); err != nil {
		return fmt.Errorf("keep scaling: %w", err)
	}
	return nil
}
