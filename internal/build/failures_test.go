package build

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/runagent/runagent/internal/build/bounds"
	"github.com/runagent/runagent/internal/build/transcript"
	"github.com/runagent/runagent/internal/fault"
)

func TestExplainAdvises(t *testing.T) {
	t.Parallel()
	w := &installation{Run: bounds.Begin(t.Context(), bounds.Bounds{}), plan: &plan{dir: "/a", file: "/a/requirements.txt", mask: strings.NewReplacer()}}
	for output, want := range map[string]string{
		"ERROR: No matching distribution found for x":                         "name and version",
		"x was not found in the package registry":                             "name and version",
		"the versions of a and b conflict":                                    "can't be met together",
		"Failed to establish: Temporary failure in name resolution":           "can't be reached",
		"fatal error: Python.h: No such file":                                 "no wheel",
		"OSError: [Errno 28] No space left on device":                         "disk space",
		"The virtual environment was not created: ensurepip is missing":       "python3-venv",
		"ERROR: Package 'x' requires a different Python: 3.9 not in '>=3.10'": "--python",
		"error: The lockfile at `uv.lock` needs to be updated":                "uv lock",
		"something new": "correct requirements.txt",
	} {
		out := transcript.New(nil)
		fmt.Fprintln(out, output)
		err := w.explain("pip install", errors.New("exit status 1"), out)
		if fe := fault.As(err); fe == nil || !strings.Contains(fe.Suggestion, want) || !strings.Contains(fe.Message, output) {
			t.Errorf("explain(%q) = %v, suggestion %q, want %q", output, err, fe.Suggestion, want)
		}
	}
}

func TestCommandName(t *testing.T) {
	t.Parallel()
	for want, argv := range map[string][]string{
		"uv pip install":     {"/x/uv", "pip", "install", "--python", "/p", "-r", "f"},
		"python pip install": {"/env/bin/python", "-m", "pip", "install", "--no-input"},
		"uv venv":            {"/x/uv", "venv", "--quiet", "/env"},
		"python3 venv":       {"/usr/bin/python3", "-m", "venv", "/env"},
	} {
		if got := strings.Join(commandName(argv), " "); got != want {
			t.Errorf("commandName(%q) = %q, want %q", argv, got, want)
		}
	}
}
