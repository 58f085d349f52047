// Package canary watches the trials of new revisions: it counts how the calls to
// them and to the other revisions end, and gives them all calls when their time
// is over, or none as soon as they do worse.
package canary

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/runagent/runagent/internal/deploy"
	"github.com/runagent/runagent/internal/fault"
	"github.com/runagent/runagent/internal/invocation"
)

const (
	// looks is how many times a trial is looked at, evenly in its time.
	looks = 100
	// level is the probability, at most, that one look takes a revision that is
	// as good as the others for a worse one. Two tests are made at each, so a whole
	// trial is wrong in two of 100 at most.
	level = 0.0001
)

// Verdict is how a trial has ended.
type Verdict struct {
	Fresh *deploy.Revision
	// Why is what it did worse; "" when it got all calls.
	Why string
}

// Options configures a Watch. All but Log are needed.
type Options struct {
	// Split is that of deploy.Deployer.
	Split func(ctx context.Context, agentID string, shares, from []deploy.Share) error
	// Decided is told of each trial that was not ended by others.
	Decided func(Verdict)
	Log     *slog.Logger
}

// Watch watches trials, at most one of each agent. It is safe for concurrent
// use.
type Watch struct {
	o      Options
	ctx    context.Context //nolint:containedctx // of all trials
	cancel context.CancelFunc
	wg     sync.WaitGroup

	running atomic.Int32 // how many trials there are
	trials  sync.Map     // agent ID → *trial
}

// trial is the trial of one revision.
type trial struct {
	agentID string
	fresh   *deploy.Revision
	shares  []deploy.Share
	until   time.Time
	over    chan struct{} // closed when others ended it

	mu       sync.Mutex // guards all that follows
	old, new deploy.Tally
}

// New returns a Watch, to be closed.
func New(o Options) *Watch {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	w := &Watch{o: o}
	w.ctx, w.cancel = context.WithCancel(context.Background())
	return w
}

// Close leaves the trials undecided.
func (w *Watch) Close() {
	w.cancel()
	w.wg.Wait()
}

// Switched is told that the traffic of an agent is another now: that ends the
// trial which it has, and may begin one.
func (w *Watch) Switched(to deploy.Split) {
	w.End(to.AgentID)
	if len(to.Fresh) > 0 && !to.CanaryUntil.IsZero() {
		w.Begin(to.Fresh[0], to.Shares, to.CanaryUntil)
	}
}

// Begin begins a trial of fresh, which has one of the shares.
func (w *Watch) Begin(fresh *deploy.Revision, shares []deploy.Share, until time.Time) {
	t := &trial{agentID: fresh.Agent.ID, fresh: fresh, shares: shares, until: until, over: make(chan struct{})}
	w.End(t.agentID)
	w.running.Add(1)
	w.trials.Store(t.agentID, t)
	w.wg.Go(func() { w.run(t) })
}

// End ends the trial of an agent, if it has one, and leaves its traffic alone.
func (w *Watch) End(agentID string) {
	if v, ok := w.trials.LoadAndDelete(agentID); ok {
		w.running.Add(-1)
		close(v.(*trial).over)
	}
}

// On reports whether an agent has a trial.
func (w *Watch) On(agentID string) bool {
	_, on := w.trials.Load(agentID)
	return on
}

// run looks at a trial until it is decided or over.
func (w *Watch) run(t *trial) {
	tick := time.NewTicker(max(time.Until(t.until)/looks, time.Millisecond))
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-t.over:
			return
		case <-w.ctx.Done():
			return
		}
		why, worse := t.worse()
		if !worse && time.Now().Before(t.until) {
			continue
		}
		if w.decide(t, why, worse) {
			return
		}
	}
}

// decide gives the fresh revision all calls or none. It returns false when that
// must be tried again.
func (w *Watch) decide(t *trial, why string, worse bool) bool {
	shares := []deploy.Share{{Revision: t.fresh, Percent: 100}}
	if worse {
		shares = deploy.Without(t.shares, t.fresh)
	}
	err := w.o.Split(w.ctx, t.agentID, shares, t.shares)
	switch {
	case errors.Is(err, deploy.ErrTrafficChanged):
		return true
	case err != nil:
		w.o.Log.Error("trial of a revision not decided", "agent_id", t.agentID, "revision", t.fresh.ID, "error", err)
		return false
	}
	w.o.Decided(Verdict{Fresh: t.fresh, Why: why})
	return true
}

func (t *trial) worse() (why string, worse bool) {
	t.mu.Lock()
	old, fresh := t.old, t.new
	t.mu.Unlock()
	return deploy.Worse(&old, &fresh, level)
}

// Record returns a recorder that counts the calls of trials, and hands all to
// next.
func (w *Watch) Record(next invocation.Recorder) invocation.Recorder { return recorder{next, w} }

type recorder struct {
	invocation.Recorder
	w *Watch
}

// Finished implements invocation.Recorder.
func (r recorder) Finished(rec invocation.Record) {
	if r.w.running.Load() > 0 {
		r.w.count(&rec)
	}
	r.Recorder.Finished(rec)
}

// count counts a call, by how long it took without the start of an instance.
func (w *Watch) count(rec *invocation.Record) {
	v, ok := w.trials.Load(rec.AgentID)
	if !ok || rec.Status == invocation.CanceledS {
		return
	}
	bad := rec.Status != invocation.Succeeded
	if bad && callersFault(rec.Error) {
		return
	}
	t := v.(*trial)
	t.mu.Lock()
	defer t.mu.Unlock()
	tally := &t.old
	if rec.Revision == t.fresh.ID {
		tally = &t.new
	}
	tally.Add(rec.Timings.Total-rec.Timings.Start, bad)
}

// callersFault reports whether a call failed by what it asked for.
func callersFault(wire json.RawMessage) bool {
	var e struct {
		Code fault.Code `json:"code"`
	}
	if json.Unmarshal(wire, &e) != nil {
		return false
	}
	switch e.Code {
	case fault.Validation, fault.PayloadTooLarge, fault.NotFound, fault.Conflict, fault.EntrypointNotFound:
		return true
	}
	return false
}
