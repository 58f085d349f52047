package api

import "encoding/json"

// Agent is what is known about an agent.
type Agent struct {
	ID          string `json:"agent_id"`
	Name        string `json:"name"`
	Slug        string `json:"slug"`
	Description string `json:"description,omitempty"`
	Framework   string `json:"framework,omitempty"`
	Version     string `json:"version,omitempty"`
	Revision    string `json:"revision,omitempty"`
	Status      string `json:"status" enum:"healthy,degraded,unhealthy"`
	// State says, on a platform, whether it takes calls and has instances now.
	State       string       `json:"state,omitempty" enum:"running,asleep,stopped,undeployed" doc:"On a platform: an agent that is asleep wakes up when it is called."`
	Entrypoints []Entrypoint `json:"entrypoints"`
}

// Entrypoint is one callable of an agent.
type Entrypoint struct {
	Tag          string          `json:"tag"`
	Type         string          `json:"type"`
	Streams      bool            `json:"streams"`
	File         string          `json:"file,omitempty"`
	Module       string          `json:"module,omitempty"`
	Description  string          `json:"description,omitempty"`
	Signature    string          `json:"signature,omitempty"`
	InputSchema  json.RawMessage `json:"input_schema,omitempty"`
	OutputSchema json.RawMessage `json:"output_schema,omitempty"`
}

// AgentList is the list of agents.
type AgentList struct {
	Agents []Agent `json:"agents"`
}
