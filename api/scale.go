package api

// ScaleRequest changes how an agent is scaled. What is left out stays as it is.
type ScaleRequest struct {
	MinInstances       *int     `json:"min_instances,omitempty" doc:"Instances kept even when nobody calls; 0 lets the agent sleep."`
	MaxInstances       *int     `json:"max_instances,omitempty" doc:"Most instances of a revision at once."`
	Target             *float64 `json:"target,omitempty" doc:"Calls at once that an instance is meant to have before another one is started."`
	IdleTimeoutSeconds *float64 `json:"idle_timeout_seconds,omitempty" doc:"Time without a call after which the agent sleeps."`
	// Reset forgets what was said before; then the manifest holds again.
	Reset bool `json:"reset,omitempty" doc:"Forget what was set before: what the manifest says holds again."`
}

// Scale is how an agent is scaled, and what it has now.
type Scale struct {
	MinInstances       int     `json:"min_instances"`
	MaxInstances       int     `json:"max_instances"`
	Target             float64 `json:"target" doc:"Calls at once that an instance is meant to have."`
	IdleTimeoutSeconds float64 `json:"idle_timeout_seconds"`
	// Set are the fields that were set for the agent, whatever its manifest says.
	Set []string `json:"set" doc:"What was set for the agent, whatever its manifest says."`
	// Revisions are those that have instances now.
	Revisions []RevisionLoad `json:"revisions"`
}

// RevisionLoad is what one revision has and does now.
type RevisionLoad struct {
	Revision  string `json:"revision"`
	Number    int    `json:"number"`
	Instances int    `json:"instances" doc:"Those that take calls."`
	Wanted    int    `json:"wanted" doc:"How many there are to be."`
	InFlight  int    `json:"in_flight"`
	Queued    int    `json:"queued" doc:"Calls that wait for a slot."`
	// MemoryBytes is what one instance takes, as measured; absent until it was.
	MemoryBytes int64 `json:"memory_bytes,omitempty" doc:"What one instance takes, as measured."`
}
