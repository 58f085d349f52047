package clients

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/runagent/runagent/test/pythonenv"
	"github.com/runagent/runagent/test/served"
)

// TestPublishedPythonClientFindsAgents gives the client no address: it looks
// the agent up in the local database.
func TestPublishedPythonClientFindsAgents(t *testing.T) {
	t.Parallel()
	python := pythonenv.For(t, publishedClient)
	agent := served.Start(t, served.Options{Sample: "echo"})
	runClient(t, python, agent.Home, agent.ID)
}

// TestPublishedClientMadeTheDatabase serves where the published client has
// been before: its file must keep working for both.
func TestPublishedClientMadeTheDatabase(t *testing.T) {
	t.Parallel()
	python := pythonenv.For(t, publishedClient)
	home := t.TempDir()
	create := exec.Command(python, "-c", `
from runagent import RunAgentClient
RunAgentClient(agent_id="x", entrypoint_tag="main", local=True, host="127.0.0.1", port=1)`)
	create.Env = clientEnv(home)
	if out, err := create.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if _, err := os.Stat(filepath.Join(home, "runagent_local.db")); err != nil {
		t.Fatalf("the client made no database: %v", err)
	}
	agent := served.Start(t, served.Options{Sample: "echo", Home: home})
	runClient(t, python, home, agent.ID)
}
