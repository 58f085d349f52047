package build

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/runagent/runagent/internal/fault"
)

func TestTranscriptCutsLines(t *testing.T) {
	t.Parallel()
	told := &lines{}
	out := &transcript{tell: told.tell}
	for _, part := range []string{"one\r\ntw", "o\n\n", "\x1b[32mgreen\x1b[0m  \n", "10%\r20%\r", "bad \xff", strings.Repeat("x", maxLine)} {
		if n, err := out.Write([]byte(part)); n != len(part) || err != nil {
			t.Errorf("Write = %d, %v", n, err)
		}
	}
	out.flush()
	want := []string{"one", "two", "green", "10%", "20%"}
	if got := out.all[:5]; !slices.Equal(got, want) {
		t.Errorf("lines = %q, want %q", got, want)
	}
	if last := out.last(1)[0]; !strings.HasPrefix(last, "bad ?x") || len(last) > maxLine {
		t.Errorf("last line = %.20q… of %d bytes", last, len(last))
	}
	if !slices.Equal(told.all, out.all) {
		t.Errorf("told %q, kept %q", told.all, out.all)
	}
}

func TestTranscriptIsBounded(t *testing.T) {
	t.Parallel()
	out := &transcript{tell: func(string) {}}
	for i := range 3*maxKept + 1 {
		fmt.Fprintf(out, "line %d\n", i)
	}
	if len(out.all) > maxKept || out.last(1)[0] != fmt.Sprintf("line %d", 3*maxKept) {
		t.Errorf("kept %d lines, the last %q", len(out.all), out.last(1))
	}
}

func TestExplainAdvises(t *testing.T) {
	t.Parallel()
	w := &installation{bounded: bind(t.Context(), Bounds{}), plan: &plan{dir: "/a", file: "/a/requirements.txt", mask: strings.NewReplacer()}}
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
		out := &transcript{tell: func(string) {}}
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
