package app

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/runagent/runagent/internal/agent"
	"github.com/runagent/runagent/internal/deploy"
	"github.com/runagent/runagent/internal/instance"
)

// TestProblemsAreRelativeToTheFolder whichever way the folder was named.
func TestProblemsAreRelativeToTheFolder(t *testing.T) {
	parent := t.TempDir()
	dir := filepath.Join(parent, "agent")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		agent.ManifestName: "{\n \"agent_nme\": \"A\"\n}", ".env": "A=1\nnonsense\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(dir, filepath.Join(parent, "link")); err != nil {
		t.Fatal(err)
	}
	real, err := filepath.EvalSymlinks(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(parent)
	for _, named := range []string{"agent", dir, "link", "./agent/../agent"} {
		s := &service{o: ServeOptions{Dir: named}}
		_, manifest := agent.Load(named, agent.LoadOptions{})
		_, dotEnv := agent.ReadDotEnv(filepath.Join(real, ".env"))
		rev := &deploy.Revision{Agent: &agent.Agent{Dir: real}}
		for _, tt := range []struct {
			err  error
			file string
			line int
		}{
			{manifest, agent.ManifestName, 1},
			{fmt.Errorf("read: %w", dotEnv), ".env", 2},
			{&instance.ImportError{File: filepath.Join(real, "pkg", "main.py"), Line: 7}, "pkg/main.py", 7},
			{&instance.ImportError{File: "/elsewhere/lib.py", Line: 8}, "/elsewhere/lib.py", 8},
			{&instance.ImportError{}, "", 0},
		} {
			found := s.problems(t.Context(), rev, tt.err)
			if len(found) == 0 || found[0].File != tt.file || found[0].Line != tt.line {
				t.Errorf("serve %s: %v is told as %+v, want %s:%d", named, tt.err, found, tt.file, tt.line)
			}
		}
	}
}
