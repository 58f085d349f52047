package templates_test

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/runagent/runagent/internal/agent"
	"github.com/runagent/runagent/internal/fault"
	"github.com/runagent/runagent/templates"
	"github.com/runagent/runagent/test/pythonenv"
)

func TestFrameworks(t *testing.T) {
	t.Parallel()
	if got := templates.Frameworks(); !slices.Equal(got, []string{"default", "langgraph"}) {
		t.Errorf("got %v", got)
	}
}

// TestWriteMakesAgents writes every template and lets the manifest's parser judge.
func TestWriteMakesAgents(t *testing.T) {
	t.Parallel()
	for _, framework := range templates.Frameworks() {
		t.Run(framework, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "new", "folder")
			name := `My "Éclair" \ Agent`
			files, err := templates.Write(dir, framework, name, templates.Options{})
			if err != nil {
				t.Fatal(err)
			}
			a, problems := agent.Load(dir, agent.LoadOptions{})
			if len(problems) == 0 {
				problems = agent.CheckSources(a.Manifest, nil)
			}
			if len(problems) > 0 {
				t.Fatal(problems)
			}
			real, err := filepath.EvalSymlinks(dir)
			if err != nil {
				t.Fatal(err)
			}
			if a.Name != name || a.Manifest.AgentID != agent.DeriveID(real) || a.Manifest.Framework != framework {
				t.Errorf("got %+v", a.Manifest)
			}
			if !strings.Contains(string(a.Manifest.Raw), `"$schema": "`+agent.SchemaURL+`"`) {
				t.Error("the manifest names no schema")
			}
			for _, want := range []string{"README.md", "input.json", ".gitignore", agent.ManifestName, "agent.py"} {
				if !slices.Contains(files, want) {
					t.Errorf("wrote no %s", want)
				}
			}
			checkFilled(t, dir, files)
			checkCalls(t, dir, a)
		})
	}
}

// checkFilled looks for placeholders that were left.
func checkFilled(t *testing.T, dir string, files []string) {
	t.Helper()
	left := regexp.MustCompile(`AGENT_(NAME|SLUG|ID)|SCHEMA_URL`)
	for _, file := range files {
		text, err := os.ReadFile(filepath.Join(dir, file))
		if err != nil {
			t.Fatal(err)
		}
		if found := left.Find(text); found != nil {
			t.Errorf("%s still holds %s", file, found)
		}
	}
}

// checkCalls compares the calls of the README with the agent: three of them,
// to its slug, with tags that it has.
func checkCalls(t *testing.T, dir string, a *agent.Agent) {
	t.Helper()
	readme, err := os.ReadFile(filepath.Join(dir, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	calls := regexp.MustCompile(`(?:agents/|runagent run )([^/ ]+)`).FindAllStringSubmatch(string(readme), -1)
	if len(calls) != 3 {
		t.Errorf("the README has %d calls, want 3", len(calls))
	}
	for _, call := range calls {
		if call[1] != a.Slug {
			t.Errorf("the README calls %q, the slug is %q", call[1], a.Slug)
		}
	}
	for _, tag := range regexp.MustCompile(`(?:"entrypoint": "|--tag )(\w+)`).FindAllStringSubmatch(string(readme), -1) {
		if !slices.ContainsFunc(a.Manifest.Entrypoints, func(e agent.Entrypoint) bool { return e.Tag == tag[1] }) {
			t.Errorf("the README calls the tag %q, which does not exist", tag[1])
		}
	}
}

func TestWriteNamesTheAgent(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("é", 60)
	for _, c := range []struct{ folder, name, want string }{
		{"mailer", "", "mailer"},
		{"mailer", "Mail Robot", "Mail Robot"},
		{long, "", strings.Repeat("é", 50)},
		{"a\nb", "", "ab"},
	} {
		dir := filepath.Join(t.TempDir(), c.folder)
		if _, err := templates.Write(dir, "default", c.name, templates.Options{AgentID: "fixed"}); err != nil {
			t.Fatal(err)
		}
		a, problems := agent.Load(dir, agent.LoadOptions{})
		if len(problems) > 0 || a.Name != c.want || a.ID != "fixed" {
			t.Errorf("%+v: got %+v, %v", c, a, problems)
		}
	}
}

func TestWriteRefusesBadNames(t *testing.T) {
	t.Parallel()
	for _, name := range []string{strings.Repeat("x", 51), "  ", "\t\n"} {
		dir := t.TempDir()
		if _, err := templates.Write(dir, "default", name, templates.Options{}); fault.CodeOf(err) != fault.Validation {
			t.Errorf("%q: got %v", name, err)
		}
		if entries, _ := os.ReadDir(dir); len(entries) > 0 {
			t.Errorf("%q: wrote %v", name, entries)
		}
	}
	if _, err := templates.Write(t.TempDir(), "langgrap", "x", templates.Options{}); fault.CodeOf(err) != fault.Validation || !strings.Contains(err.Error(), "default, langgraph") {
		t.Errorf("unknown framework: got %v", err)
	}
}

func TestWriteNeverOverwrites(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, file := range []string{"agent.py", "README.md", "mine.txt"} {
		if err := os.WriteFile(filepath.Join(dir, file), []byte("mine"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	_, err := templates.Write(dir, "langgraph", "x", templates.Options{})
	if fault.CodeOf(err) != fault.Conflict || !strings.Contains(err.Error(), "README.md, agent.py") || strings.Contains(err.Error(), "mine.txt") {
		t.Errorf("got %v", err)
	}
	entries, _ := os.ReadDir(dir)
	if text, _ := os.ReadFile(filepath.Join(dir, "agent.py")); string(text) != "mine" || len(entries) != 3 {
		t.Errorf("the folder was touched: %v", entries)
	}
}

// TestEmbedsEveryFile fails when a file is added that no glob names.
func TestEmbedsEveryFile(t *testing.T) {
	t.Parallel()
	for _, framework := range templates.Frameworks() {
		files, err := templates.Write(t.TempDir(), framework, "x", templates.Options{})
		if err != nil {
			t.Fatal(err)
		}
		err = fs.WalkDir(os.DirFS(framework), ".", func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.Name() == "__pycache__" {
				return fs.SkipDir
			}
			if !entry.IsDir() && !slices.Contains(files, path) {
				t.Errorf("%s/%s is not embedded", framework, path)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// TestOfflineModelIsTheExamples: what the README of the repository shows is what
// init writes.
func TestOfflineModelIsTheExamples(t *testing.T) {
	t.Parallel()
	example, err := os.ReadFile("../examples/assistant/offline_model.py")
	if err != nil {
		t.Fatal(err)
	}
	template, err := os.ReadFile("langgraph/offline_model.py")
	if err != nil {
		t.Fatal(err)
	}
	if string(example) != string(template) {
		t.Error("examples/assistant and templates/langgraph have two offline_model.py; copy the newer one over the other")
	}
}

// TestTemplatesRun runs the code of each template in plain Python, with its
// pinned requirements, on its own test input.
func TestTemplatesRun(t *testing.T) {
	t.Parallel()
	for framework, want := range map[string]string{
		"default": `{"answer": "YOU SAID: HELLO FROM A FOLDER!", "words": 4}` + "\n" +
			`["You ", "said: ", "20 ", "+ ", "22 "]`,
		"langgraph": `{"answer": "20 + 22 = 42. There are 5 words in 'a folder becomes a service'.", "tools": ["add", "count_words"]}` + "\n" +
			`["20", " +", " 22", " =", " 42."]`,
	} {
		t.Run(framework, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			if _, err := templates.Write(dir, framework, "x", templates.Options{}); err != nil {
				t.Fatal(err)
			}
			cmd := exec.CommandContext(t.Context(), python(t, dir), "-B", "-c", `
import json, agent
print(json.dumps(agent.main(**json.load(open("input.json")))))
print(json.dumps(list(agent.main_stream("20 + 22"))))`)
			cmd.Dir = dir
			cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir}
			var stderr strings.Builder
			cmd.Stderr = &stderr
			out, err := cmd.Output()
			if err != nil || strings.TrimSpace(string(out)) != want {
				t.Errorf("got %s, %v, want %s\n%s", out, err, want, stderr.String())
			}
		})
	}
}

// python returns an interpreter that has what the folder's requirements name.
func python(t *testing.T, dir string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "requirements.txt"))
	if err == nil {
		return pythonenv.For(t, strings.Split(strings.TrimSpace(string(text)), "\n")...)
	}
	path, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("needs python3")
	}
	return path
}
