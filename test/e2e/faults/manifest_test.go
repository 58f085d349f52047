package faults

import (
	"strings"
	"testing"

	"github.com/runagent/runagent/test/served"
)

const goodManifest = `{
  "agent_name": "tiny",
  "agent_id": "tiny",
  "agent_architecture": {"entrypoints": [
    {"tag": "main", "file": "main.py", "module": "hello"}
  ]}
}
`

const goodCode = "def hello(name: str = 'you') -> dict:\n    return {'hello': name}\n"

func TestServeRefusesABrokenFolder(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("a story against the real binary: not in -short")
	}
	change := func(old, with string) string { return strings.Replace(goodManifest, old, with, 1) }
	cases := []struct {
		name, manifest, code string
		want                 []string
	}{
		{"no manifest", "", goodCode, []string{"runagent.config.json", "init"}},
		{"no JSON", `{"agent_name": `, goodCode, []string{"runagent.config.json:1"}},
		{"an unknown key", change(`"agent_name"`, `"agent_nam": "x", "agent_name"`), goodCode, []string{"runagent.config.json:2", "agent_nam", "agent_name"}},
		{"a wrong type", change(`"tiny"`, `7`), goodCode, []string{"runagent.config.json:2", "agent_name"}},
		{
			"a tag twice", change(`"hello"}`, `"hello"}, {"tag": "main", "file": "main.py", "module": "hello"}`), goodCode,
			[]string{"runagent.config.json:5", "main"},
		},
		{"a missing file", change(`main.py`, `mian.py`), goodCode, []string{"runagent.config.json:5", "mian.py", "main.py"}},
		{"a missing function", change(`"hello"}`, `"helo"}`), goodCode, []string{"runagent.config.json:5", "helo", "hello"}},
		{"a broken file", goodManifest, "def hello(:\n    pass\n", []string{"main.py:1"}},
		{"a failing import", goodManifest, goodCode + "\nimport nothing_like_that\n", []string{"main.py:4", "nothing_like_that"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			files := map[string]string{"main.py": c.code}
			if c.manifest != "" {
				files["runagent.config.json"] = c.manifest
			}
			code, stdout, stderr := served.Run(t, t.TempDir(), "serve", served.Copy(t, "", files), "--port", "0")
			if code != 1 {
				t.Errorf("exit code %d, want 1\n%s%s", code, stdout, stderr)
			}
			for _, word := range c.want {
				if !strings.Contains(stderr, word) {
					t.Errorf("%q is not in:\n%s", word, stderr)
				}
			}
		})
	}
}

func TestABrokenManifestKeepsTheLastGood(t *testing.T) {
	t.Parallel()
	agent := serveWith(t, served.Options{Dir: served.Copy(t, "", map[string]string{"runagent.config.json": goodManifest, "main.py": goodCode})})
	agent.ID = "tiny"
	wantAnswer(t, agent.Invoke("main", nil))

	agent.Write("runagent.config.json", strings.Replace(goodManifest, `"tiny"`, `7`, 1))
	wantHealth(t, agent, "degraded", "runagent.config.json", "agent_name")
	wantAnswer(t, agent.Invoke("main", nil))

	agent.Write("runagent.config.json", strings.Replace(goodManifest, `"tag": "main"`, `"tag": "renamed"`, 1))
	wantHealth(t, agent, "healthy")
	wantAnswer(t, agent.Invoke("renamed", nil))
}
