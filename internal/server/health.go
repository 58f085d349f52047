package server

import (
	"net/http"

	"github.com/runagent/runagent/api"
	"github.com/runagent/runagent/internal/server/door"
)

// handleLive says that the process answers at all.
func (s *Server) handleLive(w http.ResponseWriter, _ *http.Request) error {
	door.WriteJSON(w, http.StatusOK, api.Health{Status: api.Healthy, Checks: []api.Check{}})
	return nil
}

// handleReady says whether new calls are welcome.
func (s *Server) handleReady(w http.ResponseWriter, r *http.Request) error {
	h, err := s.door.Health(r.Context())
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
	h, err := s.door.Health(r.Context())
	if err != nil {
		return err
	}
	writeHealth(w, h)
	return nil
}

// handleAgentHealth says how one agent is.
func (s *Server) handleAgentHealth(w http.ResponseWriter, r *http.Request) error {
	d, err := s.door.Agents.Describe(r.Context(), r.PathValue("agent"))
	if err != nil {
		return err
	}
	checks := append([]api.Check{}, d.Checks...)
	writeHealth(w, api.Health{Status: door.Worst(checks), Checks: checks})
	return nil
}

// writeHealth answers 503 when nothing can be expected: what only is degraded
// still answers calls.
func writeHealth(w http.ResponseWriter, h api.Health) {
	status := http.StatusOK
	if h.Status == api.Unhealthy {
		status = http.StatusServiceUnavailable
	}
	w.Header().Set("Cache-Control", "no-store")
	door.WriteJSON(w, status, h)
}
