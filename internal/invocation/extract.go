package invocation

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/theory/jsonpath"

	"github.com/runagent/runagent/internal/fault"
)

// extract picks fields out of a result, as the manifest's `extractor` says: an
// object with one member for each JSONPath (RFC 9535). A path that finds one
// value gives it, none gives null, several give their list.
func extract(output json.RawMessage, paths map[string]string) (json.RawMessage, error) {
	dec := json.NewDecoder(bytes.NewReader(output))
	dec.UseNumber() // numbers stay as they were written
	var value any
	if err := dec.Decode(&value); err != nil {
		return nil, fmt.Errorf("read the result: %w", err)
	}
	picked := make(map[string]any, len(paths))
	for field, path := range paths {
		p, err := jsonpath.Parse(path)
		if err != nil {
			return nil, fault.New(fault.Execution, "extractor %s: %s is no JSONPath: %w", field, path, err)
		}
		switch nodes := p.Select(value); len(nodes) {
		case 0:
			picked[field] = nil
		case 1:
			picked[field] = nodes[0]
		default:
			picked[field] = []any(nodes)
		}
	}
	raw, err := json.Marshal(picked)
	if err != nil {
		return nil, fmt.Errorf("write what was extracted: %w", err)
	}
	return raw, nil
}
