package engine

import (
	"fmt"
	"log/slog"
	"os/exec"
	"testing"

	"github.com/runagent/runagent/internal/agent"
	"github.com/runagent/runagent/internal/deploy"
	"github.com/runagent/runagent/shim"
)

// newTestEngine returns an engine that runs the machine's own Python.
func newTestEngine(t *testing.T) *Engine {
	t.Helper()
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("no python3 on PATH")
	}
	home := t.TempDir()
	root, err := shim.Extract(home)
	if err != nil {
		t.Fatal(err)
	}
	b, _ := newTestLogbook(t, newPath(t))
	e := New(Options{Home: home, Shim: root, Environ: []string{"PATH=/usr/bin:/bin"}, Python: python, Instances: 1, Deployed: true, Logs: b, Log: slog.New(slog.DiscardHandler)})
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return e
}

func TestTrimKeepsTheZygotesUsedLast(t *testing.T) {
	t.Parallel()
	e := newTestEngine(t)
	var revs []*deploy.Revision
	for i := range 4 {
		m := &agent.Manifest{Entrypoints: []agent.Entrypoint{{File: "main.py", Module: "main", Tag: "main"}}}
		rev := &deploy.Revision{ID: fmt.Sprint("r", i), Agent: &agent.Agent{ID: fmt.Sprint("a", i), Dir: t.TempDir(), Manifest: m}}
		env, err := e.Build(t.Context(), rev)
		if err != nil {
			t.Fatal(err)
		}
		rev.Environment = env
		if e.Warm(rev) {
			t.Errorf("%s is warm before it was ever started", rev.ID)
		}
		e.envs.zygotes(rev)
		revs = append(revs, rev)
	}
	e.envs.zygotes(revs[1]) // used again
	// r0 is needed, one more may stay: the one used last.
	e.TrimZygotes(revs[:1], 1)
	kept := ""
	for _, rev := range revs {
		key, _ := e.envs.keeperKey(rev, e.envs.interpreter(rev))
		if e.envs.keepers[key] != nil {
			kept += rev.ID + " "
		}
	}
	if kept != "r0 r1 " {
		t.Errorf("kept the zygotes of %s, want r0 and r1", kept)
	}
}

func TestVariables(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]bool{"OPENAI_API_KEY": true, "db_password": true, "MOOD": false, "Token": true} {
		if LooksSecret(name) != want {
			t.Errorf("LooksSecret(%s) = %v", name, !want)
		}
	}
	if v, ok := Lookup([]string{"A=1", "AB=2", "A=3"}, "A"); !ok || v != "3" {
		t.Errorf("%q, %v", v, ok)
	}
	if _, ok := Lookup([]string{"AB=2"}, "A"); ok {
		t.Error("found a variable that is not there")
	}
}
