package door

import (
	"context"
	"time"

	"github.com/runagent/runagent/api"
)

// Health gathers all checks; those of an agent carry its name.
func (d *Door) Health(ctx context.Context) (api.Health, error) {
	checks := []api.Check{}
	if !d.Ready() {
		checks = append(checks, api.Check{Name: "server", Status: api.Unhealthy, Message: ErrStopping.Error()})
	}
	if d.Checks != nil {
		checks = append(checks, d.Checks(ctx)...)
	}
	agents, err := d.Agents.List(ctx)
	if err != nil {
		return api.Health{}, err
	}
	for _, d := range agents {
		for _, c := range d.Checks {
			c.Name = d.Agent.Slug + "/" + c.Name
			checks = append(checks, c)
		}
	}
	return api.Health{
		Status: Worst(checks), Checks: checks, Version: d.Version,
		UptimeSeconds: time.Since(d.since).Seconds(),
	}, nil
}

// Worst is the status of the Worst check.
func Worst(checks []api.Check) string {
	status := api.Healthy
	for _, c := range checks {
		switch c.Status {
		case api.Unhealthy:
			return api.Unhealthy
		case api.Degraded:
			status = api.Degraded
		}
	}
	return status
}
