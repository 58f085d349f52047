// Package agent knows what an agent is: a folder of code with a manifest
// that names its entrypoints. It parses and checks manifests; it starts nothing.
package agent

import "encoding/json"

// Type says how an entrypoint is called and what it gives back.
type Type string

// The entrypoint types. An empty Type means: inferred from the function.
const (
	Generic       Type = "generic"        // Dict -> Dict
	GenericStream Type = "generic_stream" // Dict -> Generator
	Async         Type = "async"          // Dict -> Awaitable[Dict]
	Batch         Type = "batch"          // List[Dict] -> List[Dict]
)

// Agent is a named program that users serve or deploy.
type Agent struct {
	// ID is the manifest's agent_id, or one derived stably from the folder.
	ID string
	// Name is as the author wrote it, Slug its lower-case form for URLs and the CLI.
	Name, Slug string
	// Dir is the absolute path of the agent's folder.
	Dir      string
	Manifest *Manifest
}

// Is reports whether ref, an ID, slug or name, means this agent.
func (a *Agent) Is(ref string) bool {
	return ref == a.ID || ref == a.Slug || ref == a.Name
}

// Callable is one entrypoint as a ready instance reported it: the manifest's
// entry with everything inferred from the function filled in.
type Callable struct {
	Tag         string `json:"tag"`
	Type        Type   `json:"type"`
	Streams     bool   `json:"streams"`
	File        string `json:"file"`
	Module      string `json:"module"`
	Description string `json:"description,omitempty"`
	// Signature is Python's, such as "main(prompt: str, n: int = 3) -> dict", or of
	// a webhook its method and host.
	Signature string `json:"signature,omitempty"`
	// InputSchema and OutputSchema are JSON Schemas (draft 2020-12).
	InputSchema  json.RawMessage   `json:"input_schema,omitempty"`
	OutputSchema json.RawMessage   `json:"output_schema,omitempty"`
	Extractor    map[string]string `json:"extractor,omitempty"`
}
