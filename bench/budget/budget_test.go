package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestReportSaysWhatIsMissed(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	good := figure{what: "start", unit: "s", got: 0.2, most: 0.35, note: "median of 5"}
	if err := report(&out, []figure{good}); err != nil {
		t.Errorf("within the limit, but: %v", err)
	}
	bad := figure{what: "ready", unit: "ms", got: 16, most: 15}
	if err := report(&out, []figure{good, bad}); !errors.Is(err, errMissed) || !strings.Contains(err.Error(), "1 of 2") {
		t.Errorf("beyond the limit, but: %v", err)
	}
	for _, want := range []string{"met     median of 5", "missed"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in\n%s", want, out.String())
		}
	}
}

// TestReadiesCountsForksOnly reads the lines that serve writes with --verbose.
func TestReadiesCountsForksOnly(t *testing.T) {
	t.Parallel()
	s := &server{log: filepath.Join(t.TempDir(), "log")}
	text := `{"level":"DEBUG","msg":"instance ready","agent_id":"a","instance":"x","start":"cold","duration":90000000}
not JSON at all
{"level":"INFO","msg":"agent output","text":"hello"}
{"level":"DEBUG","msg":"instance ready","agent_id":"a","instance":"y","start":"warm","duration":9000000}
`
	if err := os.WriteFile(s.log, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := s.readies()
	if err != nil || len(got) != 1 || got[0] != 9*time.Millisecond {
		t.Errorf("readies = %v, %v; want the one of 9 ms", got, err)
	}
}

func TestMedian(t *testing.T) {
	t.Parallel()
	if got := median([]time.Duration{9, 1, 5}); got != 5 {
		t.Errorf("median = %v, want 5", got)
	}
}

// TestAgentsAreThere: each can be saved, or no save would ever be seen.
func TestAgentsAreThere(t *testing.T) {
	t.Parallel()
	for _, agent := range []string{"function", "graph", "openai"} {
		text, err := os.ReadFile(filepath.Join("agents", agent, "main.py"))
		if err != nil || !saveLine.Match(text) {
			t.Errorf("%s has no line that a save changes: %v", agent, err)
		}
	}
}
