package scaffold

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/runagent/runagent/internal/agent"
	"github.com/runagent/runagent/internal/fault"
)

// FromRunAgent reads the manifest of a project made for the published RunAgent.
// Nearly all are valid as they are: then text is nil. Keys that are unknown
// are kept under names that begin with x-, which notes tell of. Errors:
// agent.Problems for all else that is wrong.
func FromRunAgent(dir string) (text []byte, notes []string, err error) {
	raw, err := os.ReadFile(filepath.Join(dir, agent.ManifestName))
	if err != nil {
		return nil, nil, fmt.Errorf("read the project: %w", err)
	}
	_, problems := agent.Parse(agent.ManifestName, raw)
	if len(problems) == 0 {
		return nil, nil, nil
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	var root any
	if err := dec.Decode(&root); err != nil {
		return nil, nil, problems
	}
	for _, problem := range problems {
		if !strings.Contains(problem.Message, "unknown key") || !renameKey(root, problem.Path) {
			return nil, nil, problems
		}
		notes = append(notes, fmt.Sprintf("%s is kept as x-…: it has no meaning here", problem.Path))
	}
	if text, err = json.MarshalIndent(root, "", "  "); err != nil {
		return nil, nil, fmt.Errorf("write the manifest: %w", err)
	}
	if _, left := agent.Parse(agent.ManifestName, text); len(left) > 0 {
		return nil, nil, fault.New(fault.Validation, "%s: %w", agent.ManifestName, left)
	}
	return append(text, '\n'), notes, nil
}

// renameKey puts x- before the key that a JSON Pointer leads to.
func renameKey(root any, path string) bool {
	steps := strings.Split(strings.TrimPrefix(path, "/"), "/")
	unescape := strings.NewReplacer("~1", "/", "~0", "~")
	for i, step := range steps {
		step = unescape.Replace(step)
		switch node := root.(type) {
		case map[string]any:
			value, ok := node[step]
			if !ok {
				return false
			}
			if i == len(steps)-1 {
				delete(node, step)
				node["x-"+step] = value
				return true
			}
			root = value
		case []any:
			var n int
			if _, err := fmt.Sscanf(step, "%d", &n); err != nil || n < 0 || n >= len(node) {
				return false
			}
			root = node[n]
		default:
			return false
		}
	}
	return false
}
