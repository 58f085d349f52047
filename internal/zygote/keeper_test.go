package zygote

import (
	"context"
	"errors"
	"os"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/runagent/runagent/internal/invocation"
	"github.com/runagent/runagent/internal/sandbox"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// driver makes zygotes that exist only in the test.
type driver struct {
	pollutes string // the module whose import pollutes
	kills    string // the module whose import ends the zygote
	noFork   bool
	made     chan *fake // gets each zygote at the end of its imports
	begun    chan *fake // at their beginning, unless it is nil
	asked    chan *fake // each that is asked to fork, unless it is nil; then it
	answer   chan bool  // waits for this

	mu     sync.Mutex
	plains int
}

func (d *driver) Capabilities() sandbox.Capabilities {
	return sandbox.Capabilities{Fork: !d.noFork, Freeze: true}
}
func (d *driver) Close() error { return nil }
func (d *driver) Start(context.Context, sandbox.Spec) (sandbox.Process, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.plains++
	return newFake(d), nil
}

func (d *driver) StartZygote(context.Context, sandbox.Spec) (sandbox.Zygote, error) {
	return newFake(d), nil
}

type fake struct {
	d        *driver
	imported []string
	once     sync.Once
	done     chan struct{}
	frozen   atomic.Bool
}

func newFake(d *driver) *fake         { return &fake{d: d, done: make(chan struct{})} }
func (z *fake) PID() int              { return 1 }
func (z *fake) Done() <-chan struct{} { return z.done }
func (z *fake) Exit() sandbox.Exit    { return sandbox.Exit{Known: true} }
func (z *fake) Kill()                 { z.once.Do(func() { close(z.done) }) }
func (z *fake) LimitMemory(int64) error {
	return nil
}

func (z *fake) Memory() int64 { return 20 << 20 }

func (z *fake) Freeze() error {
	z.frozen.Store(true)
	return nil
}

func (z *fake) Thaw() error {
	z.frozen.Store(false)
	return nil
}

func (z *fake) Import(_ context.Context, modules []string) (sandbox.Imported, error) {
	z.imported = modules
	if z.d.begun != nil {
		z.d.begun <- z
	}
	if slices.Contains(modules, z.d.pollutes) {
		return sandbox.Imported{Excluded: []sandbox.Excluded{{Module: z.d.pollutes, Why: "it left a thread", Polluted: true}}}, nil
	}
	if slices.Contains(modules, z.d.kills) {
		return sandbox.Imported{}, errors.New("the zygote ended")
	}
	z.d.made <- z
	return sandbox.Imported{Count: len(modules)}, nil
}

func (z *fake) Fork(context.Context, string, *os.File, *os.File, *os.File) (sandbox.Process, error) {
	if z.d.asked != nil {
		z.d.asked <- z
		select {
		case <-z.done:
			return nil, errors.New("the zygote ended")
		case <-z.d.answer:
			return newFake(z.d), nil
		}
	}
	select {
	case <-z.done:
		return nil, errors.New("the zygote ended")
	default:
		if z.frozen.Load() {
			return nil, errors.New("the zygote is frozen")
		}
		return newFake(z.d), nil
	}
}

// list is a Memory.
type list struct {
	mu       sync.Mutex
	modules  []string
	later    []string
	excluded []string
}

func (l *list) Wanted() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.DeleteFunc(slices.Concat(l.modules, l.later), func(m string) bool { return slices.Contains(l.excluded, m) })
}

func (l *list) Learn(modules []string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	changed := !slices.Equal(l.modules, modules)
	l.modules = modules
	return changed
}

func (l *list) LearnLater(modules []string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	before := len(l.later)
	for _, m := range modules {
		if !slices.Contains(l.modules, m) && !slices.Contains(l.later, m) {
			l.later = append(l.later, m)
		}
	}
	return len(l.later) > before
}

func (l *list) ForgetLater(string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	had := len(l.later) > 0
	l.later = nil
	return had
}

func (l *list) Exclude(module, _ string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.excluded = append(l.excluded, module)
	return true
}

func keeper(t *testing.T, d *driver, l *list) *Keeper {
	t.Helper()
	if d.made == nil {
		d.made = make(chan *fake, 8)
	}
	k := NewKeeper(Options{Driver: d, Memory: l, OnLog: func(invocation.LogLine) {}})
	t.Cleanup(k.Close)
	return k
}

func next(t *testing.T, d *driver) *fake {
	t.Helper()
	select {
	case z := <-d.made:
		return z
	case <-time.After(10 * time.Second):
		t.Fatal("no zygote was made")
		return nil
	}
}

func launch(t *testing.T, k *Keeper) invocation.StartKind {
	t.Helper()
	_, kind, err := k.Launch(t.Context(), "token", nil, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	return kind
}

func TestKeeperForksAndReplacesADeadZygote(t *testing.T) {
	t.Parallel()
	d := &driver{}
	k := keeper(t, d, &list{modules: []string{"json"}})
	z := next(t, d)
	if kind := launch(t, k); kind != invocation.Warm {
		t.Errorf("started %s, want warm", kind)
	}
	z.Kill()
	next(t, d)
}

func TestKeeperFreezesAZygoteThatRests(t *testing.T) {
	t.Parallel()
	d := &driver{}
	k := keeper(t, d, &list{modules: []string{"json"}})
	z := next(t, d)
	launch(t, k) // so that it is taken
	k.Rest()
	if !z.frozen.Load() || !k.Frozen() {
		t.Error("it is not frozen")
	}
	if kind := launch(t, k); kind != invocation.Warm || z.frozen.Load() || k.Frozen() {
		t.Errorf("started %s from a zygote that is frozen: %v", kind, z.frozen.Load())
	}
	k.Rest()
	z.Kill()
	better := next(t, d)
	for k.Current() != better {
		runtime.Gosched()
	}
	if !better.frozen.Load() {
		t.Error("the replacement is not frozen")
	}
}

func TestKeeperLeavesOutWhatPollutes(t *testing.T) {
	t.Parallel()
	d := &driver{pollutes: "lancedb"}
	keeper(t, d, &list{modules: []string{"json", "lancedb", "numpy"}})
	if got := next(t, d).imported; !slices.Equal(got, []string{"json", "numpy"}) {
		t.Errorf("the zygote imported %v", got)
	}
}

func TestKeeperMakesABetterZygoteOfWhatInstancesLoad(t *testing.T) {
	t.Parallel()
	d := &driver{}
	k := keeper(t, d, &list{modules: []string{"json"}})
	first := next(t, d)
	launch(t, k)
	k.Observe([]string{"json", "numpy"}, 1)
	if got := next(t, d).imported; !slices.Equal(got, []string{"json", "numpy"}) {
		t.Errorf("the better zygote imported %v", got)
	}
	select {
	case <-first.Done():
	case <-time.After(10 * time.Second):
		t.Error("the first zygote was kept")
	}
	k.Observe([]string{"json", "numpy"}, 1)       // nothing new: no other zygote
	k.Observe([]string{"json", "re", "numpy"}, 3) // news to us, but the zygote has it
	if len(d.made) != 0 {
		t.Error("another zygote was made for nothing")
	}
}

// used is a keeper of a zygote with json that an instance was forked from.
func used(t *testing.T, d *driver) *Keeper {
	t.Helper()
	k := keeper(t, d, &list{modules: []string{"json"}})
	next(t, d)
	launch(t, k)
	return k
}

// wantNoOther lets the time pass in which a better zygote would be made. The
// test is in a bubble.
func wantNoOther(t *testing.T, d *driver) {
	t.Helper()
	<-time.After(2 * laterGap)
	synctest.Wait()
	if len(d.made) != 0 {
		t.Error("another zygote was made for nothing")
	}
}

// TestKeeperMakesABetterZygoteOfWhatCallsLoad lets two instances tell bit by bit.
func TestKeeperMakesABetterZygoteOfWhatCallsLoad(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := &driver{}
		k := used(t, d)
		began := time.Now()
		k.ObserveLater([]string{"ssl"})
		<-time.After(laterCalm - time.Second)
		k.ObserveLater([]string{"ssl", "numpy"})
		k.ObserveLater([]string{"numpy"})
		if got := (<-d.made).imported; !slices.Equal(got, []string{"json", "ssl", "numpy"}) {
			t.Errorf("the better zygote imported %v", got)
		}
		if took := time.Since(began); took != 2*laterCalm-time.Second {
			t.Errorf("it was made after %v", took)
		}
		began = time.Now()
		k.ObserveLater([]string{"pandas"})
		if got := (<-d.made).imported; !slices.Contains(got, "pandas") || time.Since(began) != laterGap {
			t.Errorf("the next imported %v, after %v", got, time.Since(began))
		}
		k.ObserveLater([]string{"numpy", "pandas", "json"})
		wantNoOther(t, d)
	})
}

// TestKeeperNeedsNoBetterZygoteTwice lets another reason bring what calls have
// loaded before its time.
func TestKeeperNeedsNoBetterZygoteTwice(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := &driver{}
		k := used(t, d)
		k.ObserveLater([]string{"ssl"})
		k.Observe([]string{"json", "numpy"}, 1)
		if got := next(t, d).imported; !slices.Equal(got, []string{"json", "numpy", "ssl"}) {
			t.Errorf("the better zygote imported %v", got)
		}
		wantNoOther(t, d)
	})
}

// TestKeeperDoesWithoutWhatCallsLoad has a module that can be imported in a
// call, with what it needs there, but not in a zygote.
func TestKeeperDoesWithoutWhatCallsLoad(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := &driver{kills: "needs_a_secret"}
		k := used(t, d)
		k.ObserveLater([]string{"needs_a_secret"})
		z := next(t, d)
		if !slices.Equal(z.imported, []string{"json"}) {
			t.Errorf("the zygote after it imported %v", z.imported)
		}
		if kind := launch(t, k); kind != invocation.Warm {
			t.Errorf("started %s, want warm", kind)
		}
	})
}

// TestKeeperKeepsOneZygote lets one die while a better one is made: that is
// ready first, then the replacement.
func TestKeeperKeepsOneZygote(t *testing.T) {
	t.Parallel()
	d := &driver{made: make(chan *fake), begun: make(chan *fake, 8)}
	k := keeper(t, d, &list{modules: []string{"json"}})
	first := <-d.begun
	next(t, d)
	launch(t, k)
	k.Observe([]string{"json", "numpy"}, 1)
	better := <-d.begun
	first.Kill()
	<-d.begun // the replacement
	if got := next(t, d); got != better {
		t.Fatal("the replacement was ready first")
	}
	for k.Current() != better {
		runtime.Gosched() // until it is taken
	}
	next(t, d)
	select {
	case <-better.Done():
	case <-time.After(10 * time.Second):
		t.Error("the better zygote was lost: nobody ends it")
		better.Kill()
	}
}

func TestKeeperStartsPlainlyWhereItCanNotFork(t *testing.T) {
	t.Parallel()
	d := &driver{noFork: true}
	k := keeper(t, d, &list{})
	if kind := launch(t, k); kind != invocation.Cold || d.plains != 1 {
		t.Errorf("started %s with %d plain starts, want cold with one", kind, d.plains)
	}
}

// launches makes n at once; their kinds come in the channel.
func launches(t *testing.T, k *Keeper, n int) <-chan invocation.StartKind {
	t.Helper()
	kinds := make(chan invocation.StartKind, n)
	for range n {
		go func() {
			_, kind, err := k.Launch(t.Context(), "token", nil, nil, nil)
			if err != nil {
				t.Error(err)
			}
			kinds <- kind
		}()
	}
	return kinds
}

// wantWarm looks at n launches.
func wantWarm(t *testing.T, kinds <-chan invocation.StartKind, n int) {
	t.Helper()
	for range n {
		if kind := <-kinds; kind != invocation.Warm {
			t.Errorf("started %s, want warm", kind)
		}
	}
}

// TestKeeperLetsAZygoteAnswerBeforeItIsReplaced makes a better one in the midst
// of forks: those that the first was asked for come from it.
func TestKeeperLetsAZygoteAnswerBeforeItIsReplaced(t *testing.T) {
	t.Parallel()
	const n = 20
	d := &driver{asked: make(chan *fake), answer: make(chan bool)}
	k := keeper(t, d, &list{modules: []string{"json"}})
	first := next(t, d)
	kinds := launches(t, k, n)
	for range n {
		if z := <-d.asked; z != first {
			t.Fatal("another zygote is asked")
		}
	}
	k.Observe([]string{"json", "numpy"}, 1)
	better := next(t, d)
	for k.Current() != better {
		runtime.Gosched()
	}
	for range n {
		select {
		case d.answer <- true:
		case <-first.Done():
			t.Fatal("it was ended while it was asked")
		}
	}
	wantWarm(t, kinds, n)
	select {
	case <-first.Done():
	case <-time.After(10 * time.Second):
		t.Error("the first zygote was kept")
	}
}

// TestKeeperForksFromTheReplacement lets a zygote die under many launches: they
// wait for the next one, because plain starts would cost many times as much.
func TestKeeperForksFromTheReplacement(t *testing.T) {
	t.Parallel()
	const n = 20
	d := &driver{asked: make(chan *fake), answer: make(chan bool)}
	k := keeper(t, d, &list{modules: []string{"json"}})
	first := next(t, d)
	kinds := launches(t, k, n)
	for range n {
		<-d.asked
	}
	first.Kill()
	next(t, d)
	for range n {
		<-d.asked
		d.answer <- true
	}
	wantWarm(t, kinds, n)
	if d.plains != 0 {
		t.Errorf("%d started plainly", d.plains)
	}
}

// TestKeeperWaitsForTheNextOfAZygoteThatDiesAtOnce has one made that is gone
// before the launch which waits for it can ask it.
func TestKeeperWaitsForTheNextOfAZygoteThatDiesAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := &driver{begun: make(chan *fake)}
		k := keeper(t, d, &list{modules: []string{"json"}})
		kinds := launches(t, k, 1)
		synctest.Wait()
		k.mu.Lock()
		k.endAttempt()
		k.attempt = make(chan struct{})
		k.mu.Unlock()
		synctest.Wait()
		<-d.begun
		wantWarm(t, kinds, 1)
	})
}

// TestKeeperStartsPlainlyWhenZygotesDie gives up on forks that each end their
// zygote.
func TestKeeperStartsPlainlyWhenZygotesDie(t *testing.T) {
	t.Parallel()
	d := &driver{asked: make(chan *fake), answer: make(chan bool)}
	k := keeper(t, d, &list{modules: []string{"json"}})
	kinds := launches(t, k, 1)
	for range forkTries {
		(<-d.asked).Kill()
	}
	if kind := <-kinds; kind != invocation.Cold {
		t.Errorf("started %s, want cold", kind)
	}
}
