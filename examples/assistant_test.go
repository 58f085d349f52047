// Package examples_test checks that the agents a newcomer serves first work.
package examples_test

import (
	"net/http/httptest"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/runagent/runagent/internal/agent"
	"github.com/runagent/runagent/test/fakellm"
	"github.com/runagent/runagent/test/pythonenv"
)

func TestAssistantIsValid(t *testing.T) {
	t.Parallel()
	a, problems := agent.Load("assistant", agent.LoadOptions{})
	if len(problems) == 0 {
		problems = agent.CheckSources(a.Manifest, nil)
	}
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	readme, err := os.ReadFile("assistant/README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, call := range regexp.MustCompile(`agents/([^/]+)/`).FindAllSubmatch(readme, -1) {
		if !a.Is(string(call[1])) {
			t.Errorf("the README calls %q", call[1])
		}
	}
}

// TestAssistantAnswers runs the assistant with its pinned packages, on its
// offline model and on a fake OpenAI.
func TestAssistantAnswers(t *testing.T) {
	t.Parallel()
	python := pythonenv.For(t, requirements(t)...)
	openai := httptest.NewServer(fakellm.New())
	defer openai.Close()
	cmd := exec.CommandContext(t.Context(), python, "-B", "testdata/assistant.py", "assistant", openai.URL+"/v1")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

func requirements(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile("assistant/requirements.txt")
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSpace(string(text)), "\n")
}
