package api

import "time"

// SecretValue is the body that sets a secret. No answer ever holds one.
type SecretValue struct {
	Value string `json:"value"`
}

// Secret is what is told of a secret.
type Secret struct {
	Name string `json:"name" doc:"The variable as which agents see it."`
	// Agent and AgentID are whose it is; absent for one of all agents.
	Agent     string    `json:"agent,omitempty"`
	AgentID   string    `json:"agent_id,omitempty"`
	UpdatedAt time.Time `json:"updated_at"`
}

// SecretList is the list of secrets.
type SecretList struct {
	Secrets []Secret `json:"secrets"`
}
