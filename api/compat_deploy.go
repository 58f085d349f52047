package api

// CompatAnnouncement is what published clients say of an agent before they
// upload it. What else they say of it, its folder says too.
type CompatAnnouncement struct {
	AgentID   string         `json:"agent_id"`
	Metadata  CompatMetadata `json:"agent_metadata"`
	Config    CompatManifest `json:"config"`
	Overwrite bool           `json:"overwrite"`
}

// CompatMetadata holds the agent's variables, those of its .env included.
type CompatMetadata struct {
	EnvVars map[string]string `json:"env_vars"`
}

// CompatManifest is what matters here of the agent's manifest.
type CompatManifest struct {
	Architecture struct {
		Entrypoints []struct {
			Tag string `json:"tag"`
		} `json:"entrypoints"`
	} `json:"agent_architecture"`
}

// CompatAnnounced answers an announcement.
type CompatAnnounced struct {
	AgentID string   `json:"agent_id"`
	Created int      `json:"entrypoints_created"`
	IDs     []string `json:"entrypoint_ids"`
}

// CompatUploaded answers an upload.
type CompatUploaded struct {
	AgentID string `json:"agent_id"`
	Status  string `json:"status"`
	Size    int64  `json:"file_size"`
	Name    string `json:"file_name"`
}

// CompatStarted answers a start that went well.
type CompatStarted struct {
	AgentID  string `json:"agent_id"`
	Status   string `json:"status"`
	Endpoint string `json:"endpoint"`
	Revision int    `json:"revision"`
}

// CompatStatus is how a deployed agent is.
type CompatStatus struct {
	AgentID   string `json:"agent_id"`
	AgentName string `json:"agent_name,omitempty"`
	// Status is running, asleep, stopped, undeployed, or uploaded for one that
	// was never started.
	Status   string `json:"status"`
	Revision string `json:"revision,omitempty"`
	Version  string `json:"version,omitempty"`
}

// CompatLimits says how many agents there may be; -1 for any number.
type CompatLimits struct {
	MaxAgents int `json:"max_agents"`
}

// CompatToken says whether a key may call.
type CompatToken struct {
	Valid       bool   `json:"valid"`
	Reason      string `json:"reason,omitempty"`
	Email       string `json:"user_email,omitempty"`
	User        string `json:"user_id,omitempty"`
	Tier        string `json:"user_tier,omitempty"`
	Project     string `json:"default_project_id,omitempty"`
	ProjectName string `json:"default_project_name,omitempty"`
}
