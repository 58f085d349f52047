package agent_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/runagent/runagent/internal/agent"
)

// folder makes an agent's folder with the given files.
func folder(t testing.TB, files map[string]string) string {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestLoad(t *testing.T) {
	t.Parallel()
	dir := folder(t, map[string]string{agent.ManifestName: strings.Replace(good, `"Echo"`, `"My Écho"`, 1)})
	a, problems := agent.Load(dir, agent.LoadOptions{})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	if a.ID != agent.DeriveID(dir) || a.Name != "My Écho" || a.Slug != "my-echo" || a.Dir != dir {
		t.Errorf("got %+v", a)
	}
	for _, ref := range []string{a.ID, "my-echo", "My Écho"} {
		if !a.Is(ref) {
			t.Errorf("Is(%q) is false", ref)
		}
	}
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(dir, link); err != nil {
		t.Fatal(err)
	}
	for _, other := range []string{link, filepath.Join(dir, agent.ManifestName), dir + "/."} {
		b, problems := agent.Load(other, agent.LoadOptions{})
		if len(problems) > 0 || b.ID != a.ID || b.Dir != dir {
			t.Errorf("Load(%s): got %+v, %v", other, b, problems)
		}
	}
}

func TestLoadKeepsAgentID(t *testing.T) {
	t.Parallel()
	dir := folder(t, map[string]string{agent.ManifestName: strings.Replace(good, "{", `{"agent_id":"mailer",`, 1)})
	a, problems := agent.Load(dir, agent.LoadOptions{})
	if len(problems) > 0 || a.ID != "mailer" {
		t.Errorf("got %+v, %v", a, problems)
	}
}

func TestLoadSaysWhatIsMissing(t *testing.T) {
	t.Parallel()
	empty := folder(t, nil)
	near := folder(t, map[string]string{"runagent.conf.json": good})
	isFolder := folder(t, map[string]string{agent.ManifestName + "/x": ""})
	bad := folder(t, map[string]string{agent.ManifestName: "{"})
	for _, c := range []struct{ dir, want string }{
		{empty, "m.json: there is no manifest here; `runagent init` makes one"},
		{near, "m.json: there is no manifest here; `runagent init` makes one (did you mean \"runagent.conf.json\"?)"},
		{empty + "/no", "m.json: there is no folder " + empty + "/no"},
		{isFolder, "m.json: runagent.config.json is a folder"},
		{bad, "m.json:1:2: not JSON: unexpected end of file while parsing value"},
	} {
		a, problems := agent.Load(c.dir, agent.LoadOptions{Shown: "m.json"})
		if a != nil || problems.Error() != c.want {
			t.Errorf("got %+v and %q, want %q", a, problems.Error(), c.want)
		}
	}
}
