package api

import (
	"encoding/json"
	"time"
)

// CompatRunRequest is the body of a run in the published clients' dialect.
type CompatRunRequest struct {
	EntrypointTag    string          `json:"entrypoint_tag"`
	InputArgs        json.RawMessage `json:"input_args,omitempty"`
	InputKwargs      json.RawMessage `json:"input_kwargs,omitempty"`
	TimeoutSeconds   float64         `json:"timeout_seconds,omitempty"`
	AsyncExecution   bool            `json:"async_execution,omitempty"`
	UserID           string          `json:"user_id,omitempty"`
	PersistentMemory bool            `json:"persistent_memory,omitempty"`
}

// CompatEnvelope wraps every answer of the published clients' door.
type CompatEnvelope struct {
	Success bool `json:"success"`
	// Data is, of a run, a string: the JSON text of a CompatData.
	Data      json.RawMessage `json:"data"`
	Message   *string         `json:"message"`
	Error     *CompatError    `json:"error"`
	Timestamp time.Time       `json:"timestamp"`
	RequestID string          `json:"request_id"`
	// Detail repeats the message of an error that came before the run.
	Detail string `json:"detail,omitempty"`
}

// CompatData is a value with the name of its type. Payload is the JSON text of
// the value, so a string is quoted twice.
type CompatData struct {
	Type    string `json:"type" enum:"string,integer,number,boolean,array,object,null"`
	Payload string `json:"payload"`
}

// CompatError is the error object of the published clients.
type CompatError struct {
	Code       string          `json:"code"`
	Message    string          `json:"message"`
	Details    json.RawMessage `json:"details"`
	Field      *string         `json:"field"`
	Suggestion string          `json:"suggestion,omitempty"`
}

// CompatFrame is one message of the server on the run-stream WebSocket.
type CompatFrame struct {
	Type          string   `json:"type" enum:"status,data,error"`
	Status        string   `json:"status,omitempty" enum:"stream_started,stream_completed"`
	Content       string   `json:"content,omitempty"`
	TotalChunks   *int     `json:"total_chunks,omitempty"`
	ExecutionTime *float64 `json:"execution_time,omitempty"`
	InvocationID  string   `json:"invocation_id,omitempty"`
	Error         string   `json:"error,omitempty"`
	Detail        string   `json:"detail,omitempty"`
}

// CompatArchitecture is the data of the architecture answer.
type CompatArchitecture struct {
	AgentID     string             `json:"agent_id"`
	Entrypoints []CompatEntrypoint `json:"entrypoints"`
}

// CompatEntrypoint is an entrypoint as the manifest names it.
type CompatEntrypoint struct {
	Tag         string            `json:"tag"`
	File        string            `json:"file"`
	Module      string            `json:"module"`
	Extractor   map[string]string `json:"extractor"`
	Type        string            `json:"type,omitempty"`
	Description string            `json:"description,omitempty"`
}

// CompatInfo is the answer of the door's root.
type CompatInfo struct {
	Message   string            `json:"message"`
	Version   string            `json:"version"`
	Host      string            `json:"host"`
	Port      int               `json:"port"`
	Config    json.RawMessage   `json:"config"`
	Endpoints map[string]string `json:"endpoints"`
}

// CompatHealth is the health of the agent that is served.
type CompatHealth struct {
	Status        string    `json:"status"`
	Timestamp     time.Time `json:"timestamp"`
	UptimeSeconds float64   `json:"uptime_seconds"`
	Version       string    `json:"version"`
	AgentID       string    `json:"agent_id"`
	AgentName     string    `json:"agent_name"`
	Framework     string    `json:"framework"`
}

// CompatInvocation is a record in the published clients' words.
type CompatInvocation struct {
	InvocationID      string          `json:"invocation_id"`
	AgentID           string          `json:"agent_id"`
	EntrypointTag     string          `json:"entrypoint_tag"`
	InputData         json.RawMessage `json:"input_data"`
	OutputData        json.RawMessage `json:"output_data"`
	ErrorDetail       *string         `json:"error_detail"`
	Status            string          `json:"status" enum:"pending,completed,failed"`
	RequestTimestamp  time.Time       `json:"request_timestamp"`
	ResponseTimestamp *time.Time      `json:"response_timestamp"`
	ExecutionTimeMS   *float64        `json:"execution_time_ms"`
	SDKType           string          `json:"sdk_type"`
	ClientInfo        json.RawMessage `json:"client_info"`
}

// CompatInvocationList is a list of records.
type CompatInvocationList struct {
	AgentID     string             `json:"agent_id"`
	Invocations []CompatInvocation `json:"invocations"`
	TotalCount  int                `json:"total_count"`
}

// CompatStats is the answer of invocations/stats.
type CompatStats struct {
	AgentID string            `json:"agent_id"`
	Stats   CompatStatsCounts `json:"stats"`
}

// CompatStatsCounts sums up an agent's records.
type CompatStatsCounts struct {
	Total       int64   `json:"total_invocations"`
	Completed   int64   `json:"completed_invocations"`
	Failed      int64   `json:"failed_invocations"`
	Pending     int64   `json:"pending_invocations"`
	SuccessRate float64 `json:"success_rate"`
	AvgMS       float64 `json:"avg_execution_time_ms"`
}
