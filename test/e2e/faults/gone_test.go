package faults

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/runagent/runagent/test/served"
)

// TestAFolderThatGoesAwayKeepsServing moves the folder aside and back. An
// instance that dies meanwhile is replaced: its code is that of the snapshot.
func TestAFolderThatGoesAwayKeepsServing(t *testing.T) {
	t.Parallel()
	agent := serveVersion(t)
	aside := agent.Dir + ".aside"
	if err := os.Rename(agent.Dir, aside); err != nil {
		t.Fatal(err)
	}
	wantHealth(t, agent, "degraded", agent.Dir)
	wantReplacement(t, agent)
	if err := os.Rename(aside, agent.Dir); err != nil {
		t.Fatal(err)
	}
	agent.Write("main.py", version(2))
	wantVersion(t, agent, 2)
	wantHealth(t, agent, "healthy")
}

// wantReplacement kills the instance and checks that one comes which can't
// enter the folder, says so, and answers with the code that was there.
func wantReplacement(t *testing.T, agent *served.Agent) {
	t.Helper()
	before := wantFine(t, agent)
	served.Kill(t, before)
	agent.WaitOutput(`instance \S+ ended: it was killed by signal 9`)
	got := wantAnswer(t, agent.Invoke("fine", nil))
	if got.Get("version") != 1.0 || got.Get("pid") == float64(before) {
		t.Errorf("got %s, want version 1 from another process than %d", got.Result, before)
	}
	agent.WaitOutput(`can't be entered`)
}

// TestADeletedFolderKeepsServing until it is made again.
func TestADeletedFolderKeepsServing(t *testing.T) {
	t.Parallel()
	agent := serveVersion(t)
	manifest, err := os.ReadFile(filepath.Join(agent.Dir, "runagent.config.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(agent.Dir); err != nil {
		t.Fatal(err)
	}
	wantHealth(t, agent, "degraded", agent.Dir)
	wantReplacement(t, agent)
	if err := os.Mkdir(agent.Dir, 0o755); err != nil {
		t.Fatal(err)
	}
	agent.Write("main.py", version(2))
	agent.Write("runagent.config.json", string(manifest))
	wantVersion(t, agent, 2)
	wantHealth(t, agent, "healthy")
}

// TestAFolderThatCanNotBeReadKeepsServing takes away the right to read it. Root
// has that right always, so the server runs without root's.
func TestAFolderThatCanNotBeReadKeepsServing(t *testing.T) {
	t.Parallel()
	var wrap []string
	if os.Geteuid() == 0 {
		wrap = []string{"setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-dac_override,-dac_read_search"}
		if _, err := exec.LookPath(wrap[0]); err != nil {
			t.Skip("root may read everything, and there is no setpriv to change that")
		}
	}
	agent := serveWith(t, served.Options{Dir: versioned(t), Wrap: wrap})
	wantVersion(t, agent, 1)
	if err := os.Chmod(agent.Dir, 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Chmod(agent.Dir, 0o755) }) // it may be done already
	wantHealth(t, agent, "degraded", "runagent.config.json", "permission denied")
	wantReplacement(t, agent)
	if err := os.Chmod(agent.Dir, 0o755); err != nil {
		t.Fatal(err)
	}
	agent.Write("main.py", version(2))
	wantVersion(t, agent, 2)
	wantHealth(t, agent, "healthy")
}
