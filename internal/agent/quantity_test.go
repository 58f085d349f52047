package agent_test

import (
	"testing"
	"time"

	"github.com/runagent/runagent/internal/agent"
)

func TestParseSize(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int64{
		"512MB": 512_000_000, "512M": 512_000_000, "512MiB": 512 << 20, "1GiB": 1 << 30, "1Gi": 1 << 30, "1.5g": 1_500_000_000,
		"64 kb": 64_000, "1048576": 1 << 20, "10B": 10, "2TB": 2_000_000_000_000,
		"": 0, "lots": 0, "-1MB": 0, "1XB": 0, "0MB": 0, "1i": 0, "99999999999TB": 0, "1MBB": 0, "1kmg": 0,
	} {
		got, err := agent.ParseSize(text)
		if got != want || (err != nil) != (want == 0) {
			t.Errorf("ParseSize(%q): got %d, %v, want %d", text, got, err, want)
		}
	}
}

func TestParseDuration(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]time.Duration{
		"300s": 5 * time.Minute, "5m": 5 * time.Minute, "1m30s": 90 * time.Second, "500ms": 500 * time.Millisecond,
		"2h": 2 * time.Hour, "1d": 24 * time.Hour, "30": 30 * time.Second, "0.5": 500 * time.Millisecond, "1.5s": 1500 * time.Millisecond,
		"": 0, "0": 0, "0s": 0, "-5s": 0, "soon": 0, "5 minutes": 0, "NaN": 0, "Inf": 0, "366d": 0, "s": 0, "1e300": 0,
	} {
		got, err := agent.ParseDuration(text)
		if got != want || (err != nil) != (want == 0) {
			t.Errorf("ParseDuration(%q): got %v, %v, want %v", text, got, err, want)
		}
	}
}
