package served

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Calls returns the commands of a folder's README that call its agent: the
// indented blocks that begin with `runagent run`, `curl` or `for`.
func Calls(t testing.TB, dir string) []string {
	t.Helper()
	readme, err := os.ReadFile(filepath.Join(dir, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	return regexp.MustCompile(`(?m)^    (?:runagent run(?:-stream)?|curl|for) .*(?:\n {4,}.*)*`).FindAllString(string(readme), -1)
}

// Paste runs a command in a shell in the agent's folder, as somebody pastes it
// from the README, and returns what it printed. The port is the agent's own.
func (a *Agent) Paste(command string) string {
	a.t.Helper()
	ctx, cancel := context.WithTimeout(a.t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh", "-c", strings.ReplaceAll(command, "http://127.0.0.1:8450", a.URL))
	cmd.Dir = a.Dir
	cmd.Env = append(os.Environ(), "PATH="+filepath.Dir(Binary(a.t))+":"+os.Getenv("PATH"), "RUNAGENT_HOME="+a.Home, "RUNAGENT_CACHE_DIR="+a.Home, "NO_COLOR=1")
	out, err := cmd.CombinedOutput()
	if err != nil {
		a.t.Errorf("%s: %v", command, err)
	}
	return string(out)
}

// WithoutKeys is a Wrap that serves without the keys and addresses of models
// that whoever runs the tests may have.
func WithoutKeys(env ...string) []string {
	wrap := []string{"env"}
	for _, name := range []string{"OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_MODEL", "GOOGLE_API_KEY", "LETTA_API_KEY", "LETTA_BASE_URL"} {
		wrap = append(wrap, "-u", name)
	}
	wrap = append(wrap,
		"OPENAI_AGENTS_DISABLE_TRACING=1", "LANGSMITH_TRACING=false", "CREWAI_DISABLE_TELEMETRY=true", "AGNO_TELEMETRY=false", "PYTHONWARNINGS=ignore")
	return append(wrap, env...)
}
