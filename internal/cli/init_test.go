package cli

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/runagent/runagent/internal/agent"
	"github.com/runagent/runagent/templates"
)

func TestInitWritesWhatValidates(t *testing.T) {
	t.Parallel()
	for _, framework := range templates.Frameworks() {
		f, dir := newFixture(t), filepath.Join(t.TempDir(), "new", "agent")
		code, stdout, stderr := f.runagent("init", dir, "--framework", framework, "--name", "My Agent")
		if code != 0 || stderr != "Now: runagent serve "+dir+"\n" {
			t.Fatalf("%s: code %d, stderr %q", framework, code, stderr)
		}
		for _, path := range strings.Fields(stdout) {
			if _, err := os.Stat(path); err != nil {
				t.Errorf("%s: it names a file that is not there: %v", framework, err)
			}
		}
		if a, problems := agent.Load(dir, agent.LoadOptions{}); len(problems) > 0 || a.Name != "My Agent" || a.Manifest.Framework != framework {
			t.Errorf("%s: %+v, %v", framework, a, problems)
		}
		if code, stdout, stderr = f.runagent("validate", dir); code != 0 {
			t.Errorf("%s: validate: code %d, %s%s", framework, code, stdout, stderr)
		}
	}
}

func TestInitListsTemplates(t *testing.T) {
	t.Parallel()
	code, stdout, stderr := newFixture(t).runagent("init", "--list")
	if code != 0 || stderr != "" || !strings.HasPrefix(stdout, "FRAMEWORK ") {
		t.Errorf("code %d, stdout %q, stderr %q", code, stdout, stderr)
	}
	for _, template := range templates.All() {
		if !regexp.MustCompile(`(?m)^` + template.Framework + ` +` + template.Name + ` +` + regexp.QuoteMeta(template.Description)).MatchString(stdout) {
			t.Errorf("%+v is not in\n%s", template, stdout)
		}
	}
	var listed []templates.Template
	if code, stdout, _ = newFixture(t).runagent("init", "--list", "--json"); code != 0 || json.Unmarshal([]byte(stdout), &listed) != nil || len(listed) != len(templates.All()) {
		t.Errorf("code %d, stdout %q", code, stdout)
	}
}

func TestInitInTheWorkingDirectory(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "here")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	t.Chdir(dir)
	code, stdout, stderr := newFixture(t).runagent("init")
	if code != 0 || !strings.Contains(stdout, "runagent.config.json\n") || stderr != "Now: runagent serve .\n" {
		t.Errorf("code %d, stdout %q, stderr %q", code, stdout, stderr)
	}
	if a, problems := agent.Load(dir, agent.LoadOptions{}); len(problems) > 0 || a.Name != "here" {
		t.Errorf("%+v, %v", a, problems)
	}
}

// TestInitSaysWhatCanBePasted: the folder's name has what a shell would cut.
func TestInitSaysWhatCanBePasted(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "Ann's agent")
	code, _, stderr := newFixture(t).runagent("init", dir)
	want := "Now: runagent serve '" + strings.ReplaceAll(dir, "'", `'\''`) + "'\n"
	if code != 0 || stderr != want {
		t.Errorf("code %d, stderr %q, want %q", code, stderr, want)
	}
}

func TestInitRefuses(t *testing.T) {
	t.Parallel()
	f, dir := newFixture(t), folder(t, map[string]string{"agent.py": "mine"})
	file := filepath.Join(dir, "agent.py")
	for _, tt := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{dir, "--framework", "default"}, 1, "has these files already: agent.py; nothing was written"},
		{[]string{dir}, 1, "has Python code, but nothing in it that could be called"},
		{[]string{file}, 1, "agent.py is a file, not a folder"},
		{[]string{filepath.Join(file, "below")}, 1, "not a directory"},
		{[]string{t.TempDir(), "--name", " "}, 2, "the name is blank"},
		{[]string{t.TempDir(), "--framework", "langgrph"}, 2, `there is no template for "langgrph" (did you mean "langgraph"?); there are: default, `},
		{[]string{t.TempDir(), "--template", "x"}, 2, `default has no template "x"; there are: default, request-response`},
		{[]string{t.TempDir(), "--json"}, 2, "--json goes with --list"},
		{[]string{"a", "b"}, 2, `unexpected argument "b"`},
	} {
		if code, stdout, stderr := f.runagent(append([]string{"init"}, tt.args...)...); code != tt.code || stdout != "" || !strings.Contains(stderr, tt.want) {
			t.Errorf("init %v: code %d, stdout %q, stderr %q", tt.args, code, stdout, stderr)
		}
	}
	if text, err := os.ReadFile(file); err != nil || string(text) != "mine" {
		t.Errorf("the author's file: %q, %v", text, err)
	}
}
