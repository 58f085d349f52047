package server

import (
	"context"
	"net/http"
	"time"

	"github.com/runagent/runagent/api"
)

// handleLive says that the process answers at all.
func (s *Server) handleLive(w http.ResponseWriter, _ *http.Request) error {
	writeJSON(w, http.StatusOK, api.Health{Status: api.Healthy, Checks: []api.Check{}})
	return nil
}

// handleReady says whether new calls are welcome.
func (s *Server) handleReady(w http.ResponseWriter, r *http.Request) error {
	h, err := s.health(r.Context())
	if err != nil {
		return err
	}
	if h.Status != api.Unhealthy {
		h.Status = api.Healthy
	}
	writeHealth(w, api.Health{Status: h.Status, Checks: []api.Check{}})
	return nil
}

// handleHealth says how the server and its agents are.
func (s *Server) handleHealth(w http.ResponseWriter, r *http.Request) error {
	h, err := s.health(r.Context())
	if err != nil {
		return err
	}
	writeHealth(w, h)
	return nil
}

// handleAgentHealth says how one agent is.
func (s *Server) handleAgentHealth(w http.ResponseWriter, r *http.Request) error {
	d, err := s.o.Agents.Describe(r.Context(), r.PathValue("agent"))
	if err != nil {
		return err
	}
	checks := append([]api.Check{}, d.Checks...)
	writeHealth(w, api.Health{Status: worst(checks), Checks: checks})
	return nil
}

// health gathers all checks; those of an agent carry its name.
func (s *Server) health(ctx context.Context) (api.Health, error) {
	checks := []api.Check{}
	if !s.ready() {
		checks = append(checks, api.Check{Name: "server", Status: api.Unhealthy, Message: ErrStopping.Error()})
	}
	if s.o.Checks != nil {
		checks = append(checks, s.o.Checks(ctx)...)
	}
	agents, err := s.o.Agents.List(ctx)
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
		Status: worst(checks), Checks: checks, Version: s.o.Version,
		UptimeSeconds: time.Since(s.since).Seconds(),
	}, nil
}

// worst is the status of the worst check.
func worst(checks []api.Check) string {
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

// writeHealth answers 503 when nothing can be expected: what only is degraded
// still answers calls.
func writeHealth(w http.ResponseWriter, h api.Health) {
	status := http.StatusOK
	if h.Status == api.Unhealthy {
		status = http.StatusServiceUnavailable
	}
	w.Header().Set("Cache-Control", "no-store")
	writeJSON(w, status, h)
}
