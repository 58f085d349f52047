// Package clients lets published clients call the real binary.
package clients

import (
	"os"
	"os/exec"
	"strconv"
	"testing"

	"github.com/runagent/runagent/test/pythonenv"
	"github.com/runagent/runagent/test/served"
)

// publishedClient is the client that must work as it is.
const publishedClient = "runagent==0.1.49"

// TestPublishedPythonClient calls the echo agent with the published client.
func TestPublishedPythonClient(t *testing.T) {
	t.Parallel()
	python := pythonenv.For(t, publishedClient)
	agent := served.Start(t, served.Options{Sample: "echo"})

	runClient(t, python, t.TempDir(), agent.ID, "127.0.0.1", strconv.Itoa(agent.Port()))
}

// runClient runs all checks of python.py.
func runClient(t *testing.T, python, cacheDir string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), python, append([]string{"testdata/python.py"}, args...)...)
	cmd.Env = clientEnv(cacheDir)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// clientEnv keeps the client away from this user's own files.
func clientEnv(cacheDir string) []string {
	return append(os.Environ(), "RUNAGENT_CACHE_DIR="+cacheDir, "HOME="+cacheDir)
}
