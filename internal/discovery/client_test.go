package discovery_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/runagent/runagent/internal/discovery"
)

// clientPython names an interpreter that has the published client installed
// (pip install runagent==0.1.49).
const clientPython = "CLIENT_PYTHON"

const (
	createTheirs = `
from runagent.sdk.db import DBService
print(DBService().add_agent(agent_id="theirs", agent_path="/theirs", host="127.0.0.1", port=8455, framework="default"))
`
	findOurs = `
import json
from runagent import RunAgentClient
from runagent.sdk.db import DBService
c = RunAgentClient(agent_id="a1", entrypoint_tag="main", local=True)
print("FOUND", json.dumps({"host": c.agent_host, "port": c.agent_port, "agents": len(DBService().list_agents())}))
`
)

func TestPublishedPythonClientFindsAgents(t *testing.T) {
	t.Parallel()
	python := os.Getenv(clientPython)
	if python == "" {
		t.Skipf("%s names no interpreter with the published client", clientPython)
	}
	for name, theirsFirst := range map[string]bool{"file_of_theirs": true, "file_of_ours": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			run := func(script string) string {
				cmd := exec.Command(python, "-c", script)
				cmd.Env = append(os.Environ(), "RUNAGENT_CACHE_DIR="+dir, "HOME="+dir)
				out, err := cmd.CombinedOutput()
				if err != nil {
					t.Fatalf("%v\n%s", err, out)
				}
				return string(out)
			}
			if theirsFirst {
				run(createTheirs)
			}
			d := open(t, filepath.Join(dir, discovery.FileName))
			announce(t, d, row("a1", 8450))
			if !theirsFirst {
				run(createTheirs)
			}
			out := run(findOurs)
			var found struct {
				Host         string
				Port, Agents int
			}
			_, answer, _ := strings.Cut(out, "FOUND ")
			if err := json.NewDecoder(strings.NewReader(answer)).Decode(&found); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			if found.Host != "127.0.0.1" || found.Port != 8450 || found.Agents != 2 {
				t.Errorf("the client finds %+v, want our agent at 127.0.0.1:8450, of 2", found)
			}
			announce(t, d, row("a1", 8470)) // the client's connections must not be in the way
			want(t, d, "a1", 8470)
			rows, err := d.Find(t.Context(), "theirs")
			if err != nil || len(rows) != 1 || rows[0].Port != 8455 || rows[0].CreatedAt.IsZero() {
				t.Errorf("Find(theirs) = %+v, %v, want what the client wrote", rows, err)
			}
		})
	}
}
