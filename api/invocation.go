package api

import (
	"encoding/json"
	"time"
)

// Invocation is the record of one execution.
type Invocation struct {
	ID         string   `json:"invocation_id"`
	AgentID    string   `json:"agent_id"`
	Revision   string   `json:"revision,omitempty"`
	Entrypoint string   `json:"entrypoint"`
	SessionID  string   `json:"session_id,omitempty"`
	Status     string   `json:"status" enum:"queued,running,succeeded,failed,canceled,timed_out"`
	Attempt    int      `json:"attempt"`
	Input      *Payload `json:"input,omitempty"`
	Output     *Payload `json:"output,omitempty"`
	Error      *Error   `json:"error,omitempty"`
	Start      string   `json:"start,omitempty"`
	Chunks     int      `json:"chunks,omitempty"`
	// FinishedAt is null while it runs.
	CreatedAt  time.Time       `json:"created_at"`
	FinishedAt *time.Time      `json:"finished_at"`
	Timings    *Timings        `json:"timings_ms,omitempty"`
	Usage      json.RawMessage `json:"usage,omitempty"`
	Door       string          `json:"door,omitempty"`
	SDKType    string          `json:"sdk_type,omitempty"`
	Client     string          `json:"client,omitempty"`
	RequestID  string          `json:"request_id,omitempty"`
}

// Payload is a recorded input or output. Long ones are kept as prefix, size
// and digest.
type Payload struct {
	JSON      json.RawMessage `json:"json,omitempty" doc:"The whole value, unless it was cut."`
	Prefix    string          `json:"prefix,omitempty" doc:"The first bytes of a value that was cut."`
	Size      int64           `json:"size"`
	Digest    string          `json:"digest,omitempty" doc:"Tells the values that were cut apart: algorithm, colon, hexadecimal digits."`
	Truncated bool            `json:"truncated,omitempty"`
}

// InvocationList is one page of records, newest first.
type InvocationList struct {
	Invocations []Invocation `json:"invocations"`
	NextCursor  string       `json:"next_cursor,omitempty" doc:"Hand it back as cursor for the next page; absent on the last one."`
}

// CancelResponse says that a cancel was accepted.
type CancelResponse struct {
	InvocationID string `json:"invocation_id"`
	Status       string `json:"status" enum:"canceled"`
}
