package state

import (
	"context"
	"errors"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/runagent/runagent/internal/agent"
	"github.com/runagent/runagent/internal/auth"
	"github.com/runagent/runagent/internal/bundle"
	"github.com/runagent/runagent/internal/deploy"
	"github.com/runagent/runagent/internal/fault"
	"github.com/runagent/runagent/internal/store/sqlite"
)

// fixture is a state in a file, whose clock goes on by a second each time it is read.
type fixture struct {
	*DB
	t    testing.TB
	path string
	at   time.Time
}

func newFixture(t testing.TB) *fixture {
	t.Helper()
	f := &fixture{t: t, path: filepath.Join(t.TempDir(), "state.db"), at: time.Unix(1e9, 0).UTC()}
	f.open()
	t.Cleanup(func() { f.Close() })
	return f
}

func (f *fixture) open() {
	f.t.Helper()
	db, err := Open(f.path, func() time.Time { f.at = f.at.Add(time.Second); return f.at })
	if err != nil {
		f.t.Fatal(err)
	}
	f.DB = db
}

// reopen is what a restart sees.
func (f *fixture) reopen() {
	f.t.Helper()
	f.must(f.Close())
	f.open()
}

func (f *fixture) must(err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatal(err)
	}
}

// digest is a bundle's that is there.
func (f *fixture) digest(char string) string {
	f.t.Helper()
	d := "sha256:" + strings.Repeat(char, 64)
	f.must(f.AddBundle(f.t.Context(), bundle.Summary{Digest: d, Files: 1, Bytes: 2, Packed: 3}))
	return d
}

// add makes a pending revision.
func (f *fixture) add(agentID, id string) *deploy.Revision {
	f.t.Helper()
	f.must(f.RegisterAgent(f.t.Context(), Agent{ID: agentID, Slug: agentID, Name: strings.ToUpper(agentID)}))
	_, err := f.AddRevision(f.t.Context(), Revision{ID: id, AgentID: agentID, Digest: f.digest("a"), Message: "m", Vars: map[string]string{"A": "1"}})
	f.must(err)
	return &deploy.Revision{ID: id, Agent: &agent.Agent{ID: agentID}, Callables: []agent.Callable{{Tag: "main"}}, Environment: deploy.Environment{Key: "k"}}
}

// bring takes a revision through its states.
func (f *fixture) bring(rev *deploy.Revision, to deploy.State, why error) {
	f.t.Helper()
	for _, s := range []deploy.State{deploy.Building, deploy.Starting} {
		rev.State = s
		f.must(f.Reached(f.t.Context(), rev, nil))
		if s == to {
			return
		}
	}
	rev.State = to
	if to == deploy.Ready {
		f.must(f.Switch(f.t.Context(), deploy.Split{
			AgentID: rev.Agent.ID, Shares: []deploy.Share{{Revision: rev, Percent: 100}}, Fresh: []*deploy.Revision{rev},
		}))
		return
	}
	f.must(f.Reached(f.t.Context(), rev, why))
}

func (f *fixture) states(agentID string) string {
	f.t.Helper()
	revs, err := f.Revisions(f.t.Context(), agentID, 100)
	f.must(err)
	text := ""
	for _, r := range revs {
		text += r.ID + "=" + string(r.State)
		if r.Percent > 0 {
			text += "*"
		}
		text += " "
	}
	return strings.TrimSpace(text)
}

func TestRevisionsAndTrafficSurviveARestart(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.bring(f.add("a", "r1"), deploy.Ready, nil)
	f.bring(f.add("a", "r2"), deploy.Failed, errors.New("no such module"))
	f.bring(f.add("a", "r3"), deploy.Ready, nil)
	f.bring(f.add("b", "s1"), deploy.Ready, nil)
	if got := f.states("a"); got != "r3=ready* r2=failed r1=retired" {
		t.Errorf("states %q", got)
	}
	f.reopen()
	if got := f.states("a"); got != "r3=ready* r2=failed r1=retired" {
		t.Errorf("states after a restart %q", got)
	}
	got, err := f.Revision(t.Context(), "a", "3")
	want := Revision{
		ID: "r3", AgentID: "a", Number: 3, Digest: "sha256:" + strings.Repeat("a", 64), Message: "m", Vars: map[string]string{"A": "1"}, State: deploy.Ready,
		Callables: []agent.Callable{{Tag: "main"}}, Environment: deploy.Environment{Key: "k"}, CreatedAt: got.CreatedAt, ServedAt: got.ServedAt, Percent: 100,
	}
	if err != nil || !reflect.DeepEqual(got, want) || got.CreatedAt.IsZero() || !got.ServedAt.After(got.CreatedAt) {
		t.Errorf("got %+v, %v", got, err)
	}
	if r, err := f.Revision(t.Context(), "a", "r2"); err != nil || r.Reason != "no such module" {
		t.Errorf("got %+v, %v", r, err)
	}
	if r, err := f.Previous(t.Context(), "a"); err != nil || r.ID != "r1" {
		t.Errorf("previous is %+v, %v", r, err)
	}
	if _, err := f.Previous(t.Context(), "b"); fault.CodeOf(err) != fault.NotFound {
		t.Errorf("b has a previous revision: %v", err)
	}
	live, err := f.Live(t.Context())
	if err != nil || len(live) != 2 || live[0].ID != "s1" || live[1].ID != "r3" {
		t.Errorf("live %+v, %v", live, err)
	}
}

func TestADeployThatWasKilledEnds(t *testing.T) {
	t.Parallel()
	for _, at := range []deploy.State{deploy.Pending, deploy.Building, deploy.Starting} {
		t.Run(string(at), func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			old := f.add("a", "r1")
			f.bring(old, deploy.Ready, nil)
			f.bring(f.add("a", "r2"), deploy.Ready, nil)
			rev := f.add("a", "r3")
			if at != deploy.Pending {
				f.bring(rev, at, nil)
			}
			f.bring(old, deploy.Building, nil) // a rollback
			f.reopen()
			if n, err := f.SettleInterrupted(t.Context()); err != nil || n != 2 {
				t.Errorf("settled %d, %v", n, err)
			}
			if got := f.states("a"); got != "r3=failed r2=ready* r1=retired" {
				t.Errorf("states %q", got)
			}
			if r, _ := f.Revision(t.Context(), "a", "r3"); !strings.Contains(r.Reason, "in the middle of this deploy") {
				t.Errorf("reason %q", r.Reason)
			}
		})
	}
}

func TestOldRevisionsAreForgotten(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.bring(f.add("a", "live"), deploy.Ready, nil)
	live := &deploy.Revision{ID: "live", Agent: &agent.Agent{ID: "a"}}
	for _, id := range []string{"r2", "r3"} {
		f.bring(f.add("a", id), deploy.Ready, nil)
	}
	f.bring(live, deploy.Ready, nil) // a rollback
	f.bring(f.add("a", "r4"), deploy.Failed, errors.New("broken"))
	f.bring(f.add("a", "r5"), deploy.Failed, errors.New("broken"))
	f.bring(f.add("a", "r6"), deploy.Building, nil)
	f.add("b", "other")
	f.must(f.PruneRevisions(t.Context(), "a", 5))
	if got := f.states("a"); got != "r6=building r5=failed r4=failed r3=retired r2=retired live=ready*" {
		t.Errorf("keeping 5: %s", got)
	}
	f.must(f.PruneRevisions(t.Context(), "a", 1))
	if got := f.states("a"); got != "r6=building r3=retired live=ready*" {
		t.Errorf("keeping 1: %s", got)
	}
	if got := f.states("b"); got != "other=pending" {
		t.Errorf("another agent: %s", got)
	}
}

func TestARollbackThatFailsIsNoFailedRevision(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	old := f.add("a", "r1")
	f.bring(old, deploy.Ready, nil)
	f.bring(f.add("a", "r2"), deploy.Ready, nil)
	f.bring(old, deploy.Failed, errors.New("no space"))
	if got := f.states("a"); got != "r2=ready* r1=retired" {
		t.Errorf("states %q", got)
	}
	f.bring(old, deploy.Ready, nil)
	if got := f.states("a"); got != "r2=retired r1=ready*" {
		t.Errorf("states %q", got)
	}
}

func TestAgents(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ctx := t.Context()
	f.must(f.RegisterAgent(ctx, Agent{ID: "1", Slug: "my-bot", Name: "My Bot"}))
	if err := f.RegisterAgent(ctx, Agent{ID: "2", Slug: "my-bot", Name: "my bot"}); fault.CodeOf(err) != fault.Conflict {
		t.Errorf("a taken name: %v", err)
	}
	for _, a := range []Agent{ // none may get the calls of the first
		{ID: "my-bot", Slug: "pet", Name: "Pet"}, {ID: "My Bot", Slug: "pet", Name: "Pet"}, {ID: "2", Slug: "1", Name: "1"},
	} {
		if err := f.RegisterAgent(ctx, a); fault.CodeOf(err) != fault.Conflict {
			t.Errorf("%+v: %v", a, err)
		}
	}
	f.must(f.RegisterAgent(ctx, Agent{ID: "1", Slug: "your-bot", Name: "Your Bot"}))
	for _, ref := range []string{"1", "your-bot", "Your Bot"} {
		if a, err := f.Agent(ctx, ref); err != nil || a.ID != "1" || !a.Is(ref) || a.Live != "" {
			t.Errorf("Agent(%q) = %+v, %v", ref, a, err)
		}
	}
	if _, err := f.Agent(ctx, "my-bot"); fault.CodeOf(err) != fault.AgentNotFound {
		t.Errorf("the old name: %v", err)
	}
	f.bring(f.add("a", "r1"), deploy.Ready, nil)
	f.must(f.SetStopped(ctx, "a", true))
	if live, err := f.Live(ctx); err != nil || len(live) != 0 {
		t.Errorf("a stopped agent is live: %+v, %v", live, err)
	}
	if a, err := f.Agent(ctx, "a"); err != nil || !a.Stopped || a.Live != "r1" {
		t.Errorf("%+v, %v", a, err)
	}
	rev := f.add("a", "r2")
	f.must(f.DeleteAgent(ctx, "a"))
	rev.State = deploy.Building
	if err := f.Reached(ctx, rev, nil); fault.CodeOf(err) != fault.Conflict {
		t.Errorf("a deploy of a deleted agent goes on: %v", err)
	}
	if agents, err := f.Agents(ctx); err != nil || len(agents) != 1 || agents[0].Slug != "your-bot" {
		t.Errorf("agents %+v, %v", agents, err)
	}
}

func TestKeysAndBundles(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ctx := t.Context()
	key := auth.Key{ID: "1", Name: "admin", Hash: "h", CreatedAt: f.at}
	f.must(f.AddKey(ctx, key))
	f.reopen()
	if keys, err := f.Keys(ctx); err != nil || !reflect.DeepEqual(keys, []auth.Key{key}) {
		t.Errorf("keys %+v, %v", keys, err)
	}
	used := f.digest("a")
	f.add("a", "r1")
	unused := f.digest("b")
	if s, ok, err := f.Bundle(ctx, unused); err != nil || !ok || s.Packed != 3 {
		t.Errorf("%+v %v %v", s, ok, err)
	}
	if gone, err := f.ForgetUnusedBundles(ctx, f.at.Add(time.Hour)); err != nil || len(gone) != 1 || gone[0] != unused {
		t.Errorf("forgot %v, %v", gone, err)
	}
	if _, ok, err := f.Bundle(ctx, used); err != nil || !ok {
		t.Errorf("a bundle in use was forgotten: %v", err)
	}
	if _, ok, err := f.Bundle(ctx, unused); err != nil || ok {
		t.Errorf("an unused bundle is still there: %v", err)
	}
}

func TestSecrets(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ctx := t.Context()
	f.add("a", "r1")
	set := func(agentID, name, sealed string) {
		t.Helper()
		f.must(f.SetSecret(ctx, Secret{AgentID: agentID, Name: name, Sealed: []byte(sealed)}))
	}
	show := func(list []Secret, err error) string {
		t.Helper()
		f.must(err)
		text := ""
		for _, s := range list {
			text += s.AgentID + "." + s.Name + "=" + string(s.Sealed) + " "
		}
		return text
	}
	set("", "X", "1")
	set("a", "X", "2")
	set("b", "Y", "3")
	set("", "X", "4")
	f.reopen()
	if got := show(f.Secrets(ctx, "a")); got != ".X=4 a.X=2 " {
		t.Errorf("a's are %s", got)
	}
	if got := show(f.AllSecrets(ctx)); got != ".X=4 a.X=2 b.Y=3 " {
		t.Errorf("all are %s", got)
	}
	f.must(f.DeleteSecret(ctx, "b", "Y"))
	if err := f.DeleteSecret(ctx, "b", "Y"); fault.CodeOf(err) != fault.NotFound {
		t.Errorf("got %v", err)
	}
	f.must(f.DeleteAgent(ctx, "a"))
	if got := show(f.AllSecrets(ctx)); got != ".X=4 " {
		t.Errorf("a deleted agent's are still there: %s", got)
	}
}

func TestANewerFileIsRefused(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.must(f.Close())
	db, err := sqlite.Open(f.path)
	f.must(err)
	_, err = db.ExecContext(context.Background(), `INSERT INTO schema_migrations (version, name, applied_at) VALUES (99, 'later', 0)`)
	f.must(err)
	f.must(db.Close())
	if _, err := Open(f.path, time.Now); err == nil || !strings.Contains(err.Error(), "newer runagent") {
		t.Errorf("got %v", err)
	}
}

// TestAClockThatIsSetBack has revisions serve in an order that times alone would
// tell wrong.
func TestAClockThatIsSetBack(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.must(f.RegisterAgent(t.Context(), Agent{ID: "a", Slug: "a", Name: "A"}))
	for i, id := range []string{"r1", "r2", "r3", "r4"} {
		if i == 2 {
			f.at = f.at.Add(-24 * time.Hour)
		}
		_, err := f.AddRevision(t.Context(), Revision{ID: id, AgentID: "a", Digest: f.digest("a")})
		f.must(err)
		f.must(f.Switch(t.Context(), deploy.Split{AgentID: "a", Shares: []deploy.Share{{Revision: &deploy.Revision{ID: id, Agent: &agent.Agent{ID: "a"}}, Percent: 100}}, Fresh: []*deploy.Revision{{ID: id, Agent: &agent.Agent{ID: "a"}}}}))
	}
	if r, err := f.Previous(t.Context(), "a"); err != nil || r.ID != "r3" {
		t.Errorf("a rollback brings %q back, %v, want r3", r.ID, err)
	}
}

func TestCheckRefusesWhatANewerProgramWrote(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	// The state is in use meanwhile, as by the process that is to be replaced.
	if err := Check(t.Context(), f.path); err != nil {
		t.Error(err)
	}
	if _, err := f.db.Exec(`INSERT INTO schema_migrations (version, name, applied_at) VALUES (9999, 'later', 0)`); err != nil {
		t.Fatal(err)
	}
	if err := Check(t.Context(), f.path); err == nil || !strings.Contains(err.Error(), "written by a newer runagent") {
		t.Errorf("got %v", err)
	}
	if err := Check(t.Context(), f.path+".absent"); err == nil {
		t.Error("it looked at nothing")
	}
}
