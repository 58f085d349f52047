package python

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/runagent/runagent/internal/agent"
)

// fakeShim writes an inspect_source.py with the given body and returns its root.
func fakeShim(t testing.TB, body string) string {
	t.Helper()
	root := t.TempDir()
	write(t, filepath.Join(root, "runagent_shim", "inspect_source.py"), body)
	return root
}

func TestInspectorAsksTheScript(t *testing.T) {
	t.Parallel()
	root := fakeShim(t, `
import json, sys
request = json.load(sys.stdin)
assert request["imports"] is True, request
found = [{"tag": e["tag"], "file": e["file"], "ok": True, "kind": "function", "line": 3} for e in request["entrypoints"]]
json.dump({"entrypoints": found, "imports": ["json", request["dir"]], "python": "3"}, sys.stdout)
`)
	x := NewInspector(system(t).Path, root)
	entrypoints := []agent.Entrypoint{{Tag: "main", File: "a.py", Module: "f"}, {Tag: "hook", WebhookURL: "http://127.0.0.1/x"}}
	found, err := x.Look(t.Context(), "/agent", entrypoints, true)
	if err != nil {
		t.Fatal(err)
	}
	if len(found.Entrypoints) != 1 || found.Entrypoints[0].Tag != "main" || found.Entrypoints[0].Line != 3 {
		t.Errorf("entrypoints = %+v, want main alone", found.Entrypoints)
	}
	list, err := x.FirstList(t.Context(), "/agent", entrypoints)
	if err != nil || !slices.Equal(list.Modules, []string{"json", "/agent"}) || !slices.Equal(list.Wanted(), []string{"json"}) {
		t.Errorf("FirstList = %+v, %v", list, err)
	}
}

func TestInspectorSaysWhatFailed(t *testing.T) {
	t.Parallel()
	python := system(t).Path
	for name, c := range map[string]struct{ body, says string }{
		"raises":  {"import sys\nsys.stdin.read()\nraise ValueError('bad tree')", "ValueError: bad tree"},
		"no JSON": {"print('hello')", "read the answer"},
		"no file": {"", "unexpected end of JSON"},
		"stuck":   {"import time\nwhile True: time.sleep(1)", "took too long"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			x := NewInspector(python, fakeShim(t, c.body))
			if name == "stuck" {
				x.timeout = 100 * time.Millisecond
			}
			_, err := x.Look(t.Context(), "/agent", nil, false)
			if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("err = %v, want it to say %q", err, c.says)
			}
		})
	}
}

func TestCappedDropsTheRest(t *testing.T) {
	t.Parallel()
	c := &capped{limit: 5}
	for _, part := range []string{"abc", "def", "ghi"} {
		if n, err := c.Write([]byte(part)); n != 3 || err != nil {
			t.Errorf("Write = %d, %v", n, err)
		}
	}
	if c.String() != "abcde" || !c.cut {
		t.Errorf("kept %q, cut %v, want abcde, true", c.String(), c.cut)
	}
}
