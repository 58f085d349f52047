package python

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/runagent/runagent/internal/agent"
)

// TestInspectorFeedsCheckSources goes the whole way with the real script: from
// a manifest and Python files to the lines that an author reads.
func TestInspectorFeedsCheckSources(t *testing.T) {
	t.Parallel()
	root, err := filepath.Abs("../../../shim/python")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write(t, filepath.Join(dir, "agent.py"), "class Bot:\n    def ask(self): pass\n\nasync def think(): pass\n\ndef talk():\n    yield 1\n")
	write(t, filepath.Join(dir, "broken.py"), "def f(:\n    pass\n")
	entry := func(tag, file, module, kind string) string {
		return `{"tag":"` + tag + `","file":"` + file + `","module":"` + module + `"` + kind + "}"
	}
	write(t, filepath.Join(dir, agent.ManifestName), `{"agent_name":"E","agent_architecture":{"entrypoints":[`+"\n"+strings.Join([]string{
		entry("ok", "agent.py", "Bot.ask", ""),
		entry("method", "agent.py", "Bot.akk", ""),
		entry("name", "agent.py", "thnik", ""),
		entry("type", "agent.py", "talk", `,"type":"generic"`),
		entry("syntax", "broken.py", "f", ""),
		entry("gone", "agnet.py", "f", ""),
	}, ",\n")+"]}}")
	a, problems := agent.Load(dir, agent.LoadOptions{Shown: agent.ManifestName})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	reports, err := NewInspector(system(t).Path, root).Inspect(t.Context(), dir, a.Manifest.Entrypoints)
	if err != nil {
		t.Fatal(err)
	}
	got := strings.Split(agent.CheckSources(a.Manifest, reports).Error(), "\n")
	want := []string{
		"broken.py:1:", // line and text of syntax errors differ between Pythons
		`runagent.config.json:3:44: agent_architecture.entrypoints[1].module: class Bot in agent.py has no method 'akk'; did you mean ask?`,
		`runagent.config.json:4:42: agent_architecture.entrypoints[2].module: agent.py defines no "thnik" (did you mean "think"?)`,
		`runagent.config.json:5:56: agent_architecture.entrypoints[3].type: talk in agent.py yields its results, which "generic" does not fit (did you mean "generic_stream"?)`,
		`runagent.config.json:7:22: agent_architecture.entrypoints[5].file: there is no file "agnet.py" (did you mean "agent.py"?)`,
	}
	if len(got) != len(want) {
		t.Fatalf("got:\n%s", strings.Join(got, "\n"))
	}
	for i := range want {
		if !strings.HasPrefix(got[i], want[i]) {
			t.Errorf("got  %s\nwant %s", got[i], want[i])
		}
	}
}
