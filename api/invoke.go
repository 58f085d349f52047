package api

import "encoding/json"

// InvokeRequest asks for one execution of an entrypoint.
type InvokeRequest struct {
	Entrypoint     string          `json:"entrypoint,omitempty" doc:"The entrypoint's tag. May be left out when there is only one, or one tagged main or generic."`
	Input          json.RawMessage `json:"input,omitempty" doc:"An object of keyword arguments, or a list of positional ones."`
	Args           json.RawMessage `json:"args,omitempty" doc:"A list of positional arguments, beside an input object."`
	TimeoutSeconds float64         `json:"timeout_seconds,omitempty" doc:"How long the invocation may take, a stream's whole life included. Capped by the agent's own limit."`
	Metadata       json.RawMessage `json:"metadata,omitempty" doc:"An object handed to the agent beside the input."`
	SessionID      string          `json:"session_id,omitempty" doc:"The session the call belongs to, 1 to 256 bytes of the caller's choice. While traffic is split, its calls go to one revision; the agent can read it. It does not keep state by itself yet."`
}

// InvokeResponse is the answer of an invocation that succeeded.
type InvokeResponse struct {
	InvocationID string          `json:"invocation_id"`
	Status       string          `json:"status" enum:"succeeded"`
	Result       json.RawMessage `json:"result" doc:"What the entrypoint returned; the list of its items if it streams."`
	Metadata     Metadata        `json:"metadata"`
}

// Metadata says which code ran and where the time went.
type Metadata struct {
	AgentVersion string          `json:"agent_version"`
	Revision     string          `json:"revision"`
	Start        string          `json:"start" enum:"hot,warm,cold" doc:"What the call found: a live instance, a zygote, or nothing."`
	Timings      Timings         `json:"timings_ms"`
	Usage        json.RawMessage `json:"usage,omitempty" doc:"Token usage that the agent's framework reported."`
}

// Timings are the stages of an invocation in milliseconds.
type Timings struct {
	Queue      float64 `json:"queue" doc:"Waiting for a free slot."`
	Start      float64 `json:"start" doc:"Waiting for an instance to start."`
	Call       float64 `json:"call" doc:"In the instance."`
	FirstChunk float64 `json:"first_chunk,omitempty" doc:"From the start to the first chunk of a stream."`
	Total      float64 `json:"total"`
}

// StartEvent is the data of a stream's first event, start.
type StartEvent struct {
	InvocationID string `json:"invocation_id"`
}

// ChunkEvent is the data of a chunk event: one item of a stream.
type ChunkEvent struct {
	Content json.RawMessage `json:"content"`
	Index   int             `json:"index" doc:"From 0."`
}

// DoneEvent is the data of the last event of a stream that succeeded.
type DoneEvent struct {
	Status   string          `json:"status" enum:"succeeded"`
	Result   json.RawMessage `json:"result" doc:"What a plain entrypoint returned; null where chunks were sent."`
	Chunks   int             `json:"chunks"`
	Metadata Metadata        `json:"metadata"`
}
