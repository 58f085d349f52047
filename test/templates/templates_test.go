package templates_test

import (
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/runagent/runagent/templates"
	"github.com/runagent/runagent/test/fakellm"
	"github.com/runagent/runagent/test/pythonenv"
	"github.com/runagent/runagent/test/served"
)

// usual are the templates that `go test` serves; they share the environments
// of test/frameworks. `make test-frameworks` serves all.
var usual = []string{"default", "langgraph", "openai", "n8n"}

// own are the frameworks whose model is not asked as OpenAI's is.
var own = []string{"default", "n8n", "letta", "adk"}

// each runs a test for every template that is chosen.
func each(t *testing.T, test func(*testing.T, templates.Template)) {
	t.Parallel()
	for _, template := range templates.All() {
		if template.Name != templates.Default {
			continue // an example; its own test calls it
		}
		t.Run(template.Framework+"/"+template.Name, func(t *testing.T) {
			t.Parallel()
			switch wanted := os.Getenv("RUNAGENT_TEST_FRAMEWORKS"); {
			case testing.Short():
				t.Skip("serves real packages")
			case wanted == "" && !slices.Contains(usual, template.Framework):
				t.Skip("runs by `make test-frameworks`")
			case wanted != "" && wanted != "all" && !slices.Contains(strings.Split(wanted, ","), template.Framework):
				t.Skipf("RUNAGENT_TEST_FRAMEWORKS is %s", wanted)
			}
			test(t, template)
		})
	}
}

// TestTemplatesDoWhatTheirREADMETells writes, validates, serves and calls every
// template without any key.
func TestTemplatesDoWhatTheirREADMETells(t *testing.T) {
	each(t, func(t *testing.T, template templates.Template) {
		dir := write(t, template)
		if template.Framework == "n8n" {
			standIn(t, dir)
		}
		if code, _, stderr := served.Run(t, t.TempDir(), "validate", dir); code != 0 {
			t.Fatalf("validate: code %d, %s", code, stderr)
		}
		a := serve(t, template, dir)
		calls := served.Calls(t, dir)
		if len(calls) != 3 {
			t.Fatalf("the README has %d calls, want 3: %q", len(calls), calls)
		}
		for i, call := range calls {
			got := a.Paste(call)
			want, ends := "20 + 22 = 42", `"status":"succeeded"`
			switch {
			case template.Framework == "default":
				want = "(?i)you said: hello"
			case i == 2 && template.Framework != "smolagents":
				want = `"20"[^\0]*" 42\."` // word by word
			}
			if i == 0 {
				ends = "}\n"
			}
			if i == 2 && template.Framework == "default" {
				want = `"said: "`
			}
			if !regexp.MustCompile(strings.ReplaceAll(want, "+", `\+`)).MatchString(got) || !strings.Contains(strings.ReplaceAll(got, `": "`, `":"`), ends) {
				t.Errorf("%s\ngave %s\nwant %s", call, got, want)
			}
		}
		said := strings.Count(a.Output(), "is not set: a small offline ")
		if want := map[bool]int{true: 0, false: 1}[template.Framework == "default" || template.Framework == "n8n"]; said != want {
			t.Errorf("serve told of the offline model %d times, want %d:\n%s", said, want, a.Output())
		}
	})
}

// TestTemplatesUseARealModelWithAKey serves every template whose model is
// OpenAI's with a key, against a fake of OpenAI's API.
func TestTemplatesUseARealModelWithAKey(t *testing.T) {
	each(t, func(t *testing.T, template templates.Template) {
		if slices.Contains(own, template.Framework) {
			t.Skip("asks no model of OpenAI's kind")
		}
		openai := httptest.NewServer(fakellm.New())
		t.Cleanup(openai.Close)
		a := serve(t, template, write(t, template), "OPENAI_API_KEY=good", "OPENAI_BASE_URL="+openai.URL+"/v1")
		answer := a.Invoke("main", served.Input{"prompt": `please use add {"a": 20, "b": 22} now`})
		if text, _ := answer.Get("answer").(string); !strings.Contains(text, "42") || fmt.Sprint(answer.Get("tools")) != "[add]" {
			t.Errorf("main gave %s", answer.Body)
		}
		if template.Framework != "smolagents" { // which streams steps, not tokens
			events := a.Stream("main_stream", served.Input{"prompt": "tell me something long"}).Rest()
			if len(events) < 4 || !strings.Contains(string(events[len(events)-1].Data), `"succeeded"`) {
				t.Errorf("main_stream gave %d events, at last %s", len(events), events[len(events)-1].Data)
			}
		}
		if strings.Contains(a.Output(), "is not set") {
			t.Errorf("serve told of an offline model:\n%s", a.Output())
		}
	})
}

// TestRequirementsAreThoseThatAreTested holds the templates to the versions
// whose agents test/frameworks serves.
func TestRequirementsAreThoseThatAreTested(t *testing.T) {
	t.Parallel()
	for _, framework := range templates.Frameworks() {
		locked, err := os.ReadFile(lock(framework))
		if err != nil {
			continue // no agent of this framework is served there
		}
		for _, line := range requirements(t, filepath.Join("../../templates", framework)) {
			pin, marker, _ := strings.Cut(line, ";")
			pin = regexp.MustCompile(`\[.*\]`).ReplaceAllString(strings.TrimSpace(pin), "")
			if !strings.Contains(marker, "<") && !strings.Contains("\n"+string(locked), "\n"+pin+"\n") {
				t.Errorf("templates/%s requires %s, which %s does not have", framework, pin, lock(framework))
			}
		}
	}
}

// write makes a folder of the template, as a newcomer does.
func write(t *testing.T, template templates.Template) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "my-agent")
	code, _, stderr := served.Run(t, t.TempDir(), "init", dir, "--framework", template.Framework, "--template", template.Name)
	if code != 0 || !strings.HasSuffix(stderr, "Now: runagent serve "+dir+"\n") {
		t.Fatalf("init: code %d, %s", code, stderr)
	}
	return dir
}

// serve serves the folder with the packages it requires.
func serve(t *testing.T, template templates.Template, dir string, env ...string) *served.Agent {
	t.Helper()
	args := []string{"--no-reload"}
	if _, err := os.Stat(lock(template.Framework)); err == nil {
		args = append(args, "--python", pythonenv.Locked(t, lock(template.Framework)))
	} else if lines := requirements(t, dir); lines != nil {
		args = append(args, "--python", pythonenv.For(t, lines...))
	}
	return served.Start(t, served.Options{Dir: dir, Args: args, Wrap: served.WithoutKeys(env...)})
}

// lock names what test/frameworks has installed for a framework.
func lock(framework string) string {
	return filepath.Join("../frameworks/agents", framework, "requirements.txt")
}

// requirements are the lines of a folder's requirements.txt, if it has one.
func requirements(t *testing.T, dir string) []string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "requirements.txt"))
	if err != nil {
		return nil
	}
	return strings.Split(strings.TrimSpace(string(text)), "\n")
}

// standIn starts what answers in n8n's place, on a port that is free.
func standIn(t *testing.T, dir string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "python3", "offline_n8n.py", "0")
	cmd.Dir = dir
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Skipf("needs python3: %v", err)
	}
	t.Cleanup(func() { _ = cmd.Wait() }) // it was interrupted
	said := make([]byte, 200)
	n, err := out.Read(said)
	address := regexp.MustCompile(`http://127\.0\.0\.1:\d+`).Find(said[:n])
	if err != nil || address == nil {
		t.Fatalf("the stand-in said %q, %v", said[:n], err)
	}
	path := filepath.Join(dir, "runagent.config.json")
	manifest, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	manifest = []byte(strings.ReplaceAll(string(manifest), "http://127.0.0.1:5678", string(address)))
	if err := os.WriteFile(path, manifest, 0o644); err != nil {
		t.Fatal(err)
	}
}
