package nearest_test

import (
	"strings"
	"testing"

	"github.com/runagent/runagent/internal/nearest"
)

func TestName(t *testing.T) {
	t.Parallel()
	names := []string{"agent_name", "description", "env_vars", "main.py", "src/tools.py"}
	for text, want := range map[string]string{
		"agentName":              "agent_name",
		"AGENT-NAME":             "agent_name",
		"desciption":             "description",
		"mian.py":                "main.py", // two letters in the wrong order are one slip
		"vars":                   "env_vars",
		"e":                      "",
		"nothing like it":        "",
		"agent_name":             "", // it is there: no slip
		strings.Repeat("x", 101): "",
	} {
		if got := nearest.Name(text, names); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
	if got := nearest.Name("key", []string{"openai_key", "azure_key"}); got != "" {
		t.Errorf("of two that fit: got %q, want none", got)
	}
}
