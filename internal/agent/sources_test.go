package agent_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/runagent/runagent/internal/agent"
)

// loaded returns the manifest, loaded from a folder with the given files, of
// entrypoints written as "file module type", each on a line of its own from 2.
func loaded(t testing.TB, files map[string]string, entrypoints ...string) *agent.Manifest {
	t.Helper()
	var b strings.Builder
	b.WriteString(`{"agent_name":"E","agent_architecture":{"entrypoints":[`)
	for i, e := range entrypoints {
		part := strings.Fields(e + " -")
		fmt.Fprintf(&b, "%s\n{\"tag\":\"t%d\",\"file\":%q,\"module\":%q", map[bool]string{true: ","}[i > 0], i, part[0], part[1])
		if part[2] != "-" {
			fmt.Fprintf(&b, ",\"type\":%q", part[2])
		}
		b.WriteString("}")
	}
	b.WriteString("]}}")
	all := map[string]string{agent.ManifestName: b.String()}
	for name, text := range files {
		all[name] = text
	}
	a, problems := agent.Load(folder(t, all), agent.LoadOptions{Shown: "bot/m.json"})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	return a.Manifest
}

func TestCheckSourcesFindsMissingFiles(t *testing.T) {
	t.Parallel()
	m := loaded(t, map[string]string{
		"main.py": "", "src/deep.py": "", "Agent.py": "", ".venv/lib/agnet.py": "", "pkg.py/x": "",
	}, "mian.py run", "deep.py run", "agent.py run", "nothing_like_it.py run", "pkg.py run", "main.py run")
	got := agent.CheckSources(m, nil).Error()
	want := `bot/m.json:2:20: agent_architecture.entrypoints[0].file: there is no file "mian.py" (did you mean "main.py"?)
bot/m.json:3:20: agent_architecture.entrypoints[1].file: there is no file "deep.py" (did you mean "src/deep.py"?)
bot/m.json:4:20: agent_architecture.entrypoints[2].file: there is no file "agent.py" (did you mean "Agent.py"?)
bot/m.json:5:20: agent_architecture.entrypoints[3].file: there is no file "nothing_like_it.py"
bot/m.json:6:20: agent_architecture.entrypoints[4].file: there is no file "pkg.py"`
	if got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

func TestCheckSourcesSuggestsTheOnlyFile(t *testing.T) {
	t.Parallel()
	m := loaded(t, map[string]string{"handler.py": ""}, "agent.py run")
	if ps := agent.CheckSources(m, nil); len(ps) != 1 || ps[0].Suggestion != "handler.py" {
		t.Errorf("got %v", ps)
	}
}

func TestCheckSourcesTurnsReportsIntoProblems(t *testing.T) {
	t.Parallel()
	m := loaded(t, map[string]string{"a.py": "", "pkg/b.py": ""},
		"a.py rnu", "a.py app.invoke", "a.py grpah.invoke", "pkg/b.py run", "a.py ok", "a.py gone", "a.py unreadable", "a.py Bot.rnu")
	report := func(i int, r agent.SourceReport) agent.SourceReport {
		r.Tag, r.File = m.Entrypoints[i].Tag, m.Entrypoints[i].File
		r.Names = []string{"Config", "app", "graph", "run", "run_all"}
		return r
	}
	got := agent.CheckSources(m, []agent.SourceReport{
		report(4, agent.SourceReport{OK: true, Kind: "function"}),
		report(0, agent.SourceReport{Problem: "missing_name"}),
		report(1, agent.SourceReport{OK: true, Kind: "unknown"}),
		report(2, agent.SourceReport{Problem: "missing_name"}),
		report(3, agent.SourceReport{Problem: "syntax", Message: "'(' was never closed", Line: 7, Column: 11}),
		report(5, agent.SourceReport{Problem: "missing_file", Message: "gone since"}),
		report(6, agent.SourceReport{Problem: "unreadable", Message: "can't read a.py: Permission denied"}),
		report(7, agent.SourceReport{Problem: "missing_method", Message: "class Bot in a.py has no method 'rnu'", Line: 3}),
	}).Error()
	want := `bot/m.json:2:36: agent_architecture.entrypoints[0].module: a.py defines no "rnu" (did you mean "run"?)
bot/m.json:4:36: agent_architecture.entrypoints[2].module: a.py defines no "grpah.invoke" (did you mean "graph.invoke"?)
bot/m.json:7:20: agent_architecture.entrypoints[5].file: there is no file "a.py"
bot/m.json:8:20: agent_architecture.entrypoints[6].file: can't read a.py: Permission denied
bot/m.json:9:36: agent_architecture.entrypoints[7].module: class Bot in a.py has no method 'rnu'
bot/pkg/b.py:7:11: not Python: '(' was never closed`
	if got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

func TestCheckSourcesTellsEntrypointsOfOneTagApart(t *testing.T) {
	t.Parallel()
	m := loaded(t, map[string]string{"a.py": ""}, "a.py rnu", "a.py run", "a.py runn")
	var reports []agent.SourceReport
	for i, problem := range []string{"missing_name", "", "missing_name"} {
		m.Entrypoints[i].Tag = "main"
		reports = append(reports, agent.SourceReport{Tag: "main", File: "a.py", OK: problem == "", Problem: problem, Names: []string{"run"}})
	}
	want := `bot/m.json:2:36: agent_architecture.entrypoints[0].module: a.py defines no "rnu" (did you mean "run"?)
bot/m.json:4:36: agent_architecture.entrypoints[2].module: a.py defines no "runn" (did you mean "run"?)`
	if got := agent.CheckSources(m, reports).Error(); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

func TestCheckSourcesComparesTypes(t *testing.T) {
	t.Parallel()
	functions := map[string]agent.SourceReport{
		"plain":           {Kind: "function"},
		"async":           {Kind: "function", Async: true},
		"generator":       {Kind: "function", Generator: true},
		"async generator": {Kind: "function", Async: true, Generator: true},
		"unknown":         {Kind: "unknown"},
	}
	misfits := map[string]string{
		"generic/async":           "async",
		"generic/generator":       "generic_stream",
		"generic/async generator": "generic_stream",
		"async/generator":         "generic_stream",
		"async/async generator":   "generic_stream",
		"batch/generator":         "generic_stream",
		"batch/async generator":   "generic_stream",
	}
	for _, typ := range []string{"-", "generic", "generic_stream", "async", "batch"} {
		m := loaded(t, map[string]string{"a.py": ""}, "a.py run "+typ)
		for name, r := range functions {
			r.Tag, r.File, r.OK = "t0", "a.py", true
			ps := agent.CheckSources(m, []agent.SourceReport{r})
			want, misfit := misfits[typ+"/"+name]
			if misfit != (len(ps) == 1) || misfit && (ps[0].Suggestion != want || ps[0].Line != 2) {
				t.Errorf("%s with %s: got %v, want suggestion %q", typ, name, ps, want)
			}
		}
	}
}

func TestCheckSourcesKnowsTheLifecycle(t *testing.T) {
	t.Parallel()
	a, problems := agent.Load(folder(t, map[string]string{"main.py": "", agent.ManifestName: `{"agent_name":"E",
"agent_architecture":{"entrypoints":[{"tag":"t","file":"main.py","module":"run"}]},
"lifecycle":{"start":{"file":"main.py","module":"opn"},
"stop":{"file":"mian.py","module":"close"}}}`}), agent.LoadOptions{Shown: "m.json"})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	got := agent.CheckSources(a.Manifest, []agent.SourceReport{
		{Tag: "t", File: "main.py", OK: true},
		{Tag: "lifecycle.start", File: "main.py", Problem: "missing_name", Names: []string{"run", "open"}},
	}).Error()
	want := `m.json:3:49: lifecycle.start.module: main.py defines no "opn" (did you mean "open"?)
m.json:4:16: lifecycle.stop.file: there is no file "mian.py" (did you mean "main.py"?)`
	if got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}
