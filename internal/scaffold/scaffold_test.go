package scaffold

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/runagent/runagent/internal/agent"
	"github.com/runagent/runagent/internal/fault"
	"github.com/runagent/runagent/internal/runtime/python"
)

// project makes a folder called "project" with the given files.
func project(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "project")
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// places lists entrypoints as tag=file:module.
func places(p *Proposal) string {
	var list []string
	for _, e := range p.Entrypoints {
		list = append(list, e.Tag+"="+e.File+":"+e.Module)
	}
	return strings.Join(list, " ")
}

func valid(t *testing.T, p *Proposal) *agent.Manifest {
	t.Helper()
	text, err := p.Manifest()
	if err != nil {
		t.Fatal(err)
	}
	m, problems := agent.Parse("m", text)
	if len(problems) > 0 {
		t.Fatalf("%v in %s", problems, text)
	}
	return m
}

func noted(p *Proposal, text string) bool { return strings.Contains(strings.Join(p.Notes, "\n"), text) }

func TestFromLangGraph(t *testing.T) {
	t.Parallel()
	dir := project(t, map[string]string{
		"src/agent.py": "", "pkg/other.py": "", "app/requirements.txt": "",
		LangGraphName: `{
			// comments are usual
			"dependencies": [".", "langchain_openai", "./app", "./lib"],
			"graphs": {"agent": "./src/agent.py:graph", "other": {"path": "pkg.other:flow", "description": "Another."},
				"made": "./src/agent.py:make", "js": "./src/a.ts:graph", "gone": "./gone.py:graph", "up": "../x.py:graph", "odd": "graph"},
			"env": {"MODEL": "x"}, "python_version": "3.12", "auth": {"path": "a"}, "mystery": 1,
		}`,
	})
	candidates := []python.Candidate{
		{File: "src/agent.py", Name: "make", Line: 7, Kind: python.KindFunction},
		{File: "src/agent.py", Name: "graph", Kind: python.KindObject},
	}
	p, err := FromLangGraph(dir, candidates)
	if err != nil {
		t.Fatal(err)
	}
	want := "agent=src/agent.py:graph.invoke agent_stream=src/agent.py:graph.stream other=pkg/other.py:flow.invoke other_stream=pkg/other.py:flow.stream"
	if got := places(p); got != want {
		t.Errorf("entrypoints %s", got)
	}
	m := valid(t, p)
	if m.AgentName != "project" || m.Framework != "langgraph" || m.Python != "3.12" || m.EnvVars["MODEL"] != "x" ||
		m.Requirements != "app/requirements.txt" || m.Entrypoints[2].Description != "Another." || m.Entrypoints[1].Type != agent.GenericStream {
		t.Errorf("manifest %s", m.Raw)
	}
	for _, note := range []string{`"made" is left out: src/agent.py:7 is a function`, "a.ts is not Python", "no file gone.py", "../x.py is outside", `"graph" is not of the form`,
		`"auth" is left out: who may call`, `"mystery" is left out: it has no counterpart`, "langchain_openai", "./lib is a folder"} {
		if !noted(p, note) {
			t.Errorf("no note says %s in\n%s", note, strings.Join(p.Notes, "\n"))
		}
	}
}

func TestFromLangGraphTellsOfVariables(t *testing.T) {
	t.Parallel()
	for env, want := range map[string]string{
		`".env"`: "which is not there yet", `"prod.env"`: "--env-file prod.env", `"../x.env"`: "outside the folder", `7`: "neither a file nor",
	} {
		dir := project(t, map[string]string{"a.py": "", LangGraphName: `{"graphs": {"a": "a.py:g"}, "env": ` + env + `}`})
		p, err := FromLangGraph(dir, nil)
		if err != nil || !noted(p, want) || !noted(p, "nothing will be installed") {
			t.Errorf("%s: %v, notes %q", env, err, p.Notes)
		}
	}
}

// TestFromLangGraphNamesGraphsByWhatTheyDo: a tag that ends in _stream streams,
// so a graph of such a name answers by another.
func TestFromLangGraphNamesGraphsByWhatTheyDo(t *testing.T) {
	t.Parallel()
	p, err := FromLangGraph(project(t, map[string]string{"a.py": "", LangGraphName: `{"graphs": {"x_stream": "a.py:g", "x": "a.py:h", "_stream": "a.py:i"}}`}), nil)
	if err != nil {
		t.Fatal(err)
	}
	valid(t, p)
	want := "main=a.py:i.invoke main_stream=a.py:i.stream x=a.py:h.invoke x_stream=a.py:h.stream x_2=a.py:g.invoke x_2_stream=a.py:g.stream"
	if got := places(p); got != want {
		t.Errorf("entrypoints %s, want %s", got, want)
	}
	if !noted(p, `graph "x_stream" is called as "x_2"`) {
		t.Errorf("notes %q", p.Notes)
	}
}

// TestFromLangGraphListsWhatIsNoText: one thing that can't be carried over
// stops nothing else, and comes along as nothing else.
func TestFromLangGraphListsWhatIsNoText(t *testing.T) {
	t.Parallel()
	p, err := FromLangGraph(project(t, map[string]string{"a.py": "", LangGraphName: `{"graphs": {"a": "a.py:g", "": "a.py:g", " b": "a.py:g"},
		"env": {"GOOD": "x", "COUNT": 1, "NONE": null, "not good": "y"}, "python_version": 3.12}`}), nil)
	if err != nil {
		t.Fatal(err)
	}
	if m := valid(t, p); len(m.EnvVars) != 1 || m.EnvVars["GOOD"] != "x" || m.Python != "" {
		t.Errorf("manifest %s", m.Raw)
	}
	if got := places(p); got != "a=a.py:g.invoke a_stream=a.py:g.stream" {
		t.Errorf("entrypoints %s", got)
	}
	for _, note := range []string{"COUNT is left out", "NONE is left out", `"not good" is left out`, `"python_version" is left out`, `graph "" is left out`, `graph " b" is left out`} {
		if !noted(p, note) {
			t.Errorf("no note says %s in\n%s", note, strings.Join(p.Notes, "\n"))
		}
	}
}

func TestFromLangGraphRefuses(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`{`: "langgraph.json", `{}`: "names no graphs", `{"graphs": {"a": 3}}`: "graphs.a", `{"graphs": {"a": "b.py:c"}}`: "no file b.py",
	} {
		_, err := FromLangGraph(project(t, map[string]string{LangGraphName: text}), nil)
		if fault.CodeOf(err) != fault.Validation || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}

const agentCore = `
default_agent: mailer
agents:
  mailer:
    name: mailer
    entrypoint: ENTRY
    language: python
    runtime_type: PYTHON_3_12
    aws: {region: us-east-1}
    memory: {mode: STM}
    authorizer_configuration: null
    request_header_configuration: {a: b}
  other: {name: other, entrypoint: o.py}
`

func TestFromAgentCore(t *testing.T) {
	t.Parallel()
	candidates := []python.Candidate{
		{File: "agent.py", Name: "help", Kind: python.KindFunction},
		{File: "agent.py", Name: "invoke", Line: 9, Kind: python.KindEntrypoint, Params: []string{"payload", "context"}, Required: []string{"payload", "context"}},
		{File: "o.py", Name: "talk", Kind: python.KindEntrypoint, Generator: true, Params: []string{"payload"}, Required: []string{"payload"}},
	}
	for entry, want := range map[string]string{
		"agent.py": "main=agent.py:invoke", "/home/somebody/x/agent.py": "main=agent.py:invoke", "agent.py:invoke": "main=agent.py:invoke",
		".": "main=agent.py:invoke main_stream=o.py:talk",
	} {
		dir := project(t, map[string]string{AgentCoreName: strings.Replace(agentCore, "ENTRY", entry, 1), "agent.py": "", "o.py": "", "requirements.txt": ""})
		p, err := FromAgentCore(dir, candidates)
		if err != nil {
			t.Errorf("%s: %v", entry, err)
			continue
		}
		if got := places(p); got != want || valid(t, p).AgentName != "mailer" || valid(t, p).Python != "3.12" {
			t.Errorf("%s: entrypoints %s, want %s", entry, got, want)
		}
		for _, note := range []string{`agent "other" is left out`, `"aws" is left out: nothing is made in AWS`, `"memory" is left out`,
			`"request_header_configuration" is left out`, `agent.py:9: AgentCore gives invoke its context`, `{"input": {"payload": {…}}}`} {
			if !noted(p, note) {
				t.Errorf("%s: no note says %s in\n%s", entry, note, strings.Join(p.Notes, "\n"))
			}
		}
		if noted(p, "authorizer_configuration") || noted(p, "nothing will be installed") {
			t.Errorf("notes of what is not there: %q", p.Notes)
		}
	}
	for text, want := range map[string]string{
		"name: old\nentrypoint: agent.py\naws: {region: x}":                   "agent.py",
		"agents: {a: {name: old, entrypoint: /home/x/src/app/talk.py}}":       "src/app/talk.py",
		"agents: {a: {name: old, entrypoint: '/home/x/src/app/talk.py:say'}}": "src/app/talk.py",
	} {
		dir := project(t, map[string]string{AgentCoreName: text, "agent.py": "", "src/app/talk.py": ""})
		p, err := FromAgentCore(dir, []python.Candidate{
			{File: "agent.py", Name: "say", Kind: python.KindEntrypoint, Params: []string{"payload"}},
			{File: "src/app/talk.py", Name: "say", Kind: python.KindEntrypoint, Params: []string{"payload"}},
		})
		if err != nil || places(p) != "main="+want+":say" || valid(t, p).AgentName == "" {
			t.Errorf("%s: %+v, %v", text, p, err)
		}
	}
	for text, want := range map[string]string{
		"a: [":                                AgentCoreName,
		"agents: {}":                          `no agent ""`,
		"default_agent: x":                    `no agent "x"`,
		"agents: {a: [1]}":                    "agents.a",
		"agents: {a: {entrypoint: agent.py}}": "no function of agent.py is decorated",
		"agents: {a: {entrypoint: ../b.py}}":  "outside the folder",
	} {
		_, err := FromAgentCore(project(t, map[string]string{AgentCoreName: text}), nil)
		if fault.CodeOf(err) != fault.Validation || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}

func TestFromRunAgent(t *testing.T) {
	t.Parallel()
	const good = `{"agent_name": "a", "agent_architecture": {"entrypoints": [{"tag": "t", "file": "a.py", "module": "f"}]}`
	if text, _, err := FromRunAgent(project(t, map[string]string{agent.ManifestName: good + "}"})); text != nil || err != nil {
		t.Errorf("a valid manifest became %s, %v", text, err)
	}
	odd := strings.Replace(good, `"tag"`, `"colour": "red", "tag"`, 1) + `, "number": 1.50}`
	text, notes, err := FromRunAgent(project(t, map[string]string{agent.ManifestName: odd}))
	if err != nil || len(notes) != 2 || !strings.Contains(string(text), `"x-colour": "red"`) || !strings.Contains(string(text), `"x-number": 1.50`) {
		t.Errorf("got %s, notes %q, %v", text, notes, err)
	}
	var problems agent.Problems
	for _, bad := range []string{"{", `{"agent_name": 3}`, odd[:len(odd)-1] + `, "python": "no"}`} {
		if _, _, err := FromRunAgent(project(t, map[string]string{agent.ManifestName: bad})); !errors.As(err, &problems) {
			t.Errorf("%s: %v, want problems", bad, err)
		}
	}
}

func TestProposalsAreCheckedAndNeverOverwrite(t *testing.T) {
	t.Parallel()
	p := &Proposal{From: "x", Name: strings.Repeat("é", 80) + "\x00", Framework: "default"}
	if _, err := p.Manifest(); err == nil {
		t.Error("a manifest without entrypoints was made")
	}
	for range 3 {
		p.add(Entrypoint{Tag: "main_stream", File: "a.py", Module: "f"})
	}
	if got := places(p); got != "main_stream=a.py:f main_2_stream=a.py:f main_3_stream=a.py:f" {
		t.Errorf("tags %s", got)
	}
	if m := valid(t, p); len([]rune(m.AgentName)) != 50 {
		t.Errorf("name %q", m.AgentName)
	}
	dir := project(t, map[string]string{agent.ManifestName: "mine"})
	if err := Write(dir, []byte("new"), false); fault.CodeOf(err) != fault.Conflict {
		t.Errorf("got %v, want CONFLICT", err)
	}
	if err := Write(dir, []byte("new"), true); err != nil {
		t.Error(err)
	}
	if raw, _ := os.ReadFile(filepath.Join(dir, agent.ManifestName)); string(raw) != "new" {
		t.Errorf("wrote %s", raw)
	}
	if err := Write(filepath.Join(dir, "none"), nil, false); err == nil {
		t.Error("wrote into no folder")
	}
}

func TestLikelyAndFromCode(t *testing.T) {
	t.Parallel()
	object := func(name string, part bool) python.Candidate {
		return python.Candidate{File: "a.py", Name: name, Kind: python.KindObject, Framework: "crewai", Streams: true, Part: part}
	}
	function := func(name string, annotated bool) python.Candidate {
		return python.Candidate{File: "b.py", Name: name, Kind: python.KindFunction, Framework: "default", Annotated: annotated, Params: []string{"q"}}
	}
	stream := function("talk", true)
	stream.Generator = true
	entry := function("invoke", false)
	entry.Kind = python.KindEntrypoint
	for _, c := range []struct {
		found           []python.Candidate
		want, framework string
	}{
		{[]python.Candidate{object("crew", false), function("ask", true), object("member", true)}, "main=a.py:crew main_stream=a.py:crew", "crewai"},
		{[]python.Candidate{object("crew", true)}, "main=a.py:crew main_stream=a.py:crew", "crewai"},
		{[]python.Candidate{object("P.crew", false), object("flow", false)}, "P_crew=a.py:P.crew P_crew_stream=a.py:P.crew flow=a.py:flow flow_stream=a.py:flow", "crewai"},
		{[]python.Candidate{function("ask", true), stream, function("helper", false)}, "ask=b.py:ask talk_stream=b.py:talk", "default"},
		{[]python.Candidate{object("crew", false), entry}, "main=b.py:invoke", "default"},
	} {
		p := FromCode(project(t, map[string]string{"requirements.txt": ""}), Likely(c.found))
		if got := places(p); got != c.want || p.Framework != c.framework || len(p.Notes) > 0 {
			t.Errorf("%v: got %s of %s, %q", c.found, got, p.Framework, p.Notes)
		}
		valid(t, p)
	}
	if got := Likely([]python.Candidate{function("helper", false)}); got != nil {
		t.Errorf("of what nothing speaks for: %v", got)
	}
}

func TestHasCode(t *testing.T) {
	t.Parallel()
	for file, want := range map[string]bool{"bot.py": true, "pyproject.toml": true, "README.md": false, "src/deep.py": false} {
		if got := HasCode(project(t, map[string]string{file: ""})); got != want {
			t.Errorf("%s: %v", file, got)
		}
	}
	if HasCode(filepath.Join(t.TempDir(), "none")) {
		t.Error("a folder that is not there has code")
	}
}
