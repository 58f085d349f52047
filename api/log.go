package api

import "time"

// LogLine is one line that an agent printed or logged.
type LogLine struct {
	Time         time.Time `json:"time"`
	Stream       string    `json:"stream" enum:"stdout,stderr,logging,system"`
	Level        string    `json:"level,omitempty"`
	Text         string    `json:"text"`
	InvocationID string    `json:"invocation_id,omitempty"`
	Instance     string    `json:"instance,omitempty"`
	AgentID      string    `json:"agent_id,omitempty"`
	Revision     string    `json:"revision,omitempty"`
}

// LogList is a list of log lines, oldest first.
type LogList struct {
	Logs []LogLine `json:"logs"`
}
