package api

import "encoding/json"

// ErrorBody is the body of every answer that is not a success.
type ErrorBody struct {
	Error Error `json:"error"`
}

// Error says what went wrong. Clients branch on Code.
type Error struct {
	Code    string `json:"code" doc:"One of a fixed set of codes; branch on this."`
	Message string `json:"message" doc:"One sentence for people."`
	// Details holds more, by code: an EXECUTION_ERROR has type, message and traceback.
	Details          json.RawMessage `json:"details,omitempty" doc:"More, by code: an EXECUTION_ERROR has type, message and traceback."`
	Field            string          `json:"field,omitempty" doc:"The field of the request that is wrong."`
	Suggestion       string          `json:"suggestion,omitempty" doc:"What to do next."`
	InvocationID     string          `json:"invocation_id,omitempty" doc:"The invocation that failed, if there was one."`
	RequestID        string          `json:"request_id,omitempty" doc:"The answer's X-Request-Id."`
	DocumentationURL string          `json:"documentation_url,omitempty"`
}
