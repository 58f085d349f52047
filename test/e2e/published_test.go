package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/runagent/runagent/test/pythonenv"
)

// publishedManifest is an agent's as the published CLI writes it.
const publishedManifest = `{
  "agent_id": "11111111-2222-4333-8444-555555555555", "agent_name": "Published", "description": "d", "framework": "default",
  "template": "default", "version": "1.0.0", "created_at": "2025-01-01T00:00:00", "template_source": {"repo_url": "https://x", "author": "a", "path": "p"},
  "env_vars": {"MODE": "fast"},
  "agent_architecture": {"entrypoints": [
    {"file": "main.py", "module": "main", "tag": "main"}, {"file": "main.py", "module": "items", "tag": "items_stream"},
    {"file": "main.py", "module": "told", "tag": "told"}]}}`

const publishedCode = `import os
def main(name):
    return f"Hello {name}"
def items(n):
    yield from range(n)
def told():
    return [os.environ.get("TOKEN"), os.environ.get("MODE")]
`

// publishedSetup is what "runagent setup" does once the key is typed.
const publishedSetup = `import os
from runagent import RunAgentSDK
RunAgentSDK().configure(api_key=os.environ["RUNAGENT_API_KEY"], base_url=os.environ["RUNAGENT_BASE_URL"])
`

const publishedCalls = `from runagent import RunAgentClient
from runagent.sdk.rest_client import RestClient
agent = "11111111-2222-4333-8444-555555555555"
def client(tag):
    return RunAgentClient(agent_id=agent, entrypoint_tag=tag, local=False)
assert client("main").run(name="Ada") == "Hello Ada"
assert client("told").run() == ["from-dot-env", "fast"], client("told").run()
assert list(client("items_stream").run(n=3)) == [0, 1, 2]
assert RestClient().get_agent_status(agent)["data"]["status"] == "running"
assert RestClient().get_local_db_limits()["unlimited"]
`

// TestPublishedCLIDeploys deploys with the published command line, which knows
// nothing of us but an address and a key, and calls what it has deployed.
func TestPublishedCLIDeploys(t *testing.T) {
	t.Parallel()
	python := pythonenv.For(t, "runagent==0.1.49")
	p := startPlatform(t)
	dir := filepath.Join(p.dir, "published")
	for name, text := range map[string]string{
		"runagent.config.json": publishedManifest, "main.py": publishedCode, ".env": "TOKEN=from-dot-env\n",
		"setup.py.txt": publishedSetup, "calls.py.txt": publishedCalls,
	} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	run := func(fails bool, says, program string, args ...string) {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), program, args...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "HOME="+p.dir, "RUNAGENT_CACHE_DIR="+filepath.Join(p.dir, "cache"), "RUNAGENT_BASE_URL="+p.url,
			"RUNAGENT_API_KEY="+p.key, "NO_COLOR=1")
		out, err := cmd.CombinedOutput()
		if (err != nil) != fails || !strings.Contains(string(out), says) {
			t.Fatalf("%v: %v, want %q in\n%s", args, err, says, out)
		}
	}
	cli := filepath.Join(filepath.Dir(python), "runagent")
	run(false, "", python, "setup.py.txt")
	run(false, "Registration Complete", cli, "config", "--register-agent", ".")
	run(false, "Deployment successful", cli, "deploy", ".")
	run(false, "", python, "calls.py.txt")
	run(false, "Deployment successful", cli, "deploy", "--overwrite", ".")

	// What came from .env is a secret here, and the manifest's own is not.
	out, err := p.command("secrets", "list").Output()
	if err != nil || !strings.Contains(string(out), "TOKEN") || strings.Contains(string(out), "MODE") {
		t.Errorf("%v\n%s", err, out)
	}
	p.runagent(t, "stop", "published")
	run(false, "started successfully", cli, "start", "--id", "11111111-2222-4333-8444-555555555555")
	run(false, "", python, "calls.py.txt")

	// Code that does not load is told, and what serves goes on.
	if err := os.WriteFile(filepath.Join(dir, "main.py"), []byte("import nothing_of_this_name\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	run(true, "ModuleNotFoundError", cli, "deploy", "--overwrite", ".")
	run(false, "", python, "calls.py.txt")
}
