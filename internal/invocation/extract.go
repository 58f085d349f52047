package invocation

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/theory/jsonpath"

	"github.com/runagent/runagent/internal/fault"
)

// extractor picks fields out of values, as the manifest's `extractor` says: an
// object with one member for each JSONPath (RFC 9535). A path that finds one
// value gives it, none gives null, several give their list. The nil extractor
// takes values as they are.
type extractor map[string]*jsonpath.Path

// newExtractor reads the paths.
func newExtractor(paths map[string]string) (extractor, error) {
	if len(paths) == 0 {
		return nil, nil
	}
	x := make(extractor, len(paths))
	for field, path := range paths {
		p, err := jsonpath.Parse(path)
		if err != nil {
			return nil, fault.New(fault.Execution, "extractor %s: %s is no JSONPath: %w", field, path, err)
		}
		x[field] = p
	}
	return x, nil
}

// pick returns the fields of a result or of one item of a stream.
func (x extractor) pick(raw json.RawMessage) (json.RawMessage, error) {
	if x == nil || len(raw) == 0 {
		return raw, nil
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber() // numbers stay as they were written
	var value any
	if err := dec.Decode(&value); err != nil {
		return nil, fmt.Errorf("read the result: %w", err)
	}
	picked := make(map[string]any, len(x))
	for field, path := range x {
		switch nodes := path.Select(value); len(nodes) {
		case 0:
			picked[field] = nil
		case 1:
			picked[field] = nodes[0]
		default:
			picked[field] = []any(nodes)
		}
	}
	fields, err := json.Marshal(picked)
	if err != nil {
		return nil, fmt.Errorf("write what was extracted: %w", err)
	}
	return fields, nil
}
