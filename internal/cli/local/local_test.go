package local_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/runagent/runagent/internal/agent"
	"github.com/runagent/runagent/internal/cli/local"
	"github.com/runagent/runagent/internal/discovery"
)

// machine has one agent that is served, Live, two that were, Gone and Twin,
// the latter twice, and a folder that never was. It returns their folders.
func machine(t *testing.T) (agents local.Agents, dirs map[string]string) {
	t.Helper()
	home := t.TempDir()
	db, err := discovery.Open(filepath.Join(home, discovery.FileName))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	dirs = map[string]string{}
	for i, row := range []discovery.Row{
		{AgentID: "live", Name: "My Live", Host: "0.0.0.0"}, {AgentID: "gone", Name: "Gone"},
		{AgentID: "t1", Name: "Twin"}, {AgentID: "t2", Name: "Twin"}, {AgentID: "bare"},
	} {
		row.Path, row.Port = t.TempDir(), 8000+i
		dirs[row.AgentID] = row.Path
		if err := db.Announce(t.Context(), row); err != nil {
			t.Fatal(err)
		}
		if row.AgentID == "live" {
			continue
		}
		if err := db.Stopped(t.Context(), row.AgentID); err != nil {
			t.Fatal(err)
		}
	}
	dirs["new"] = t.TempDir()
	manifest := `{"agent_id": "fresh", "agent_name": "Fresh", "agent_architecture": {"entrypoints": [{"file": "main.py", "module": "f", "tag": "main"}]}}`
	if err := os.WriteFile(filepath.Join(dirs["new"], agent.ManifestName), []byte(manifest), 0o600); err != nil {
		t.Fatal(err)
	}
	agents, err = local.List(t.Context(), home)
	if err != nil {
		t.Fatal(err)
	}
	return agents, dirs
}

func TestFind(t *testing.T) {
	t.Parallel()
	agents, dirs := machine(t)
	tests := []struct{ ref, served, any string }{ // an ID, or part of an error
		{"live", "live", "live"},
		{"my live", "live", "live"},
		{"my-live", "live", "live"},
		{dirs["live"], "live", "live"},
		{"", "live", "live"},
		{"gone", `agent "Gone" is not being served; start it with`, "gone"},
		{dirs["gone"], "is not being served", "gone"},
		{"bare", `agent "bare" is not being served`, "bare"},
		{"twin", `"twin" means 2 agents: `, `"twin" means 2 agents: `},
		{"t1", "is not being served", "t1"},
		{dirs["new"], "the agent in " + dirs["new"] + " is not being served", "fresh"},
		{"nobody", `there is no local agent "nobody"`, `there is no local agent "nobody"`},
	}
	for _, tt := range tests {
		if got := outcome(agents.FindServed(tt.ref)); !strings.Contains(got, tt.served) {
			t.Errorf("FindServed(%q) = %s, want %s", tt.ref, got, tt.served)
		}
		if got := outcome(agents.Find(tt.ref)); !strings.Contains(got, tt.any) {
			t.Errorf("Find(%q) = %s, want %s", tt.ref, got, tt.any)
		}
	}
	var ambiguous *local.AmbiguousError
	if _, err := agents.Find("twin"); !errors.As(err, &ambiguous) {
		t.Errorf("two agents of one name: %v", err)
	}
	if live := agents.Served(); len(live) != 1 || live[0].URL != "http://localhost:8000" || live[0].Name != "My Live" {
		t.Errorf("served: %+v", live)
	}
}

func TestFindInTheWorkingDirectory(t *testing.T) {
	agents, dirs := machine(t)
	t.Chdir(dirs["gone"])
	if got := outcome(agents.Find("")); got != "gone" {
		t.Errorf("in the folder of Gone: %s", got)
	}
	t.Chdir(dirs["new"])
	if got := outcome(agents.Find("")); got != "fresh" {
		t.Errorf("in a folder that was never served: %s", got)
	}
	if got := outcome(agents.FindServed("")); !strings.Contains(got, "the agent in this folder is not being served") {
		t.Errorf("to call it: %s", got)
	}
	t.Chdir(t.TempDir())
	stopped := agents[1:]
	if got := outcome(stopped.Find("")); !strings.Contains(got, "there are 4 agents on this machine: name one of ") {
		t.Errorf("elsewhere: %s", got)
	}
	if got := outcome(stopped[:1].Find("")); got != stopped[0].ID {
		t.Errorf("the only one: %s", got)
	}
	if got := outcome(local.Agents{}.Find("")); !strings.Contains(got, "no agent was ever served") {
		t.Errorf("none: %s", got)
	}
	if got := outcome(stopped.FindServed("")); !strings.Contains(got, "no agent is being served") {
		t.Errorf("none served: %s", got)
	}
}

// outcome is the ID of what was found, else the error.
func outcome(a *local.Agent, err error) string {
	if err != nil {
		return err.Error()
	}
	return a.ID
}
