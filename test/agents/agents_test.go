// Package agents tests that the sample agents beside it are what their
// manifests say. The end-to-end tests serve them.
package agents

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

type manifest struct {
	AgentID      string `json:"agent_id"`
	AgentName    string `json:"agent_name"`
	Architecture struct {
		Entrypoints []entrypoint `json:"entrypoints"`
	} `json:"agent_architecture"`
}

type entrypoint struct {
	Tag, File, Module, Type string
}

// resolve imports each entrypoint's file as the shim would and prints, per
// line, what kind of callable it names.
const resolve = `
import importlib, inspect, json, sys
sys.dont_write_bytecode = True
sys.path.insert(0, ".")
for entry in json.load(sys.stdin):
    target = importlib.import_module(entry["File"][:-3].replace("/", "."))
    for name in entry["Module"].split("."):
        target = getattr(target, name)
    streams = inspect.isgeneratorfunction(target) or inspect.isasyncgenfunction(target)
    kind = "stream" if streams else "coroutine" if inspect.iscoroutinefunction(target) else "function"
    print(kind if callable(target) else "nothing")
`

func TestManifestsNameWhatIsThere(t *testing.T) {
	t.Parallel()
	for dir, m := range manifests(t) {
		t.Run(dir, func(t *testing.T) {
			t.Parallel()
			if m.AgentID != dir || m.AgentName != dir {
				t.Errorf("agent_id %q, agent_name %q: want both %q", m.AgentID, m.AgentName, dir)
			}
			seen := map[string]bool{}
			for _, e := range m.Architecture.Entrypoints {
				if seen[e.Tag] {
					t.Errorf("tag %q is there twice", e.Tag)
				}
				seen[e.Tag] = true
				if strings.HasSuffix(e.Tag, "_stream") != (e.Type == "generic_stream") {
					t.Errorf("tag %q has the type %q", e.Tag, e.Type)
				}
			}
			if hasRequirements(t, dir) {
				t.Skip("has requirements: imported by the end-to-end tests only")
			}
			checkKinds(t, m.Architecture.Entrypoints, importAll(t, dir, m))
		})
	}
}

func TestRequirementsArePinned(t *testing.T) {
	t.Parallel()
	pinned := regexp.MustCompile(`^[a-z0-9-]+==[0-9.]+(; .+)?$`)
	files, err := filepath.Glob("*/requirements.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("requirements: %v, %v", files, err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			if !pinned.MatchString(strings.TrimSpace(line)) {
				t.Errorf("%s: %q is not pinned", file, line)
			}
		}
	}
}

// TestValuesSayWhatTheyBecome keeps the table of the values agent honest:
// what it expects must itself be JSON.
func TestValuesSayWhatTheyBecome(t *testing.T) {
	t.Parallel()
	out := python(t, "values", `
import json, sys
sys.dont_write_bytecode = True
sys.path.insert(0, ".")
import main
print(json.dumps([main.expected(name) for name in main.expected()], allow_nan=False))
`, nil)
	var values []any
	if err := json.Unmarshal(out, &values); err != nil {
		t.Fatal(err)
	}
	if len(values) < 25 {
		t.Errorf("got %d values", len(values))
	}
}

// manifests returns the manifest of every sample agent, keyed by folder.
func manifests(t *testing.T) map[string]manifest {
	t.Helper()
	files, err := filepath.Glob("*/runagent.config.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("manifests: %v, %v", files, err)
	}
	found := map[string]manifest{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var m manifest
		if err := json.Unmarshal(text, &m); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		found[filepath.Dir(file)] = m
	}
	return found
}

func hasRequirements(t *testing.T, dir string) bool {
	t.Helper()
	_, err := os.Stat(filepath.Join(dir, "requirements.txt"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	return err == nil
}

// importAll returns the kind of callable behind each entrypoint.
func importAll(t *testing.T, dir string, m manifest) []string {
	t.Helper()
	list, err := json.Marshal(m.Architecture.Entrypoints)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Fields(string(python(t, dir, resolve, list)))
}

// checkKinds compares the manifest's types with the kinds of callables found.
func checkKinds(t *testing.T, entries []entrypoint, kinds []string) {
	t.Helper()
	if len(kinds) != len(entries) {
		t.Fatalf("got %d callables for %d entrypoints: %v", len(kinds), len(entries), kinds)
	}
	for i, e := range entries {
		fits := kinds[i] == "function"
		switch e.Type {
		case "generic_stream":
			fits = kinds[i] == "stream" || e.Tag == "list_stream" // a list is a stream too
		case "async":
			fits = kinds[i] == "coroutine"
		case "batch":
			fits = kinds[i] != "stream"
		}
		if !fits {
			t.Errorf("%s is of type %q but a %s", e.Tag, e.Type, kinds[i])
		}
	}
}

// python runs code in dir with the python3 there is and returns its output.
func python(t *testing.T, dir, code string, stdin []byte) []byte {
	t.Helper()
	cmd := exec.Command("python3", "-c", code)
	cmd.Dir, cmd.Stdin = dir, bytes.NewReader(stdin)
	var complaints bytes.Buffer
	cmd.Stderr = &complaints
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("python3 in %s: %v\n%s", dir, err, &complaints)
	}
	return out
}
