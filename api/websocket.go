package api

import "encoding/json"

// The types of messages on the WebSocket of an agent.
const (
	SocketInvoke  = "invoke"
	SocketCancel  = "cancel"
	SocketStarted = "started"
	SocketChunk   = "chunk"
	SocketLog     = "log"
	SocketResult  = "result"
	SocketError   = "error"
)

// SocketRequest is a message from the client. Ref is the client's own name for
// the call, unique among those in flight on the socket. A cancel has only
// type and ref.
type SocketRequest struct {
	Type string `json:"type" enum:"invoke,cancel"`
	Ref  string `json:"ref"`
	InvokeRequest
	Logs bool `json:"logs,omitempty" doc:"Send the call's log lines too."`
}

// SocketEvent is a message from the server, about the call named by Ref. An
// error that belongs to no call has an empty Ref.
type SocketEvent struct {
	Type         string          `json:"type" enum:"started,chunk,log,result,error"`
	Ref          string          `json:"ref"`
	Seq          int64           `json:"seq,omitempty"`
	InvocationID string          `json:"invocation_id,omitempty"`
	Content      json.RawMessage `json:"content,omitempty"`
	Index        *int            `json:"index,omitempty"`
	Log          *LogLine        `json:"log,omitempty"`
	Status       string          `json:"status,omitempty"`
	Result       json.RawMessage `json:"result,omitempty"`
	Chunks       *int            `json:"chunks,omitempty"`
	Metadata     *Metadata       `json:"metadata,omitempty"`
	Error        *Error          `json:"error,omitempty"`
}
