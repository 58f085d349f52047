package api

import "time"

// The states of health, best first. Degraded means: it answers, and a person
// should look.
const (
	Healthy   = "healthy"
	Degraded  = "degraded"
	Unhealthy = "unhealthy"
)

// Health says how a server or an agent is. Its status is the worst of its checks.
type Health struct {
	Status        string  `json:"status" enum:"healthy,degraded,unhealthy"`
	Checks        []Check `json:"checks"`
	Version       string  `json:"version,omitempty"`
	UptimeSeconds float64 `json:"uptime_seconds,omitempty"`
}

// Check is one thing that was looked at.
type Check struct {
	Name    string `json:"name"`
	Status  string `json:"status" enum:"healthy,degraded,unhealthy"`
	Message string `json:"message,omitempty"`
	// File and Line say where, for example of a save that does not load.
	File  string     `json:"file,omitempty"`
	Line  int        `json:"line,omitempty"`
	Since *time.Time `json:"since,omitempty"`
}
