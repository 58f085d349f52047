package platform

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/runagent/runagent/api"
	"github.com/runagent/runagent/internal/agent"
	"github.com/runagent/runagent/internal/app/engine"
	"github.com/runagent/runagent/internal/bundle"
	"github.com/runagent/runagent/internal/deploy"
	"github.com/runagent/runagent/internal/fault"
	"github.com/runagent/runagent/internal/instance"
	"github.com/runagent/runagent/internal/invocation"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// engineRoom is a machine on which every revision starts, unless it is told
// otherwise, and every call succeeds.
type engineRoom struct {
	mu       sync.Mutex // guards all that follows
	startErr error
	during   func()                // called in each Invoke, if it is not nil
	used     func(revision string) // told of each look at what one does, if it is not nil
}

func (e *engineRoom) Build(context.Context, *deploy.Revision) (deploy.Environment, error) {
	return deploy.Environment{Key: "k"}, nil
}

func (e *engineRoom) Start(context.Context, *deploy.Revision) ([]agent.Callable, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return []agent.Callable{{Tag: "main"}}, e.startErr
}

func (e *engineRoom) Drain(context.Context, *deploy.Revision) {}

func (e *engineRoom) Usage(revision string) (instance.Usage, bool) {
	e.mu.Lock()
	used := e.used
	e.mu.Unlock()
	if used != nil {
		used(revision)
	}
	return instance.Usage{Instances: 1, Wanted: 1, SyncSlots: 64, AsyncSlots: 1000}, true
}

func (e *engineRoom) Resize(string, int) {}

func (e *engineRoom) InstanceMemory(string) int64 { return 0 }

func (e *engineRoom) Warm(*deploy.Revision) bool { return false }

func (e *engineRoom) Invoke(context.Context, invocation.Call, func(invocation.Event) error) (invocation.Result, error) {
	e.mu.Lock()
	during := e.during
	e.mu.Unlock()
	if during != nil {
		during()
	}
	return invocation.Result{Start: invocation.Hot}, nil
}

// house is a platform whose machine starts nothing.
type house struct {
	*service
	t    *testing.T
	room *engineRoom
}

func newHouse(t *testing.T) *house {
	t.Helper()
	h := &house{t: t, room: &engineRoom{}}
	h.enter(t.TempDir())
	t.Cleanup(func() { h.stop(context.Background()) })
	return h
}

// enter starts the platform on a data folder.
func (h *house) enter(data string) {
	h.t.Helper()
	h.service = newService(Options{
		Data: data, Log: slog.New(slog.DiscardHandler), DrainTimeout: time.Minute, ShutdownTimeout: time.Minute, Idle: time.Hour,
	})
	h.trouble = func(string) error { return nil }
	if err := h.open(h.t.Context()); err != nil {
		h.t.Fatal(err)
	}
	h.logs = engine.NewLogbook(h.history, func(invocation.LogLine) {})
	h.conduct(h.room, func() {})
	if err := h.scale(h.t.Context(), h.room); err != nil {
		h.t.Fatal(err)
	}
	if _, err := h.restore(h.t.Context()); err != nil {
		h.t.Fatal(err)
	}
}

// directory is where calls are sent.
func (h *house) directory() directory { return directory{&h.traffic, h.state, h.visit} }

// again is a restart, after an end that let nothing end.
func (h *house) again() {
	h.t.Helper()
	h.stop(context.Background())
	h.enter(h.o.Data)
}

// upload stores the bundle of an agent and returns its digest. more are fields
// of the manifest.
func (h *house) upload(name, more string) string {
	h.t.Helper()
	dir := h.t.TempDir()
	manifest := fmt.Sprintf(`{"agent_name": %q, %s "agent_architecture": {"entrypoints": [{"file": "main.py", "module": "main", "tag": "main"}]}}`, name, more)
	for file, text := range map[string]string{"runagent.config.json": manifest, "main.py": "def main(): pass\n"} {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
			h.t.Fatal(err)
		}
	}
	var out bytes.Buffer
	sum, err := bundle.Pack(h.t.Context(), dir, &out, bundle.PackOptions{})
	if err != nil {
		h.t.Fatal(err)
	}
	if _, err := h.StoreBundle(h.t.Context(), sum.Digest, 0, &out); err != nil {
		h.t.Fatal(err)
	}
	return sum.Digest
}

// await follows a deploy to its end.
func (h *house) await(rev api.Revision, err error) api.Revision {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(err)
	}
	var end *api.Revision
	err = h.FollowDeploy(h.t.Context(), rev.AgentID, rev.ID, func(e api.DeployEvent) error {
		end = e.Revision
		return nil
	})
	if err != nil || end == nil {
		h.t.Fatalf("no end was told: %v", err)
	}
	return *end
}

func (h *house) deploy(slug, digest string, env map[string]string) api.Revision {
	h.t.Helper()
	return h.await(h.Deploy(h.t.Context(), slug, api.DeployRequest{Digest: digest, Env: env}))
}

func TestADeployTellsItsSteps(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	rev := h.deploy("bot", h.upload("Bot", ""), nil)
	var steps []string
	err := h.FollowDeploy(t.Context(), rev.AgentID, rev.ID, func(e api.DeployEvent) error {
		steps = append(steps, e.Step)
		return nil
	})
	if got := strings.Join(steps, " "); err != nil || got != "building starting probing switching ready" {
		t.Errorf("its steps are %q, %v", got, err)
	}
}

// TestAFailureThatCouldNotBeKeptIsTold has the disk so full that the database does
// not learn of it.
func TestAFailureThatCouldNotBeKeptIsTold(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	kept := h.deploy("bot", h.upload("Bot", ""), nil)
	h.progress.Begin(kept.ID)
	h.told(h.deployer.Live(kept.AgentID), errors.New("switch: the disk is full\nand more"))
	end := h.await(kept, nil)
	if end.State != "failed" || end.Error != "switch: the disk is full" || end.Traceback != "and more" {
		t.Errorf("told of %+v", end)
	}
}

// TestFirstDeploysAtOnceAreOfOneAgent has several who don't know each other deploy
// what the platform has not seen before.
func TestFirstDeploysAtOnceAreOfOneAgent(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	digest := h.upload("Bot", "")
	errs := make(chan error)
	const n = 16
	for range n {
		go func() {
			_, err := h.Deploy(t.Context(), "bot", api.DeployRequest{Digest: digest})
			errs <- err
		}()
	}
	for range n {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	h.deploys.Wait()
	if revs, err := h.Revisions(t.Context(), "bot"); err != nil || len(revs) != n {
		t.Errorf("%d revisions, %v", len(revs), err)
	}
}

// states are those of the agent's revisions, newest first.
func (h *house) states(ref string) string {
	h.t.Helper()
	revs, err := h.Revisions(h.t.Context(), ref)
	if err != nil {
		h.t.Fatal(err)
	}
	var list []string
	for _, r := range revs {
		list = append(list, fmt.Sprintf("%d=%s:%d", r.Number, r.State, r.Percent))
	}
	return strings.Join(list, " ")
}

func (h *house) code() int {
	h.t.Helper()
	return len(strings.Fields(inside(h.t, h.folders.Codes())))
}

// inside lists a folder.
func inside(t *testing.T, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return strings.Join(names, " ")
}

func TestDeployRollbackAndRestart(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	digest := h.upload("My Bot", "")
	one := h.deploy("my-bot", digest, nil)
	if one.State != "ready" || one.Percent != 100 || one.Timings == nil || one.ServedAt == nil {
		t.Errorf("%+v", one)
	}
	if two := h.deploy("my-bot", digest, nil); two.Number != 2 || two.AgentID != one.AgentID {
		t.Errorf("%+v", two)
	}
	if got := h.states("My Bot"); got != "2=ready:100 1=retired:0" {
		t.Errorf("states %s", got)
	}
	h.await(h.Rollback(t.Context(), "my-bot", api.RollbackRequest{}))
	h.again()
	if got := h.states("my-bot"); got != "2=retired:0 1=ready:100" || h.code() != 1 {
		t.Errorf("after a restart: states %s, %d folders of code", got, h.code())
	}
	target, err := h.traffic.Target(t.Context(), invocation.Route{Agent: "my-bot"})
	if err != nil || target.Revision != one.ID || len(target.Callables) != 1 {
		t.Errorf("%+v, %v", target, err)
	}
	if d, err := h.Describe(t.Context(), "my-bot"); err != nil || d.State != sleeping || d.Checks[0].Status != api.Healthy {
		t.Errorf("%+v, %v", d, err)
	}
	for revision, code := range map[string]fault.Code{"1": fault.Conflict, "9": fault.NotFound} {
		if _, err := h.Rollback(t.Context(), "my-bot", api.RollbackRequest{Revision: revision}); fault.CodeOf(err) != code {
			t.Errorf("rollback to %s: %v", revision, err)
		}
	}
}

func TestADeployThatFailsSaysWhy(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	digest := h.upload("Bot", "")
	h.deploy("bot", digest, nil)
	h.room.mu.Lock()
	h.room.startErr = &instance.ImportError{Type: "NameError", Message: "x", Traceback: "Traceback:\n  here", File: "main.py", Line: 3}
	h.room.mu.Unlock()
	rev := h.deploy("bot", digest, nil)
	if rev.State != "failed" || rev.Error != "start: main.py:3: NameError: x" || rev.Traceback != "Traceback:\n  here" {
		t.Errorf("%+v", rev)
	}
	if got := h.states("bot"); got != "2=failed:0 1=ready:100" || h.code() != 1 {
		t.Errorf("states %s, %d folders of code", got, h.code())
	}
	if _, err := h.Rollback(t.Context(), "bot", api.RollbackRequest{Revision: "2"}); fault.CodeOf(err) != fault.Conflict {
		t.Errorf("got %v", err)
	}
	first := h.upload("Other", "")
	h.deploy("other", first, nil)
	if _, err := h.directory().Target(t.Context(), invocation.Route{Agent: "other"}); fault.CodeOf(err) != fault.AgentUnavailable {
		t.Errorf("got %v", err)
	}
	if d, err := h.Describe(t.Context(), "other"); err != nil || d.State != undeployed {
		t.Errorf("%+v, %v", d, err)
	}
	if _, err := h.StartAgent(t.Context(), "other"); fault.CodeOf(err) != fault.Conflict {
		t.Errorf("got %v", err)
	}
}

func TestDeployRefuses(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.deploy("bot", h.upload("Bot", `"agent_id": "one",`), nil)
	h.deploy("plain", h.upload("Plain", ""), nil)
	tests := map[string]struct {
		slug, digest string
		code         fault.Code
		says         string
	}{
		"no digest":            {"bot", "x", fault.Validation, "not a digest"},
		"unknown bundle":       {"bot", "sha256:" + strings.Repeat("0", 64), fault.NotFound, "is not here"},
		"of another agent":     {"cat", h.upload("Bot", `"agent_id": "one",`), fault.Validation, `is of agent "bot"`},
		"another's ID":         {"cat", h.upload("Cat", `"agent_id": "one",`), fault.Conflict, "has another name"},
		"another's name":       {"bot", h.upload("Bot", `"agent_id": "two",`), fault.Conflict, "taken by another agent"},
		"a name in other case": {"plain", h.upload("PLAIN", ""), fault.Conflict, "taken by another agent"},
		"a missing variable":   {"bot", h.upload("Bot", `"agent_id": "one", "env_vars": {"A": "${B}"},`), fault.Validation, "B"},
		"a broken manifest":    {"bot", h.upload("Bot", `"agnt_id": "one",`), fault.Validation, "agnt_id"},
	}
	for name, tt := range tests {
		_, err := h.Deploy(t.Context(), tt.slug, api.DeployRequest{Digest: tt.digest})
		if fault.CodeOf(err) != tt.code || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if h.code() != 2 {
		t.Errorf("%d folders of code, want those of the two that serve", h.code())
	}
}

func TestStopStartDelete(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	rev := h.deploy("bot", h.upload("Bot", `"env_vars": {"A": "${B}"},`), map[string]string{"B": "1"})
	if err := h.StopAgent(t.Context(), "bot"); err != nil {
		t.Fatal(err)
	}
	if _, err := h.directory().Target(t.Context(), invocation.Route{Agent: "bot"}); fault.CodeOf(err) != fault.AgentUnavailable || !strings.Contains(err.Error(), "is stopped") {
		t.Errorf("got %v", err)
	}
	h.again()
	if d, err := h.Describe(t.Context(), "bot"); err != nil || d.State != stopped {
		t.Errorf("%+v, %v", d, err)
	}
	if back := h.await(h.StartAgent(t.Context(), "bot")); back.ID != rev.ID || back.State != "ready" {
		t.Errorf("%+v", back)
	}
	if again := h.await(h.StartAgent(t.Context(), "bot")); again.ID != rev.ID {
		t.Errorf("%+v", again)
	}
	data := filepath.Join(h.o.Data, "data", rev.AgentID)
	if err := os.MkdirAll(data, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := h.DeleteAgent(t.Context(), "bot"); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Describe(t.Context(), "bot"); fault.CodeOf(err) != fault.AgentNotFound {
		t.Errorf("got %v", err)
	}
	h.stop(context.Background())
	if _, err := os.Stat(data); !errors.Is(err, os.ErrNotExist) || h.code() != 0 {
		t.Errorf("its data is still there: %v; %d folders of code", err, h.code())
	}
	h.enter(h.o.Data)
}

// TestWhatCallsStoreStaysUntilTheyEnd deletes an agent in the midst of a call: to
// what serves, to what was stopped before, and to what was called by name.
func TestWhatCallsStoreStaysUntilTheyEnd(t *testing.T) {
	t.Parallel()
	for _, which := range []string{"serves", "stopped", "named"} {
		h := newHouse(t)
		digest := h.upload("Bot", "")
		rev := h.deploy("bot", digest, nil)
		if which == "named" {
			h.deploy("bot", digest, nil)
			h.dismiss(rev.ID)
		}
		data := filepath.Join(h.o.Data, "data", rev.AgentID)
		if err := os.MkdirAll(data, 0o700); err != nil {
			t.Fatal(err)
		}
		h.room.mu.Lock()
		h.room.during = func() {
			if which == "stopped" {
				if err := h.StopAgent(t.Context(), "bot"); err != nil {
					t.Error(err)
				}
			}
			if err := h.DeleteAgent(t.Context(), "bot"); err != nil {
				t.Error(err)
			}
			if _, err := os.Stat(data); err != nil {
				t.Errorf("%s: %v", which, err)
			}
		}
		h.room.mu.Unlock()
		target, err := h.directory().Target(t.Context(), invocation.Route{Agent: "bot", Revision: rev.ID})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := h.standby.Invoke(t.Context(), invocation.Call{Revision: target.Revision}, nil); err != nil {
			t.Error(err)
		}
		h.stop(context.Background())
		if _, err := os.Stat(data); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: its data is still there: %v", which, err)
		}
		h.enter(h.o.Data)
	}
}

// dismiss waits until a revision that was replaced has gone.
func (h *house) dismiss(revision string) {
	h.t.Helper()
	h.standby.NoMoreCalls()
	for h.standby.Has(revision) {
		runtime.Gosched()
	}
}

func TestOneAgentThatIsLostLeavesTheOthers(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	lost, kept := h.upload("Lost", ""), h.upload("Kept", "")
	h.deploy("lost", lost, nil)
	h.deploy("kept", kept, nil)
	for _, rev := range h.traffic.Live() {
		if err := os.RemoveAll(h.folders.Code(rev.ID)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Remove(h.folders.Bundle(lost)); err != nil {
		t.Fatal(err)
	}
	h.again()
	if _, err := h.traffic.Target(t.Context(), invocation.Route{Agent: "kept"}); err != nil {
		t.Error(err)
	}
	if _, err := h.directory().Target(t.Context(), invocation.Route{Agent: "lost"}); fault.CodeOf(err) != fault.AgentUnavailable {
		t.Errorf("got %v", err)
	}
	if d, err := h.Describe(t.Context(), "lost"); err != nil || !strings.Contains(d.Checks[0].Message, "did not bring it back") {
		t.Errorf("%+v, %v", d, err)
	}
	h.room.startErr = errors.New("not now")
	if err := h.wakeFirst(t.Context(), h.traffic.Live()); err != nil {
		t.Error(err)
	}
	if d, err := h.Describe(t.Context(), "kept"); err != nil || d.Checks[0].Status != api.Degraded {
		t.Errorf("%+v, %v", d, err)
	}
}

func TestVariablesThatNoProcessCanHave(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	digest := h.upload("bot", "")
	for name, value := range map[string]string{"": "x", "A=B": "x", "A B": "x", "1A": "x", "A": "x\x00y"} {
		_, err := h.Deploy(t.Context(), "bot", api.DeployRequest{Digest: digest, Env: map[string]string{name: value}})
		if f := fault.As(err); f == nil || f.Code != fault.Validation || f.Field != "env" {
			t.Errorf("%q=%q: %v", name, value, err)
		}
	}
	if rev := h.deploy("bot", digest, map[string]string{"A_1": "é", "B": ""}); rev.Number != 1 || rev.State != "ready" {
		t.Errorf("got %+v", rev)
	}
}
