package agent_test

import (
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/runagent/runagent/internal/agent"
)

var update = flag.Bool("update", false, "rewrite the golden files under testdata")

// good is the smallest manifest with nothing wrong.
const good = `{"agent_name":"Echo","agent_architecture":{"entrypoints":[{"file":"a.py","module":"run","tag":"main"}]}}`

// TestBadManifests compares everything said of each bad manifest with a file
// beside it: the exact lines, with places, in the order of the file.
func TestBadManifests(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/bad/*.json")
	if err != nil || len(files) < 20 {
		t.Fatalf("found %d bad manifests, err %v", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".json"), func(t *testing.T) {
			t.Parallel()
			src, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			_, problems := agent.Parse("runagent.config.json", src)
			got := problems.Error() + "\n"
			golden := strings.TrimSuffix(file, ".json") + ".txt"
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if len(problems) == 0 || got != string(want) {
				t.Errorf("problems of %s:\ngot:\n%swant:\n%s", file, got, want)
			}
		})
	}
}

// TestPublishedManifests reads manifests in the forms that the published
// tools and templates write: nothing may be wrong with them.
func TestPublishedManifests(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/published/*.json")
	if err != nil || len(files) < 5 {
		t.Fatalf("found %d published manifests, err %v", len(files), err)
	}
	for _, file := range files {
		src, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if _, problems := agent.Parse(file, src); len(problems) > 0 {
			t.Errorf("%v", problems)
		}
	}
}

func TestParseReadsEveryField(t *testing.T) {
	t.Parallel()
	src, err := os.ReadFile("testdata/full.json")
	if err != nil {
		t.Fatal(err)
	}
	m, problems := agent.Parse("full.json", src)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	if string(m.Raw) != string(src) {
		t.Error("Raw is not the text")
	}
	want := map[string]any{
		"AgentID": "billing", "AgentName": "Billing Helper", "Description": "Answers", "Framework": "default",
		"Template": "t", "Version": "1.2.3-rc.1", "OnConflict": "reject", "Python": ">=3.10,<3.14",
		"Requirements": "reqs/prod.txt", "AuthType": "api_key",
		"EnvVars":           map[string]string{"A": "1", "B": "${C:-d}"},
		"PersistentFolders": []string{"data", ".cache/x"},
		"NetworkAllow":      []string{"api.openai.com", "*.example.com:443"},
		"Resources": agent.Resources{MemoryBytes: 512_000_000, CPU: 0.5, Timeout: 5 * time.Minute,
			Concurrency: 8, PIDs: 64, DiskBytes: 1 << 30},
		"Scaling": agent.Scaling{MinInstances: 1, MaxInstances: 4, Target: 7.5, IdleTimeout: 90 * time.Second},
		"Batch":   agent.BatchRules{MaxSize: 16, MaxWait: 2500 * time.Microsecond, Isolate: true},
		"Lifecycle": agent.Lifecycle{
			Start: agent.Hook{File: "app.py", Module: "app.open", Timeout: time.Minute},
			Stop:  agent.Hook{File: "app.py", Module: "close", Timeout: 10 * time.Second},
		},
		"Retries": agent.Retries{MaxAttempts: 3, Backoff: 2 * time.Second},
		"Entrypoints": []agent.Entrypoint{
			{Tag: "main", File: "src/agent.py", Module: "app.invoke", Type: agent.Generic, Description: "Answers",
				Extractor: map[string]string{"text": "$.messages[-1].content"}},
			{Tag: "hook", WebhookURL: "https://n8n.example.com/hook", Method: "GET", Timeout: time.Minute,
				Extractor: map[string]string{}},
			{Tag: "hook2", WebhookURL: "http://localhost:5678/x?y=1", Method: "POST", Timeout: 30 * time.Second,
				Extractor: map[string]string{}},
		},
	}
	v := reflect.ValueOf(*m)
	for name, w := range want {
		if got := v.FieldByName(name).Interface(); !reflect.DeepEqual(got, w) {
			t.Errorf("%s:\ngot  %#v\nwant %#v", name, got, w)
		}
	}
}

func TestParseFillsInDefaults(t *testing.T) {
	t.Parallel()
	m, problems := agent.Parse("m.json", []byte("\ufeff"+good)) // editors on Windows write such a mark
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	if m.Framework != "default" || m.Version != "0.0.0" || m.AuthType != "none" || m.OnConflict != "enqueue" {
		t.Errorf("got %+v", m)
	}
	if m.Resources != (agent.Resources{}) {
		t.Errorf("resources: got %+v, want none", m.Resources)
	}
}

func TestParseTakesZeroIDForMissing(t *testing.T) {
	t.Parallel()
	for id, want := range map[string]string{
		"00000000-0000-0000-0000-000000000000": "",
		"":                                     "",
		"f5dd61ef-578c-4a92-abe0-f967b7602738": "f5dd61ef-578c-4a92-abe0-f967b7602738",
		"my agent":                             "my agent",
	} {
		m, problems := agent.Parse("m.json", []byte(strings.Replace(good, "{", `{"agent_id":"`+id+`",`, 1)))
		if len(problems) > 0 || m.AgentID != want {
			t.Errorf("agent_id %q: got %q, want %q, problems %v", id, m.AgentID, want, problems)
		}
	}
}

func TestParseGivesManifestBesideProblems(t *testing.T) {
	t.Parallel()
	m, problems := agent.Parse("m.json", []byte(strings.Replace(good, "{", `{"verzion":"1.0.0",`, 1)))
	if len(problems) != 1 || m == nil || len(m.Entrypoints) != 1 || m.Entrypoints[0].Tag != "main" {
		t.Errorf("got %+v with %v", m, problems)
	}
	want := agent.Problem{File: "m.json", Line: 1, Column: 2, Path: "/verzion",
		Message: `unknown key "verzion"`, Suggestion: "version"}
	if problems[0] != want {
		t.Errorf("got %+v, want %+v", problems[0], want)
	}
	if m, _ := agent.Parse("m.json", []byte("[")); m != nil {
		t.Errorf("of no JSON: got %+v, want nil", m)
	}
}

// TestProblemsAreBounded gives the parser much of what is wrong: the answer
// stays short, and comes in a time that does not grow with its square.
func TestProblemsAreBounded(t *testing.T) {
	t.Parallel()
	const entrypoints = `{"agent_name":"x","agent_architecture":{"entrypoints":[`
	for name, c := range map[string]struct{ before, again, after string }{
		"double keys":  {`{"a":0`, `,"a":0`, `}`},
		"missing keys": {entrypoints, `{},`, `{}]}}`},
		"bad values":   {entrypoints, `{"tag":"a","file":"/x","module":"1","extractor":{"a":"x."}},`, `{}]}}`},
		"comments":     {`{"x-a":[`, `1,/**/`, `1]}`},
		"a JSONPath":   {entrypoints + `{"tag":"a","file":"a.py","module":"f","extractor":{"a":"$[?`, `(`, `"}}]}}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			src := c.before + strings.Repeat(c.again, (250<<10)/len(c.again)) + c.after
			_, problems := agent.Parse("m.json", []byte(src))
			if n := len(problems); n < 1 || n > 1100 {
				t.Errorf("got %d problems", n)
			}
		})
	}
	for _, src := range []string{strings.Repeat("[", 100_000), strings.Repeat(`{"a":`, 50_000), strings.Repeat("x", 1<<20)} {
		if _, problems := agent.Parse("m.json", []byte(src)); len(problems) != 1 {
			t.Errorf("got %d problems of %.10q…, want 1", len(problems), src)
		}
	}
}

func TestProblemsErrIsNilWithoutProblems(t *testing.T) {
	t.Parallel()
	if err := (agent.Problems{}).Err(); err != nil {
		t.Errorf("got %v, want nil", err)
	}
	p := agent.Problem{File: "f", Message: "is wrong"}
	if got := (agent.Problems{p, {File: "g", Line: 2, Column: 3, Message: "m", Suggestion: "s"}}).Err().Error(); got != "f: is wrong\ng:2:3: m (did you mean \"s\"?)" {
		t.Errorf("got %q", got)
	}
}
