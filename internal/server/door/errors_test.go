package door

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

func TestUnknownCodesAreOurFault(t *testing.T) {
	t.Parallel()
	if got := StatusOf(fault.Code("NEW")); got != http.StatusInternalServerError {
		t.Errorf("got %d", got)
	}
}
