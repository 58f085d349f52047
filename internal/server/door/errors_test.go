package door

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/runagent/runagent/internal/fault"
)

// TestEveryCodeIsExplained holds the page that documentation_url leads to.
func TestEveryCodeIsExplained(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(filepath.Join("..", "..", "..", "docs", "errors.md"))
	if err != nil {
		t.Fatal(err)
	}
	for code, status := range statuses {
		if !strings.Contains(string(page), "\n## "+string(code)+"\n"+strconv.Itoa(status)+". ") {
			t.Errorf("docs/errors.md does not explain %s as %d", code, status)
		}
	}
}

func TestAFullDiskIsTold(t *testing.T) {
	t.Parallel()
	d := &Door{Options: Options{Log: slog.New(slog.DiscardHandler)}}
	for _, err := range []error{
		fmt.Errorf("unpack main.py: %w", &os.PathError{Op: "write", Path: "x", Err: syscall.ENOSPC}), errors.New("keep revision: database or disk is full (13)"),
	} {
		if f := d.Public(t.Context(), "r", err); f.Code != fault.AgentUnavailable || f.Message != "the server's disk is full" || f.Suggestion == "" {
			t.Errorf("%v is told as %v", err, f)
		}
	}
}

func TestUnknownCodesAreOurFault(t *testing.T) {
	t.Parallel()
	if got := StatusOf(fault.Code("NEW")); got != http.StatusInternalServerError {
		t.Errorf("got %d", got)
	}
}
