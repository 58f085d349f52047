package engine

import (
	"fmt"
	"log/slog"
	"testing"

	"github.com/runagent/runagent/internal/agent"
	"github.com/runagent/runagent/internal/deploy"
	"github.com/runagent/runagent/internal/runtime/python"
	"github.com/runagent/runagent/internal/sandbox"
)

// noProcesses is a driver under which nothing starts.
type noProcesses struct{ sandbox.Driver }

func (noProcesses) Capabilities() sandbox.Capabilities { return sandbox.Capabilities{} }

// newTestEnvironments are of agents that need no requirements; no process is
// started.
func newTestEnvironments(t *testing.T) *environments {
	t.Helper()
	home := t.TempDir()
	b, _ := newTestLogbook(t, newPath(t))
	e := newEnvironments(Options{Home: home, Deployed: true, Logs: b, Log: slog.New(slog.DiscardHandler)}, noProcesses{})
	e.built["k"] = &python.Interpreter{Path: "/nowhere/python", Version: python.Version{Major: 3, Minor: 11}}
	t.Cleanup(func() {
		if err := e.close(); err != nil {
			t.Error(err)
		}
	})
	return e
}

func TestTrimKeepsTheZygotesUsedLast(t *testing.T) {
	t.Parallel()
	e := newTestEnvironments(t)
	var revs []*deploy.Revision
	for i := range 4 {
		rev := &deploy.Revision{
			ID: fmt.Sprint("r", i), Environment: deploy.Environment{Key: "k"},
			Agent: &agent.Agent{ID: fmt.Sprint("a", i), Dir: t.TempDir(), Manifest: &agent.Manifest{}},
		}
		if e.zygotes(rev) == nil || e.warm(rev) {
			t.Errorf("%s is warm without a zygote", rev.ID)
		}
		revs = append(revs, rev)
	}
	e.zygotes(revs[1]) // used again
	// r0 is needed, one more may stay: the one used last.
	e.trim(revs[:1], 1)
	kept := ""
	for _, rev := range revs {
		key, _ := e.keeperKey(rev, e.interpreter(rev))
		if e.keepers[key] != nil {
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
