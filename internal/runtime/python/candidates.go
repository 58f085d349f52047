package python

import (
	"context"
	"encoding/json"
	"fmt"
)

// Kinds of candidates.
const (
	// KindObject is a value that a framework made: a graph, a crew, an agent.
	KindObject = "object"
	// KindEntrypoint is a function that a decorator names as the entrypoint.
	KindEntrypoint = "entrypoint"
	// KindFunction is any other public function.
	KindFunction = "function"
)

// Candidate is something in a folder's files that could be an entrypoint.
type Candidate struct {
	// File is relative to the folder, with slashes.
	File string `json:"file"`
	// Name is what the file's top level calls it, on Line.
	Name string `json:"name"`
	Line int    `json:"line"`
	Kind string `json:"kind"`
	// Framework is what made an object, as manifests name it; "default" for a function.
	Framework string `json:"framework"`
	// Streams says that an object can be the module of a streaming entrypoint, too.
	Streams bool `json:"streams"`
	// Part says that another candidate is made of this one, such as an agent
	// of a team.
	Part bool `json:"part"`
	// Of functions: what they are, and whether all they take and give is annotated.
	Async     bool `json:"async"`
	Generator bool `json:"generator"`
	Annotated bool `json:"annotated"`
	// Params are a function's parameters, Required those without a default.
	Params   []string `json:"params"`
	Required []string `json:"required"`
}

// Unread is a file that could not be parsed.
type Unread struct {
	File    string `json:"file"`
	Line    int    `json:"line"`
	Message string `json:"message"`
}

// Candidates returns what the Python files below dir have that could be called,
// and the files that do not parse. Virtual environments, hidden folders and
// tests are not looked at.
func (x *Inspector) Candidates(ctx context.Context, dir string) ([]Candidate, []Unread, error) {
	out, err := x.run(ctx, x.candidates, map[string]string{"dir": dir})
	if err != nil {
		return nil, nil, fmt.Errorf("look for entrypoints in %s: %w", dir, err)
	}
	var found struct {
		Candidates []Candidate `json:"candidates"`
		Unread     []Unread    `json:"unread"`
	}
	if err := json.Unmarshal(out, &found); err != nil {
		return nil, nil, fmt.Errorf("look for entrypoints in %s: read the answer: %w", dir, err)
	}
	return found.Candidates, found.Unread, nil
}
