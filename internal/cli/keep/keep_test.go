package keep

import (
	"testing"
	"time"

	"github.com/runagent/runagent/internal/app"
)

func TestFlag(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]app.KeepRules{
		"7d":      {Age: 7 * 24 * time.Hour},
		"36h":     {Age: 36 * time.Hour},
		"10000":   {Count: 10_000},
		"5, 1h":   {Age: time.Hour, Count: 5},
		"7d,1000": {Age: 7 * 24 * time.Hour, Count: 1000},
		"all":     {},
	} {
		var rules app.KeepRules
		flag := Flag{&rules}
		if err := flag.Set(text); err != nil || rules != want {
			t.Errorf("Set(%q) = %+v, %v, want %+v", text, rules, err, want)
		}
		again := app.KeepRules{}
		if err := (Flag{&again}).Set(flag.String()); err != nil || again != want {
			t.Errorf("Set(%q) of String = %+v, %v, want %+v", flag.String(), again, err, want)
		}
	}
	for _, text := range []string{"", "0", "-5", "x", "7d,7d", "5,6", "0d", "-1h", "999999999d", "7d,"} {
		rules := app.KeepRules{Count: 1}
		if err := (Flag{&rules}).Set(text); err == nil {
			t.Errorf("Set(%q) succeeded: %+v", text, rules)
		}
	}
}
