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
)

// examples are the templates beside the default ones, by framework.
var examples = map[string]string{
	"default": "request-response", "openai": "streaming", "pydantic_ai": "tool-usage", "llamaindex": "retrieval",
	"crewai": "multi-agent", "langchain": "batch", "openai_agents": "async", "langgraph": "approval",
}

func TestAllHoldsATemplateForEachFramework(t *testing.T) {
	t.Parallel()
	want := []string{
		"default", "adk", "ag2", "agno", "autogen", "crewai", "langchain", "langgraph", "letta", "llamaindex", "n8n",
		"openai", "openai_agents", "pydantic_ai", "smolagents",
	}
	if got := templates.Frameworks(); !slices.Equal(got, want) {
		t.Errorf("got %v", got)
	}
	for _, framework := range want {
		if got, err := templates.Find(framework, templates.Default); err != nil || got.Framework != framework {
			t.Errorf("%s: got %+v, %v", framework, got, err)
		}
	}
	if got := len(templates.All()); got != len(want)+len(examples) {
		t.Errorf("%d templates, want %d", got, len(want)+len(examples))
	}
	for framework, name := range examples {
		if got, err := templates.Find(framework, name); err != nil || got.Description == "" {
			t.Errorf("%s, %s: got %+v, %v", framework, name, got, err)
		}
	}
	for _, template := range templates.All() {
		if template.Description == "" || template.Name == "" {
			t.Errorf("%+v lacks something", template)
		}
	}
}

func TestFindSaysWhatThereIs(t *testing.T) {
	t.Parallel()
	if got, err := templates.Find("Pydantic-AI", "default"); err != nil || got.Framework != "pydantic_ai" {
		t.Errorf("got %+v, %v", got, err)
	}
	for _, c := range []struct{ framework, template, want string }{
		{"crewia", "default", `there is no template for "crewia" (did you mean "crewai"?); there are: default, adk, `},
		{"cobol", "default", `there is no template for "cobol"; there are: default, adk, `},
		{"default", "streaming", `default has no template "streaming"; it is one of openai: add --framework openai`},
		{"langgraph", "Tool_Usage", `langgraph has no template "Tool_Usage"; it is one of pydantic_ai: add --framework pydantic_ai`},
		{"langgraph", "defualt", `langgraph has no template "defualt" (did you mean "default"?); there are: default, approval`},
	} {
		if _, err := templates.Find(c.framework, c.template); fault.CodeOf(err) != fault.Validation || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%s, %s: got %v", c.framework, c.template, err)
		}
	}
}

// write writes a framework's default template.
func write(t *testing.T, dir, framework, name string, opts templates.Options) ([]string, error) {
	t.Helper()
	template, err := templates.Find(framework, templates.Default)
	if err != nil {
		t.Fatal(err)
	}
	return template.Write(dir, name, opts)
}

// TestWriteMakesAgents writes every template and lets the manifest's parser judge.
func TestWriteMakesAgents(t *testing.T) {
	t.Parallel()
	for _, template := range templates.All() {
		t.Run(template.Framework+"/"+template.Name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "new", "folder")
			name := `My "Éclair" \ Agent`
			files, err := template.Write(dir, name, templates.Options{})
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
			if serve := regexp.MustCompile(`runagent serve (.*)`).FindSubmatch(readFile(t, dir, "README.md")); serve == nil || string(serve[1]) != "." {
				t.Errorf("the README serves %q", serve)
			}
			if a.Name != name || a.Manifest.AgentID != agent.DeriveID(real) || a.Manifest.Framework != template.Framework {
				t.Errorf("got %+v", a.Manifest)
			}
			if !strings.Contains(string(a.Manifest.Raw), `"$schema": "`+agent.SchemaURL+`"`) {
				t.Error("the manifest names no schema")
			}
			for _, want := range []string{"README.md", "input.json", ".gitignore", agent.ManifestName} {
				if !slices.Contains(files, want) {
					t.Errorf("wrote no %s", want)
				}
			}
			checkFilled(t, dir, files)
			checkCalls(t, dir, a)
		})
	}
}

func readFile(t *testing.T, dir, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return text
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
	calls := regexp.MustCompile(`(?:agents/|runagent run(?:-stream)? )([^/ ]+)`).FindAllStringSubmatch(string(readme), -1)
	if len(calls) < 3 {
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
		if _, err := write(t, dir, "default", c.name, templates.Options{AgentID: "fixed"}); err != nil {
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
		if _, err := write(t, dir, "default", name, templates.Options{}); fault.CodeOf(err) != fault.Validation {
			t.Errorf("%q: got %v", name, err)
		}
		if entries, _ := os.ReadDir(dir); len(entries) > 0 {
			t.Errorf("%q: wrote %v", name, entries)
		}
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
	_, err := write(t, dir, "langgraph", "x", templates.Options{})
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
		files, err := write(t, t.TempDir(), framework, "x", templates.Options{})
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

// TestOfflineModelsAreAlike keeps the copies of one file from drifting apart.
func TestOfflineModelsAreAlike(t *testing.T) {
	t.Parallel()
	want, err := os.ReadFile("openai/offline_model.py")
	if err != nil {
		t.Fatal(err)
	}
	for _, framework := range []string{"ag2", "agno", "autogen", "langchain", "langgraph", "llamaindex", "openai_agents", "pydantic_ai"} {
		if got, err := os.ReadFile(framework + "/offline_model.py"); err != nil || string(got) != string(want) {
			t.Errorf("%s/offline_model.py is not that of openai (%v); copy the newer one over all", framework, err)
		}
	}
}

// TestPlainTemplateRuns runs the plain agent in plain Python; the frameworks'
// are served with their packages by test/templates.
func TestPlainTemplateRuns(t *testing.T) {
	t.Parallel()
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("needs python3")
	}
	dir := t.TempDir()
	if _, err := write(t, dir, templates.Default, "x", templates.Options{}); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), python, "-B", "-c", `
import json, agent
print(json.dumps(agent.main(**json.load(open("input.json")))))
print(json.dumps(list(agent.main_stream("20 + 22"))))`)
	cmd.Dir = dir
	want := `{"answer": "YOU SAID: HELLO FROM A FOLDER!", "words": 4}` + "\n" + `["You ", "said: ", "20 ", "+ ", "22 "]`
	if out, err := cmd.CombinedOutput(); err != nil || strings.TrimSpace(string(out)) != want {
		t.Errorf("got %s, %v, want %s", out, err, want)
	}
}
