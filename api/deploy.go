package api

import "time"

// Bundle is an agent's folder as it was uploaded.
type Bundle struct {
	Digest string `json:"digest" doc:"sha256: and 64 hexadecimal digits, of what is in it."`
	// Packed is its size as it travels, Bytes and Files what is in it.
	Packed int64 `json:"packed_bytes"`
	Bytes  int64 `json:"bytes"`
	Files  int   `json:"files"`
}

// Upload is how much a platform has of a bundle whose upload broke off.
type Upload struct {
	Bytes int64 `json:"uploaded_bytes" doc:"Where to go on: Content-Range: bytes N-…"`
}

// Limits are what a platform lets in.
type Limits struct {
	Bundle BundleLimits `json:"bundle"`
}

// BundleLimits bound a bundle.
type BundleLimits struct {
	Packed int64 `json:"packed_bytes" doc:"The bundle itself, as it travels."`
	Bytes  int64 `json:"bytes" doc:"What is in it."`
	Files  int   `json:"files"`
}

// DeployRequest asks for a new revision of an agent.
type DeployRequest struct {
	Digest  string `json:"digest" doc:"The bundle, which was uploaded before."`
	Message string `json:"message,omitempty" doc:"What changed, for people."`
	// Env are plain variables, which the agent sees; they win over the manifest's.
	Env map[string]string `json:"env,omitempty" doc:"Plain variables for the agent; no secrets."`
	// Traffic is the part of the calls that it gets; the other revisions keep the rest.
	Traffic *int `json:"traffic,omitempty" doc:"Percent of the agent's calls that it gets, 100 if not given; 0 for those only that name it."`
	// Canary gives it a part of the calls until it is decided on.
	Canary *Canary `json:"canary,omitempty" doc:"Give it a part of the calls, and all of them if it does no worse than the other revisions, else none."`
	// Rebuild installs requirements again that are known to fail.
	Rebuild bool `json:"rebuild,omitempty" doc:"Install once more what is known to fail."`
}

// RollbackRequest asks for a revision that served before.
type RollbackRequest struct {
	Revision string `json:"revision,omitempty" doc:"Its number or ID; the one that served before if not given."`
}

// Revision is an immutable version of an agent: code, manifest and variables.
type Revision struct {
	ID      string `json:"revision"`
	Number  int    `json:"number" doc:"Counts the revisions of an agent from 1."`
	Agent   string `json:"agent" doc:"The agent's slug."`
	AgentID string `json:"agent_id"`
	State   string `json:"state" enum:"pending,building,starting,ready,retired,failed"`
	// Percent of the agent's calls go to it.
	Percent int `json:"percent"`
	// CanaryUntil is when it is decided whether it gets all calls or none.
	CanaryUntil *time.Time `json:"canary_until,omitempty" doc:"When it is decided whether it gets all calls or none."`
	Digest      string     `json:"digest"`
	Message     string     `json:"message,omitempty"`
	// Error says why it failed, Traceback where user code did.
	Error     string     `json:"error,omitempty"`
	Traceback string     `json:"traceback,omitempty"`
	CreatedAt time.Time  `json:"created_at"`
	ServedAt  *time.Time `json:"served_at,omitempty" doc:"When it last began to get calls."`
	// Draining is there while the last calls of a revision that was replaced end.
	Draining *Draining `json:"draining,omitempty"`
	// Timings are how long the steps of the deploy took; absent once they are forgotten.
	Timings *DeployTimings `json:"timings_ms,omitempty"`
}

// Draining is what is left of a revision that gets no more calls.
type Draining struct {
	InFlight int       `json:"in_flight" doc:"How many calls are running."`
	Until    time.Time `json:"until" doc:"When they are ended."`
}

// Done reports whether the revision's deploy has ended, well or badly.
func (r *Revision) Done() bool {
	return r.State == "ready" || r.State == "retired" || r.State == "failed"
}

// DeployTimings are how long the steps of a deploy took, in milliseconds.
type DeployTimings struct {
	Build  float64 `json:"build"`
	Start  float64 `json:"start"`
	Probe  float64 `json:"probe"`
	Switch float64 `json:"switch"`
}

// RevisionList is the list of an agent's revisions, newest first.
type RevisionList struct {
	Revisions []Revision `json:"revisions"`
}

// DeployEvent is one event of a deploy that is followed.
type DeployEvent struct {
	// Step is the state that was reached; or probing: it came up, are all
	// entrypoints there? Or switching: the calls go over. It is "" in an event that is a line of the build.
	Step string `json:"step,omitempty"`
	Text string `json:"text,omitempty"`
	// Revision is there in the last event, when the deploy has ended.
	Revision *Revision `json:"revision,omitempty"`
}
