package agent

import (
	"fmt"
	"slices"
	"strings"
)

// Problem is one thing wrong with an agent: where it stands, what it is and,
// where one can be guessed, what was probably meant.
type Problem struct {
	// File is the path as the author knows it. Line and Column count from 1,
	// columns in characters; both are 0 when only the file is known.
	File   string `json:"file"`
	Line   int    `json:"line,omitempty"`
	Column int    `json:"column,omitempty"`
	// Path is the JSON Pointer of the value in the manifest, "" for its root
	// and for problems elsewhere.
	Path    string `json:"path,omitempty"`
	Message string `json:"message"`
	// Suggestion is the nearest valid text, or "".
	Suggestion string `json:"suggestion,omitempty"`
}

// String returns the problem as one line: file:line:column: message.
func (p Problem) String() string {
	var b strings.Builder
	b.WriteString(p.File)
	if p.Line > 0 {
		fmt.Fprintf(&b, ":%d:%d", p.Line, p.Column)
	}
	b.WriteString(": " + p.Message)
	if p.Suggestion != "" {
		fmt.Fprintf(&b, " (did you mean %q?)", p.Suggestion)
	}
	return b.String()
}

// Problems are all the things wrong with an agent, in the order of the file.
type Problems []Problem //nolint:errname // the word users know; an error only where it is returned as one

// Error returns one line for each problem.
func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// Err returns ps as an error, or nil when there are none. Use it wherever an
// error is returned: an empty Problems in an error would not equal nil.
func (ps Problems) Err() error {
	if len(ps) == 0 {
		return nil
	}
	return ps
}

// Sorted orders the problems by place and drops repetitions.
func (ps Problems) Sorted() Problems {
	slices.SortStableFunc(ps, func(a, b Problem) int {
		if c := strings.Compare(a.File, b.File); c != 0 {
			return c
		}
		if a.Line != b.Line {
			return a.Line - b.Line
		}
		if a.Column != b.Column {
			return a.Column - b.Column
		}
		return strings.Compare(a.Message, b.Message)
	})
	return slices.Compact(ps)
}

var _ error = Problems(nil)
