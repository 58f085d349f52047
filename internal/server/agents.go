package server

import (
	"net/http"

	"github.com/runagent/runagent/api"
	"github.com/runagent/runagent/internal/server/door"
)

// handleAgents lists the agents.
func (s *Server) handleAgents(w http.ResponseWriter, r *http.Request) error {
	agents, err := s.door.Agents.List(r.Context())
	if err != nil {
		return err
	}
	list := api.AgentList{Agents: make([]api.Agent, 0, len(agents))}
	for i := range agents {
		list.Agents = append(list.Agents, wireAgent(&agents[i]))
	}
	return s.door.AnswerJSON(w, r, list)
}

// handleAgent tells about one agent.
func (s *Server) handleAgent(w http.ResponseWriter, r *http.Request) error {
	d, err := s.door.Agents.Describe(r.Context(), r.PathValue("agent"))
	if err != nil {
		return err
	}
	return s.door.AnswerJSON(w, r, wireAgent(d))
}

func wireAgent(d *Description) api.Agent {
	a := api.Agent{
		ID: d.Agent.ID, Name: d.Agent.Name, Slug: d.Agent.Slug,
		Revision: d.Revision, Status: door.Worst(d.Checks), State: d.State,
		Entrypoints: make([]api.Entrypoint, 0, len(d.Callables)),
	}
	if m := d.Agent.Manifest; m != nil {
		a.Description, a.Framework, a.Version = m.Description, m.Framework, m.Version
	}
	for _, c := range d.Callables {
		a.Entrypoints = append(a.Entrypoints, api.Entrypoint{
			Tag: c.Tag, Type: string(c.Type), Streams: c.Streams, File: c.File, Module: c.Module,
			Description: c.Description, Signature: c.Signature,
			InputSchema: c.InputSchema, OutputSchema: c.OutputSchema,
		})
	}
	return a
}
