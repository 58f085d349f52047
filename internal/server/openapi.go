package server

import (
	"net/http"

	"github.com/runagent/runagent/internal/server/openapi"
)

// handleOpenAPI answers with the whole server's document.
func (s *Server) handleOpenAPI(w http.ResponseWriter, r *http.Request) error {
	agents, err := s.door.Agents.List(r.Context())
	if err != nil {
		return err
	}
	subjects := make([]openapi.Subject, 0, len(agents))
	for _, d := range agents {
		subjects = append(subjects, openapi.Subject{Agent: d.Agent, Callables: d.Callables})
	}
	text, err := s.spec.With(subjects)
	if err != nil {
		return err
	}
	s.door.Write(w, r, text)
	return nil
}

// handleAgentOpenAPI answers with the document of one agent.
func (s *Server) handleAgentOpenAPI(w http.ResponseWriter, r *http.Request) error {
	d, err := s.door.Agents.Describe(r.Context(), r.PathValue("agent"))
	if err != nil {
		return err
	}
	text, err := s.spec.Of(openapi.Subject{Agent: d.Agent, Callables: d.Callables})
	if err != nil {
		return err
	}
	s.door.Write(w, r, text)
	return nil
}

// toDocs sends a browser to the documentation.
func toDocs(w http.ResponseWriter, r *http.Request) {
	http.Redirect(w, r, openapi.PagePath, http.StatusFound)
}
