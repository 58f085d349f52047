package standby

import (
	"context"
	"errors"
	"log/slog"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/runagent/runagent/internal/agent"
	"github.com/runagent/runagent/internal/deploy"
	"github.com/runagent/runagent/internal/fault"
	"github.com/runagent/runagent/internal/invocation"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// engineRoom is a machine that does as told and notes what it was asked for.
type engineRoom struct {
	mu       sync.Mutex // guards all that follows
	said     []string
	startErr error
	warm     bool
	hold     chan struct{} // starts wait for it, if it is not nil
	during   func()        // called in each Invoke
	asked    chan string   // told of each start, if it is not nil
}

func (e *engineRoom) note(what string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.said = append(e.said, what)
}

func (e *engineRoom) heard() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.said)
}

func (e *engineRoom) Build(context.Context, *deploy.Revision) (deploy.Environment, error) {
	return deploy.Environment{Key: "k"}, nil
}

func (e *engineRoom) Start(ctx context.Context, rev *deploy.Revision) ([]agent.Callable, error) {
	e.note("start " + rev.ID)
	e.mu.Lock()
	hold, err, asked := e.hold, e.startErr, e.asked
	e.mu.Unlock()
	if asked != nil {
		asked <- rev.ID
	}
	if hold != nil {
		select {
		case <-hold:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return []agent.Callable{{Tag: "main"}}, err
}

func (e *engineRoom) Drain(_ context.Context, rev *deploy.Revision) { e.note("end " + rev.ID) }

func (e *engineRoom) Warm(*deploy.Revision) bool { return e.warm }

func (e *engineRoom) Invoke(context.Context, invocation.Call, func(invocation.Event) error) (invocation.Result, error) {
	if e.during != nil {
		e.during()
	}
	return invocation.Result{Start: invocation.Hot}, nil
}

// fixture is a Pools with a clock that only moves when it is told to.
type fixture struct {
	*Pools
	t    *testing.T
	room *engineRoom
	mu   sync.Mutex // guards now
	now  time.Time
	gone chan string
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	f := &fixture{t: t, room: &engineRoom{}, now: time.Unix(1e9, 0), gone: make(chan string, 8)}
	f.Pools = New(Options{
		Machine: f.room, Log: slog.New(slog.DiscardHandler), Now: f.clock,
		OnGone: func(rev *deploy.Revision) { f.gone <- rev.ID },
	})
	t.Cleanup(func() { f.Close(context.Background()) })
	return f
}

func (f *fixture) clock() time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.now
}

func (f *fixture) pass(d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.now = f.now.Add(d)
}

func revision(id string) *deploy.Revision {
	return &deploy.Revision{ID: id, Agent: &agent.Agent{ID: "a", Manifest: &agent.Manifest{}}}
}

func (f *fixture) call(id string) (invocation.Result, error) {
	return f.Invoke(f.t.Context(), invocation.Call{Revision: id}, nil)
}

func (f *fixture) heard(want ...string) {
	f.t.Helper()
	if got := f.room.heard(); !slices.Equal(got, want) {
		f.t.Errorf("the machine was asked for %q, want %q", got, want)
	}
}

// awaitDrain returns when the drain of a revision has begun.
func (f *fixture) awaitDrain(id string) {
	f.t.Helper()
	for !f.place(id).isDraining() {
		runtime.Gosched()
	}
}

func TestACallWakesARevision(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.Adopt(revision("r1"))
	f.heard()
	for _, want := range []invocation.StartKind{invocation.Cold, invocation.Hot} {
		if res, err := f.call("r1"); err != nil || res.Start != want {
			t.Errorf("%+v, %v, want a %s start", res, err, want)
		}
	}
	f.heard("start r1")
	f.Sleep(t.Context(), []string{"r1"})
	f.heard("start r1", "end r1")
	f.room.warm = true
	if res, err := f.call("r1"); err != nil || res.Start != invocation.Warm {
		t.Errorf("%+v, %v", res, err)
	}
	f.heard("start r1", "end r1", "start r1")
}

func TestWhoIsBusyDoesNotSleep(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.Adopt(revision("r1"))
	f.Adopt(revision("r2"))
	f.room.during = func() {
		f.pass(time.Hour)
		f.Sleep(t.Context(), []string{"r1"})
		places := f.Places()
		if len(places) != 1 || places[0].Revision.ID != "r1" || places[0].InFlight != 1 {
			t.Errorf("%+v", places)
		}
	}
	if _, err := f.call("r1"); err != nil {
		t.Fatal(err)
	}
	f.heard("start r1")
	if at := f.Places()[0].LastUsed; !at.Equal(f.clock()) {
		t.Errorf("last used at %v, want %v", at, f.clock())
	}
	f.Sleep(t.Context(), []string{"r1", "r2", "r3"})
	f.heard("start r1", "end r1")
	if len(f.Places()) != 0 {
		t.Error("it is awake")
	}
}

// A deploy's calls come only after its start: a long one must not count as idleness.
func TestAStartIsAUse(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.room.hold, f.room.asked = make(chan struct{}), make(chan string, 1)
	started := make(chan error, 1)
	go func() {
		_, err := f.Start(t.Context(), revision("r1"))
		started <- err
	}()
	<-f.room.asked
	f.pass(time.Hour)
	close(f.room.hold)
	if err := <-started; err != nil {
		t.Fatal(err)
	}
	if at := f.Places()[0].LastUsed; !at.Equal(f.clock()) {
		t.Errorf("last used at %v, want %v", at, f.clock())
	}
}

func TestWhoWasCalledLongestAgoSleepsEarly(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	kept := func(rev *deploy.Revision) bool { return rev.ID == "kept" }
	for _, rev := range []*deploy.Revision{revision("kept"), revision("r1"), revision("r2"), revision("busy")} {
		f.Adopt(rev)
		if _, err := f.call(rev.ID); err != nil {
			t.Fatal(err)
		}
		f.pass(time.Second)
	}
	f.room.during = func() {
		for range 3 {
			f.SleepEarly(t.Context(), kept)
		}
	}
	if _, err := f.call("busy"); err != nil {
		t.Fatal(err)
	}
	f.heard("start kept", "start r1", "start r2", "start busy", "end r1", "end r2")
}

func TestManyCallersWakeOnce(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.room.hold, f.room.asked = make(chan struct{}), make(chan string, 1)
	f.Adopt(revision("r1"))
	var callers sync.WaitGroup
	for range 20 {
		callers.Go(func() {
			if _, err := f.call("r1"); err != nil {
				t.Error(err)
			}
		})
	}
	<-f.room.asked
	// Who goes away does not keep the others waiting.
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := f.Invoke(ctx, invocation.Call{Revision: "r1"}, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	close(f.room.hold)
	callers.Wait()
	f.heard("start r1")
}

func TestAStartThatFailsIsNotTriedAtOnceAgain(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.room.startErr = errors.New("no memory")
	f.Adopt(revision("r1"))
	for range 5 {
		_, err := f.call("r1")
		if got := fault.As(err); got == nil || got.Code != fault.AgentUnavailable || got.RetryAfter <= 0 {
			t.Errorf("got %v", err)
		}
	}
	f.heard("start r1")
	if _, _, err := f.Load("r1"); err == nil {
		t.Error("its trouble is not told")
	}
	f.pass(time.Second)
	f.room.mu.Lock()
	f.room.startErr = nil
	f.room.mu.Unlock()
	if _, err := f.call("r1"); err != nil {
		t.Error(err)
	}
	f.heard("start r1", "start r1")
}

func TestDrainWaitsForCallsAndForThoseOnTheirWay(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	if _, err := f.Start(t.Context(), revision("r1")); err != nil {
		t.Fatal(err)
	}
	began, end := make(chan struct{}), make(chan struct{})
	f.room.during = func() { close(began); <-end }
	done := make(chan error, 1)
	go func() {
		_, err := f.call("r1")
		done <- err
	}()
	<-began
	drained := make(chan struct{})
	go func() {
		f.Drain(t.Context(), revision("r1"))
		close(drained)
	}()
	f.awaitDrain("r1")
	// One that was sent here just before the switch comes only now.
	f.room.during = nil
	if _, err := f.call("r1"); err != nil {
		t.Errorf("a call on its way was lost: %v", err)
	}
	f.heard("start r1")
	close(end)
	<-drained
	if err := <-done; err != nil {
		t.Error(err)
	}
	f.heard("start r1", "end r1")
	if got := <-f.gone; got != "r1" {
		t.Errorf("gone is %s", got)
	}
	if _, err := f.call("r1"); fault.CodeOf(err) != fault.AgentUnavailable {
		t.Errorf("got %v", err)
	}
}

func TestARevisionThatComesBackIsNotEnded(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.o.Linger = time.Hour // until it is called back
	if _, err := f.Start(t.Context(), revision("r1")); err != nil {
		t.Fatal(err)
	}
	drained := make(chan struct{})
	go func() {
		f.Drain(t.Context(), revision("r1"))
		close(drained)
	}()
	f.awaitDrain("r1")
	callables, err := f.Start(t.Context(), revision("r1"))
	if err != nil || len(callables) != 1 {
		t.Errorf("%v, %v", callables, err)
	}
	<-drained
	f.heard("start r1")
	if _, err := f.call("r1"); err != nil {
		t.Error(err)
	}
}

func TestARevisionThatComesBackAsleepIsNotEnded(t *testing.T) {
	t.Parallel()
	for name, back := range map[string]func(f *fixture){
		"started": func(f *fixture) {
			if _, err := f.Start(f.t.Context(), revision("r1")); err != nil {
				f.t.Error(err)
			}
		},
		"adopted": func(f *fixture) { f.Adopt(revision("r1")) },
		"visited": func(f *fixture) {
			if !f.Visit("r1") {
				f.t.Error("it has no place that stays")
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			f.o.Linger = time.Hour // until it is called back
			f.Adopt(revision("r1"))
			drained := make(chan struct{})
			go func() {
				f.Drain(t.Context(), revision("r1"))
				close(drained)
			}()
			f.awaitDrain("r1")
			back(f)
			f.NoMoreCalls() // a drain that goes on ends now
			<-drained
			if _, err := f.call("r1"); err != nil {
				t.Error(err)
			}
			f.heard("start r1")
		})
	}
}

func TestOnlyWhatSleepsUnwantedIsDismissed(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	wanted, unwanted := func() bool { return true }, func() bool { return false }
	f.Adopt(revision("r1"))
	f.Dismiss("r1", wanted)
	if _, err := f.call("r1"); err != nil {
		t.Errorf("what is wanted was dismissed: %v", err)
	}
	f.Dismiss("r1", unwanted)
	if _, err := f.call("r1"); err != nil {
		t.Errorf("what is awake was dismissed: %v", err)
	}
	f.Sleep(t.Context(), []string{"r1"})
	f.Dismiss("r1", unwanted)
	if got := <-f.gone; got != "r1" || f.Has("r1") {
		t.Errorf("gone is %s", got)
	}
	f.Dismiss("r1", unwanted)
}

// TestAgentsAreCountedOnce has an agent with two revisions, and one that leaves.
func TestAgentsAreCountedOnce(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.Adopt(revision("r1"))
	f.Adopt(revision("r2"))
	other := revision("r3")
	other.Agent.ID = "b"
	f.Adopt(other)
	if got := f.Count(); got != (Count{Cold: 2}) {
		t.Errorf("asleep: %+v", got)
	}
	for _, id := range []string{"r1", "r3"} {
		if _, err := f.call(id); err != nil {
			t.Fatal(err)
		}
	}
	if got := f.Count(); got != (Count{Hot: 2}) {
		t.Errorf("awake: %+v", got)
	}
	drained := make(chan struct{})
	f.room.during = func() {
		go func() {
			defer close(drained)
			f.Drain(t.Context(), other)
		}()
		f.awaitDrain("r3")
		if got := f.Count(); got != (Count{Hot: 1}) {
			t.Errorf("while one leaves: %+v", got)
		}
	}
	if _, err := f.call("r3"); err != nil {
		t.Fatal(err)
	}
	f.NoMoreCalls()
	<-drained
}

func TestDrainEndsWithItsContext(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.o.Linger = time.Hour
	if _, err := f.Start(t.Context(), revision("r1")); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	f.room.during = func() {
		cancel()
		f.Drain(ctx, revision("r1"))
	}
	if _, err := f.call("r1"); err != nil {
		t.Error(err)
	}
	f.heard("start r1", "end r1")
}

func TestNobodyWaitsForLateCallsAtTheEnd(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.o.Linger = time.Hour
	if _, err := f.Start(t.Context(), revision("r1")); err != nil {
		t.Fatal(err)
	}
	f.NoMoreCalls()
	f.Drain(t.Context(), revision("r1"))
	f.heard("start r1", "end r1")
}

func TestAStartThatFailsLeavesNoPlace(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.room.startErr = errors.New("broken")
	if _, err := f.Start(t.Context(), revision("r1")); err == nil {
		t.Fatal("started")
	}
	if f.place("r1") != nil || len(f.Awake()) != 0 {
		t.Error("something is left of it")
	}
	f.Drain(t.Context(), revision("r1"))
	f.heard("start r1")
}
