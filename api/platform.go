package api

import "time"

// PlatformStatus is how a platform is: GET /v1/platform.
type PlatformStatus struct {
	Version       string    `json:"version"`
	PID           int       `json:"pid"`
	StartedAt     time.Time `json:"started_at"`
	UptimeSeconds int64     `json:"uptime_seconds"`
	Agents        TierCount `json:"agents"`
	// Instances live; Zygotes do, Frozen of them frozen.
	Instances int              `json:"instances"`
	Zygotes   int              `json:"zygotes"`
	Frozen    int              `json:"zygotes_frozen"`
	Calls     PlatformCalls    `json:"calls"`
	Memory    PlatformMemory   `json:"memory"`
	Disk      PlatformDisk     `json:"disk"`
	Isolation PlatformIsolated `json:"isolation"`
}

// TierCount counts agents: those that can be called by tier of readiness, and
// those that can't.
type TierCount struct {
	Total int `json:"total"`
	Hot   int `json:"hot"`
	Warm  int `json:"warm"`
	Cold  int `json:"cold"`
	// Out are stopped, or no revision of them has come into service.
	Out int `json:"out_of_service"`
}

// PlatformCalls counts calls: Good and Bad ones have ended since the start.
type PlatformCalls struct {
	InFlight int   `json:"in_flight"`
	Waiting  int   `json:"waiting"`
	Good     int64 `json:"succeeded"`
	Bad      int64 `json:"failed"`
}

// PlatformMemory is in bytes; 0 is not known.
type PlatformMemory struct {
	// Server is what the platform's own process takes, Agents all of theirs, who
	// may take Limit.
	Server int64 `json:"server_bytes"`
	Agents int64 `json:"agents_bytes"`
	Limit  int64 `json:"agents_limit_bytes"`
	// Free is what the machine has left.
	Free int64 `json:"free_bytes"`
}

// PlatformDisk is in bytes.
type PlatformDisk struct {
	Bundles      int64 `json:"bundles_bytes"`
	Code         int64 `json:"code_bytes"`
	Environments int64 `json:"environments_bytes"`
	Data         int64 `json:"data_bytes"`
	Databases    int64 `json:"databases_bytes"`
	Free         int64 `json:"free_bytes"`
}

// PlatformIsolated says how agents are kept from the machine and each other.
type PlatformIsolated struct {
	// Level is the isolation level, such as process.
	Level string `json:"level"`
	// MemoryBy and FreezeBy are cgroup, or what is done instead: polling, none.
	// WhyNot… says why it is not cgroup.
	MemoryBy     string `json:"memory_by"`
	WhyNotMemory string `json:"why_not_memory,omitempty"`
	FreezeBy     string `json:"freeze_by"`
	WhyNotFreeze string `json:"why_not_freeze,omitempty"`
}
