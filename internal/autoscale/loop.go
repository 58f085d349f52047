package autoscale

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

const (
	// SampleEvery is how often load is looked at.
	SampleEvery = 2 * time.Second
	// sampleBusy is how often it is while calls wait for slots.
	sampleBusy = 250 * time.Millisecond
)

// Load is what one revision that is awake does now.
type Load struct {
	Agent, Revision string
	Sample          // At is set by the Loop
	Rules
	// Ready instances take calls; Size is how many there are to be.
	Ready, Size int
	// Memory is what one of them takes, as measured; 0 where that is not known.
	Memory int64
}

// Fleet is the revisions of a machine.
type Fleet interface {
	// Loads tells what each revision that is awake does.
	Loads() []Load
	// Budget is the memory that all instances may take together, where loads
	// take what they do now; negative where nothing bounds it.
	Budget(loads []Load) int64
	// Resize makes a revision one of size instances, in the background.
	Resize(revision string, size int)
	// Sleep ends the instances of revisions that have no call, and returns when
	// they are gone.
	Sleep(ctx context.Context, revisions []string)
}

// Options configures a Loop. Fleet and Log are needed.
type Options struct {
	Fleet Fleet
	// Every is how often load is looked at; 0 means SampleEvery.
	Every time.Duration
	Now   func() time.Time
	Log   *slog.Logger
}

// Loop keeps the revisions of a fleet at the sizes that their loads ask for.
// Run it once; the other methods are safe for concurrent use.
type Loop struct {
	o      Options
	kick   chan struct{}
	sleeps sync.WaitGroup
	slept  chan struct{} // holds a token while revisions are sent to sleep

	mu       sync.Mutex // guards policies
	policies map[string]*Policy
}

// NewLoop returns a Loop that has seen nothing yet.
func NewLoop(o Options) *Loop {
	if o.Every <= 0 {
		o.Every = SampleEvery
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Loop{o: o, kick: make(chan struct{}, 1), slept: make(chan struct{}, 1), policies: map[string]*Policy{}}
}

// Kick has the Loop look soon: a call waits for a slot, or rules have changed.
func (l *Loop) Kick() {
	select {
	case l.kick <- struct{}{}:
	default:
	}
}

// Expect has a revision keep at least size instances for a while, whatever its
// load is at first.
func (l *Loop) Expect(revision string, size int) {
	l.mu.Lock()
	l.policy(revision).Expect(l.o.Now(), size)
	l.mu.Unlock()
	l.Kick()
}

// Run looks and applies until ctx ends.
func (l *Loop) Run(ctx context.Context) error {
	defer l.sleeps.Wait()
	for {
		pause := l.o.Every
		if l.Step(ctx) {
			pause = min(pause, sampleBusy)
		}
		if !l.rest(ctx, pause) {
			return nil
		}
	}
}

// rest waits for the time of the next look. It returns false when ctx ends.
func (l *Loop) rest(ctx context.Context, pause time.Duration) bool {
	began := time.Now()
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	case <-l.kick:
	}
	// Many calls may come to wait at once: they are worth one look.
	timer.Reset(max(0, min(pause, sampleBusy)-time.Since(began)))
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// Step looks once at what there is and applies what that asks for. It reports
// whether calls wait for slots.
func (l *Loop) Step(ctx context.Context) (busy bool) {
	loads := l.o.Fleet.Loads()
	claims, idle := l.decide(loads)
	granted := l.grant(loads, claims)
	for i, size := range granted {
		load := &loads[i]
		busy = busy || load.Waiting
		if claims[i].Want == 0 || size == load.Size {
			continue
		}
		l.o.Log.Info("revision scaled", "agent_id", load.Agent, "revision", load.Revision,
			"from", load.Size, "to", size, "wanted", claims[i].Want, "demand", load.Demand)
		l.o.Fleet.Resize(load.Revision, size)
	}
	l.sleep(ctx, idle)
	return busy
}

// decide asks the policy of each revision; idle are those that may sleep. Of
// revisions that are not awake any more nothing is remembered.
func (l *Loop) decide(loads []Load) (claims []Claim, idle []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.o.Now()
	known := make(map[string]*Policy, len(loads))
	claims = make([]Claim, len(loads))
	for i := range loads {
		load := &loads[i]
		p := l.policy(load.Revision)
		known[load.Revision] = p
		load.At = now
		p.Observe(load.Sample)
		want := p.Wanted(load.Ready, load.Rules)
		claims[i] = Claim{Agent: load.Agent, Have: load.Size, Want: want, Memory: load.Memory}
		if want == 0 {
			idle = append(idle, load.Revision)
		}
	}
	for revision, p := range l.policies {
		if known[revision] == nil && !p.expecting(now) {
			delete(l.policies, revision)
		}
	}
	return claims, idle
}

// policy is that of a revision, a new one if there is none. l.mu is held.
func (l *Loop) policy(revision string) *Policy {
	p := l.policies[revision]
	if p == nil {
		p = &Policy{}
		l.policies[revision] = p
	}
	return p
}

// grant bounds the sizes by the memory there is.
func (l *Loop) grant(loads []Load, claims []Claim) []int {
	budget := l.o.Fleet.Budget(loads)
	if budget >= 0 {
		return Share(budget, claims)
	}
	sizes := make([]int, len(claims))
	for i := range claims {
		sizes[i] = claims[i].Want
	}
	return sizes
}

// sleep sends revisions to sleep in the background, unless that goes on.
func (l *Loop) sleep(ctx context.Context, idle []string) {
	if len(idle) == 0 {
		return
	}
	select {
	case l.slept <- struct{}{}:
	default:
		return
	}
	l.sleeps.Go(func() {
		defer func() { <-l.slept }()
		l.o.Fleet.Sleep(ctx, idle)
	})
}
