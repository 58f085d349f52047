package intake

import (
	"archive/zip"
	"bytes"
	"context"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/runagent/runagent/api"
	"github.com/runagent/runagent/internal/bundle"
	"github.com/runagent/runagent/internal/fault"
)

const agentID = "11111111-2222-4333-8444-555555555555"

// house is a platform that keeps all in memory.
type house struct {
	bundles map[string][]byte
	secrets map[string]string
	said    []string
	there   bool
	state   string // how deploys end
}

func (h *house) StoreBundle(_ context.Context, digest string, _ int64, body io.Reader) (api.Bundle, error) {
	text, err := io.ReadAll(body)
	h.bundles[digest] = text
	return api.Bundle{Digest: digest}, err
}

func (h *house) Deploy(_ context.Context, agent string, req api.DeployRequest) (api.Revision, error) {
	h.said = append(h.said, "deploy "+agent)
	if h.bundles[req.Digest] == nil {
		return api.Revision{}, fault.New(fault.NotFound, "no bundle")
	}
	h.there = h.state == "ready"
	return api.Revision{ID: "r-1", AgentID: agent, State: "pending"}, nil
}

func (h *house) FollowDeploy(_ context.Context, agent, revision string, emit func(api.DeployEvent) error) error {
	return emit(api.DeployEvent{Revision: &api.Revision{ID: revision, AgentID: agent, State: h.state}})
}

func (h *house) StartAgent(_ context.Context, agent string) (api.Revision, error) {
	h.said = append(h.said, "start "+agent)
	return api.Revision{ID: "r-1", AgentID: agent, State: "ready"}, nil
}

func (h *house) Describe(context.Context, string) (*api.CompatStatus, error) {
	if !h.there {
		return nil, fault.New(fault.AgentNotFound, "not found")
	}
	return &api.CompatStatus{AgentID: agentID, Status: "running"}, nil
}

func (h *house) SetSecrets(_ context.Context, _ string, values map[string]string, gone []string) error {
	maps.Copy(h.secrets, values)
	for _, name := range gone {
		delete(h.secrets, name)
	}
	return nil
}

func newIntake(t *testing.T) (*Intake, *house) {
	t.Helper()
	h := &house{bundles: map[string][]byte{}, secrets: map[string]string{}, state: "ready"}
	x, err := New(Options{Platform: h, Dir: filepath.Join(t.TempDir(), "announced"), Limits: bundle.Limits{Files: 10, Bytes: 1 << 20}})
	if err != nil {
		t.Fatal(err)
	}
	return x, h
}

// archive is a zip of files by name.
func archive(t testing.TB, files map[string]string) io.Reader {
	t.Helper()
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		f, err := w.Create(name)
		if err == nil {
			_, err = io.WriteString(f, files[name])
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return &out
}

// published is an agent's folder.
func published(id string) map[string]string {
	return map[string]string{
		"runagent.config.json": `{"agent_id": "` + id + `", "agent_name": "A", "env_vars": {"MODE": "fast", "KEY": "${KEY}"},
			"agent_architecture": {"entrypoints": [{"file": "main.py", "module": "main", "tag": "main"}]}}`,
		"main.py": "def main(): pass\n", ".env": "TOKEN=hush\n", "__pycache__/main.pyc": "x",
	}
}

func announce(env map[string]string) api.CompatAnnouncement {
	return api.CompatAnnouncement{AgentID: agentID, Metadata: api.CompatMetadata{EnvVars: env}}
}

func TestAnAgentOfAPublishedClient(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	x, h := newIntake(t)
	if _, err := x.TakeZip(ctx, agentID, archive(t, published(agentID))); fault.CodeOf(err) != fault.Conflict {
		t.Errorf("an upload that was not announced: %v", err)
	}
	if err := x.Announce(ctx, announce(map[string]string{"TOKEN": "hush", "MODE": "fast", "KEY": "k", "EMPTY": ""})); err != nil {
		t.Fatal(err)
	}
	if _, err := x.TakeZip(ctx, agentID, archive(t, published(agentID))); err != nil {
		t.Fatal(err)
	}
	// What comes from .env is a secret, and not in the bundle.
	if got := slices.Sorted(maps.Keys(h.secrets)); !slices.Equal(got, []string{"KEY", "TOKEN"}) {
		t.Errorf("secrets %q", got)
	}
	for digest, packed := range h.bundles {
		to := t.TempDir()
		if _, err := bundle.Unpack(bytes.NewReader(packed), to, bundle.Limits{}); err != nil {
			t.Fatalf("%s: %v", digest, err)
		}
		found, err := os.ReadDir(to)
		if err != nil || len(found) != 2 {
			t.Errorf("the bundle holds %v, %v", found, err)
		}
	}
	if s, err := x.Status(ctx, agentID); err != nil || s.Status != "uploaded" {
		t.Errorf("%+v, %v", s, err)
	}
	// What failed is deployed when it is started again, and what serves is not.
	for _, state := range []string{"failed", "ready", "ready"} {
		h.state = state
		if rev, err := x.Launch(ctx, agentID); err != nil || rev.State != state {
			t.Errorf("%+v, %v", rev, err)
		}
	}
	if want := []string{"deploy " + agentID, "deploy " + agentID, "start " + agentID}; !slices.Equal(h.said, want) {
		t.Errorf("said %q, want %q", h.said, want)
	}
	// Then it is there, and replaced only on demand; what is in .env no more goes.
	if err := x.Announce(ctx, announce(nil)); fault.CodeOf(err) != fault.Conflict || !strings.Contains(err.Error(), "already exists") {
		t.Errorf("got %v", err)
	}
	again := announce(map[string]string{"OTHER": "o"})
	again.Overwrite = true
	if err := x.Announce(ctx, again); err != nil || len(h.secrets) != 1 || h.secrets["OTHER"] != "o" {
		t.Errorf("%v, secrets %v", err, h.secrets)
	}
	if err := x.Forget(agentID); err != nil {
		t.Error(err)
	}
}

func TestArchivesThatAreRefused(t *testing.T) {
	t.Parallel()
	x, h := newIntake(t)
	if err := x.Announce(t.Context(), announce(nil)); err != nil {
		t.Fatal(err)
	}
	with := func(name, text string) map[string]string {
		files := published(agentID)
		files[name] = text
		return files
	}
	many := published(agentID)
	for _, c := range "abcdefgh" {
		many[string(c)] = ""
	}
	for says, body := range map[string]io.Reader{
		"not a whole zip":         strings.NewReader("hello"),
		"does not stay inside":    archive(t, with("../x", "")),
		"more than 10 files":      archive(t, many),
		"larger than 1 MiB":       archive(t, with("zeros", strings.Repeat("\x00", 2<<20))),
		"id_rsa (by its name)":    archive(t, with("id_rsa", "")),
		"below what is no folder": archive(t, with("main.py/x", "")),
		"agent_id is \"other\"":   archive(t, published("other")),
		"runagent.config.json":    archive(t, map[string]string{"main.py": ""}),
	} {
		if _, err := x.TakeZip(t.Context(), agentID, body); fault.As(err) == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("got %v, want %q", err, says)
		}
	}
	if len(h.bundles) > 0 {
		t.Errorf("%d bundles were kept", len(h.bundles))
	}
	if left, err := filepath.Glob(filepath.Join(x.o.Dir, temporary+"*")); err != nil || len(left) > 0 {
		t.Errorf("left %q, %v", left, err)
	}
}
