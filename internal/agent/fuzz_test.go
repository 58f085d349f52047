package agent_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/runagent/runagent/internal/agent"
)

// FuzzManifest holds for any bytes: parsing ends, places are inside the text,
// and what passes is standard JSON with usable entrypoints.
func FuzzManifest(f *testing.F) {
	for _, pattern := range []string{"testdata/*.json", "testdata/*/*.json"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			f.Fatalf("%s: %d files, %v", pattern, len(files), err)
		}
		for _, file := range files {
			src, err := os.ReadFile(file)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(src)
		}
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		m, problems := agent.Parse("m.json", src)
		lines := 1 + bytes.Count(src, []byte("\n"))
		for _, p := range problems {
			if p.Line < 1 || p.Line > lines || p.Column < 1 || p.Column > len(src)+1 || p.Message == "" {
				t.Errorf("problem is out of place: %+v", p)
			}
			if strings.Contains(p.String(), "\n") {
				t.Errorf("problem has several lines: %q", p)
			}
		}
		if m == nil && len(problems) == 0 {
			t.Error("neither manifest nor problem")
		}
		if len(problems) > 0 {
			return
		}
		if !json.Valid(bytes.TrimPrefix(src, []byte("\ufeff"))) {
			t.Errorf("accepted what is not JSON: %q", src)
		}
		for _, e := range m.Entrypoints {
			if e.Tag == "" || (e.WebhookURL == "") == (e.File == "") || e.File != "" && !filepath.IsLocal(e.File) {
				t.Errorf("accepted entrypoint %+v", e)
			}
		}
		_, _ = m.MarshalJSON()
	})
}
