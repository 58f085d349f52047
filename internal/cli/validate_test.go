package cli

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/runagent/runagent/internal/agent"
)

// folder makes a folder of files.
func folder(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// manifestOf is a manifest with one entrypoint, and more at its top level.
func manifestOf(more string) string {
	return `{
  ` + more + `
  "agent_name": "Checked",
  "agent_architecture": {"entrypoints": [{"tag": "main", "file": "main.py", "module": "answer"}]}
}`
}

func TestValidate(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("python3"); err != nil {
		t.Skip("needs python3")
	}
	code := "def answer(question): return question\n"
	tests := []struct {
		name  string
		files map[string]string
		code  int
		want  []string // each in a line of stdout
	}{
		{"good", map[string]string{agent.ManifestName: manifestOf(""), "main.py": code}, 0, []string{"Checked is valid: 1 entrypoints"}},
		{"empty", nil, 1, []string{"/runagent.config.json: there is no manifest here; `runagent init` makes one"}},
		{"near", map[string]string{"runagent.config.jsn": "{}", "runagent_config.json": "{}"}, 1, []string{`(did you mean "runagent_config.json"?)`}},
		{"no JSON", map[string]string{agent.ManifestName: "{\n  agent"}, 1, []string{"/runagent.config.json:2:3: "}},
		{"unknown key and type", map[string]string{agent.ManifestName: manifestOf(`"descripton": "x", "version": 2,`), "main.py": code}, 1, []string{
			`:2:3: unknown key "descripton" (did you mean "description"?)`, ":2:33: version: "}},
		{"no file", map[string]string{agent.ManifestName: manifestOf(""), "mian.py": code}, 1, []string{`there is no file "main.py" (did you mean "mian.py"?)`}},
		{"no function", map[string]string{agent.ManifestName: manifestOf(""), "main.py": "def anser(): pass\n"}, 1, []string{`main.py defines no "answer" (did you mean "anser"?)`}},
		{"not Python", map[string]string{agent.ManifestName: manifestOf(""), "main.py": "def answer(:\n"}, 1, []string{"/main.py:1:12: not Python: "}},
		{"variables", map[string]string{agent.ManifestName: manifestOf(`"env_vars": {"A": "${SET}", "B": "${UNSET_B}"},`), "main.py": code, ".env": "SET=1\n"}, 1, []string{
			"env_vars.B: ${UNSET_B} has no value"}},
		{"bad .env", map[string]string{agent.ManifestName: manifestOf(""), "main.py": code, ".env": "A=1\nnonsense\n"}, 1, []string{"/.env:2:1: is no NAME=value line"}},
		{"never run", map[string]string{agent.ManifestName: manifestOf(""), "main.py": "raise SystemExit(3)\n" + code}, 0, []string{"Checked is valid"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f, dir := newFixture(t), folder(t, tt.files)
			code, stdout, stderr := f.runagent("validate", dir)
			if code != tt.code || stderr != "" || strings.Count(stdout, "\n") != len(tt.want) {
				t.Errorf("code %d, want %d and %d lines\nstdout: %s\nstderr: %s", code, tt.code, len(tt.want), stdout, stderr)
			}
			for _, want := range tt.want {
				if !strings.Contains(stdout, want) {
					t.Errorf("no %q in\n%s", want, stdout)
				}
			}
			checkJSON(t, f, dir, tt.code == 0, len(tt.want))
		})
	}
}

// checkJSON compares what --json says with the verdict.
func checkJSON(t *testing.T, f *fixture, dir string, valid bool, problems int) {
	t.Helper()
	_, stdout, _ := f.runagent("validate", dir, "--json")
	var got validation
	if err := json.Unmarshal([]byte(stdout), &got); err != nil {
		t.Fatalf("%v: %s", err, stdout)
	}
	if valid {
		problems = 0
	}
	if got.Valid != valid || len(got.Problems) != problems || got.Problems == nil {
		t.Errorf("--json says %+v", got)
	}
}

func TestValidateTakesTheManifestForItsFolder(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	dir := folder(t, map[string]string{agent.ManifestName: manifestOf(`"env_vars": {"A": "${SET}"},`), "main.py": "def answer(q): return q\n", ".env": "SET=1\n"})
	code, stdout, stderr := f.runagent("validate", filepath.Join(dir, agent.ManifestName))
	if code != 0 || stdout != "Checked is valid: 1 entrypoints\n" || stderr != "" {
		t.Errorf("code %d, stdout %q, stderr %q", code, stdout, stderr)
	}
}

func TestValidateSchema(t *testing.T) {
	t.Parallel()
	code, stdout, stderr := newFixture(t).runagent("validate", "--schema", "nowhere")
	if code != 0 || stderr != "" || stdout != string(agent.Schema()) {
		t.Errorf("code %d, stderr %q, stdout %.100s", code, stderr, stdout)
	}
}

// TestValidateWithoutPython says what it left out.
func TestValidateWithoutPython(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.path = t.TempDir()
	dir := folder(t, map[string]string{agent.ManifestName: manifestOf(""), "main.py": "def other(): pass\n"})
	code, stdout, stderr := f.runagent("validate", dir)
	if code != 0 || !strings.Contains(stdout, "is valid") || !strings.HasPrefix(stderr, "Functions are not checked: ") {
		t.Errorf("code %d, stdout %q, stderr %q", code, stdout, stderr)
	}
}
