package server

import (
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/runagent/runagent/internal/fault"
)

// TestEveryCodeIsExplained holds the page that documentation_url leads to.
func TestEveryCodeIsExplained(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "errors.md"))
	if err != nil {
		t.Fatal(err)
	}
	for code, status := range statuses {
		if !strings.Contains(string(page), "\n## "+string(code)+"\n"+strconv.Itoa(status)+". ") {
			t.Errorf("docs/errors.md does not explain %s as %d", code, status)
		}
	}
}

func TestUnknownCodesAreOurFault(t *testing.T) {
	t.Parallel()
	if got := statusOf(fault.Code("NEW")); got != http.StatusInternalServerError {
		t.Errorf("got %d", got)
	}
}

func TestCompatMessagesReadWellAlone(t *testing.T) {
	t.Parallel()
	tests := []struct {
		code      fault.Code
		text, out string
	}{
		{fault.AgentNotFound, `agent "` + agentID + `" does not exist`, "not found: agent does not exist"},
		{fault.EntrypointNotFound, `entrypoint "x" not found; there is main`, `entrypoint "x" not found; there is main`},
		{fault.Overloaded, "gave up with 503 after " + agentID, "gave up with … after "},
		{fault.Timeout, "the deadline passed", "timeout: the deadline passed"},
		{fault.Execution, "HTTPError: 404 for " + agentID, "HTTPError: 404 for " + agentID},
		{fault.Internal, "open /secret", "the server failed inside; its log has more"},
	}
	for _, tt := range tests {
		if got := compatMessage(fault.New(tt.code, "%s", tt.text)); got != tt.out {
			t.Errorf("%s %q: got %q, want %q", tt.code, tt.text, got, tt.out)
		}
	}
}
