package examples_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/runagent/runagent/internal/agent"
	"github.com/runagent/runagent/test/pythonenv"
	"github.com/runagent/runagent/test/served"
)

// patterns are the examples, with what each call of the README must answer.
var patterns = map[string][]string{
	"request-response": {`"team": "billing"`, `"team":"access","answer_within_hours":4`, `"VALIDATION_ERROR".*/ticket/plan`},
	"streaming":        {`" offline"`, `event: chunk\ndata: \{"content":" offline"`, `"squared":4`},
	"tool-usage":       {`"Order 17 is shipped yesterday\."`, `"Order 18 would be canceled now\."`, `"content":" waiting"`},
	"retrieval":        {`30 days of holidays`, `120 euros a night.*travel\.md`, `says nothing about that`},
	"multi-agent":      {`"News! Apollo 11 landed`, `"agent":"Writer","said":"News! Hubble has`, `"agent":"Researcher","text":"Hubble"`},
	"batch":            {`"positive"`, `"positive","batch":3\},\{"mood":"negative","batch":3\},\{"mood":"neutral"`, `(?s)("mood".*){3}`},
	"async":            {`"20 \+ 22 = 42\."`, `"1 \+ 2 = 3\.","20 \+ 22 = 42\."`, `"content":"20 \+ 22 = 42\."`},
	"approval":         {`"question": "Pay 250 to Ada\?"`, `"status":"paid"`, `"payee":"Bob","amount":5,"status":"paid"`},
}

// others are the examples of other pages, whose tests call them.
var others = []string{"assistant", "greeter", "counter"}

// usual are the frameworks whose examples `go test` serves; `make
// test-frameworks` serves all. Their packages are those of test/frameworks.
var usual = []string{"default", "langgraph", "openai"}

func TestExamplesDoWhatTheirREADMETells(t *testing.T) {
	t.Parallel()
	for name, want := range patterns {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, problems := agent.Load(name, agent.LoadOptions{})
			if len(problems) == 0 {
				problems = agent.CheckSources(a.Manifest, nil)
			}
			if len(problems) > 0 {
				t.Fatal(problems)
			}
			framework := a.Manifest.Framework
			switch wanted := os.Getenv("RUNAGENT_TEST_FRAMEWORKS"); {
			case testing.Short():
				t.Skip("serves real packages")
			case wanted == "" && !slices.Contains(usual, framework):
				t.Skip("runs by `make test-frameworks`")
			case wanted != "" && wanted != "all" && !slices.Contains(strings.Split(wanted, ","), framework):
				t.Skipf("RUNAGENT_TEST_FRAMEWORKS is %s", wanted)
			}
			calls := served.Calls(t, name)
			if len(calls) != len(want) {
				t.Fatalf("the README has %d calls, want %d: %q", len(calls), len(want), calls)
			}
			s := serve(t, name, framework)
			for i, call := range calls {
				if got := s.Paste(call); !regexp.MustCompile(want[i]).MatchString(got) {
					t.Errorf("%s\ngave %s\nwant %s", call, got, want[i])
				}
			}
		})
	}
}

// serve serves a copy of an example, with its packages and without any key.
func serve(t *testing.T, name, framework string) *served.Agent {
	t.Helper()
	dir := filepath.Join(t.TempDir(), name)
	if err := os.CopyFS(dir, os.DirFS(name)); err != nil {
		t.Fatal(err)
	}
	args := []string{"--no-reload"}
	if lock := filepath.Join("../test/frameworks/agents", framework, "requirements.txt"); framework != "default" {
		args = append(args, "--python", pythonenv.Locked(t, lock))
	}
	return served.Start(t, served.Options{Dir: dir, Args: args, Wrap: served.WithoutKeys()})
}

// TestExamplesAreListed holds that the index names every example, that its
// README is short, and that it requires what is tested.
func TestExamplesAreListed(t *testing.T) {
	t.Parallel()
	index, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	manifests, err := filepath.Glob("*/" + agent.ManifestName)
	if err != nil || len(manifests) != len(patterns)+len(others) {
		t.Errorf("%d examples, %d are tested: %v", len(manifests), len(patterns)+len(others), err)
	}
	for _, manifest := range manifests {
		dir := filepath.Dir(manifest)
		if !strings.Contains(string(index), "["+dir+"]("+dir+")") {
			t.Errorf("README.md does not list %s", dir)
		}
		if slices.Contains(others, dir) {
			continue
		}
		readme, err := os.ReadFile(filepath.Join(dir, "README.md"))
		if n := strings.Count(string(readme), "\n"); err != nil || n < 15 || n > 25 {
			t.Errorf("the README of %s has %d lines, %v", dir, n, err)
		}
		checkRequirements(t, dir)
	}
}

func checkRequirements(t *testing.T, dir string) {
	t.Helper()
	required, err := os.ReadFile(filepath.Join(dir, "requirements.txt"))
	if err != nil {
		return // it needs nothing
	}
	a, problems := agent.Load(dir, agent.LoadOptions{})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	lock := filepath.Join("../test/frameworks/agents", a.Manifest.Framework, "requirements.txt")
	locked, err := os.ReadFile(lock)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(required)) {
		pin := regexp.MustCompile(`\[.*\]`).ReplaceAllString(strings.TrimSpace(line), "")
		if !strings.Contains("\n"+string(locked), "\n"+pin+"\n") {
			t.Errorf("%s requires %s, which %s does not have", dir, pin, lock)
		}
	}
}
