// Package memory watches how much memory agents take, and makes room in good
// time: first zygotes go that nobody needs now, then instances that nobody
// calls; only when that is not enough are starts refused.
package memory

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/runagent/runagent/internal/agent"
	"github.com/runagent/runagent/internal/fault"
)

const (
	// lookEvery is how often memory is looked at, if that is cheap.
	lookEvery = time.Second
	// lookShare is how much longer than a look the pause after it is.
	lookShare = 20
	// full and roomy are the parts of the limit at which room is made, and how
	// much is in use afterwards.
	full, roomy = 0.90, 0.80
	// spared is the part of the machine that is never given to agents.
	spared = 0.05
	// startTakes is what a start is counted for until it has ended and can be seen.
	startTakes = 48 << 20
	// cheap is how long a look may take that is taken at each start; a longer one
	// is when those since the last may have filled what was left.
	cheap = 50 * time.Millisecond
	// admitWithin is how long a start waits for others.
	admitWithin = 10 * time.Second
	// refusedFor is when callers may try again.
	refusedFor = 5 * time.Second
)

// Machine is where the agents are.
type Machine interface {
	// UsedMemory is what all agents take.
	UsedMemory() int64
	// MakeRoom ends what is not needed now, until about that much is given
	// back, and returns how much that was.
	MakeRoom(ctx context.Context, bytes int64) int64
}

// Options configures a Watch. Machine, Limit and Log are needed.
type Options struct {
	Machine Machine
	// Limit is what all agents may take together.
	Limit int64
	// Free says what the machine has left and has in all; nil asks the kernel.
	Free func() (free, total int64)
	Log  *slog.Logger
}

// Watch watches the memory of a machine. It is safe for concurrent use.
type Watch struct {
	o    Options
	used atomic.Int64

	mu       sync.Mutex    // guards all that follows; one looks, and makes room, at a time
	took     time.Duration // of the last look, making room left out
	missing  int64         // when making room did not help
	unseen   int64         // starts since the last look that can't have been in it
	gap      int64         // what was left then until room must be made
	starting int64
	ended    chan struct{} // closed, and made anew, when a start has ended
}

// NewWatch returns a Watch that has seen nothing yet.
func NewWatch(o Options) *Watch {
	if o.Free == nil {
		o.Free = free
	}
	return &Watch{o: o, ended: make(chan struct{})}
}

// Run watches until ctx ends.
func (w *Watch) Run(ctx context.Context) error {
	for {
		pause := time.NewTimer(max(lookEvery, lookShare*w.Look(ctx)))
		select {
		case <-pause.C:
		case <-ctx.Done():
			pause.Stop()
			return nil
		}
	}
}

// Look looks once, and makes room if it must. It returns how long the look
// took: making room, which may take long, is left out.
func (w *Watch) Look(ctx context.Context) time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.look(ctx)
	return w.took
}

// look is Look with w.mu held. Starts that can't be seen yet count.
func (w *Watch) look(ctx context.Context) {
	began := time.Now()
	used := w.o.Machine.UsedMemory()
	w.took = time.Since(began)
	w.used.Store(used)
	used += w.starting * startTakes
	left, total := w.o.Free()
	left -= w.starting * startTakes
	limit, spare := float64(w.o.Limit), int64(spared*float64(total))
	short := func(part float64, freed int64) int64 {
		by := used - freed - int64(part*limit)
		if total > 0 {
			by = max(by, spare-left-freed)
		}
		return by
	}
	w.unseen, w.gap, w.missing = 0, -short(full, 0), 0
	if w.gap >= 0 {
		return
	}
	freed := w.o.Machine.MakeRoom(ctx, short(roomy, 0))
	w.gap = -short(full, freed)
	w.missing = max(0, -w.gap)
	w.o.Log.Info("memory is short", "used_bytes", used, "limit_bytes", w.o.Limit, "free_bytes", left, "freed_bytes", freed)
}

// Used is what agents took when it was looked at last.
func (w *Watch) Used() int64 { return w.used.Load() }

// Limit is what agents may take.
func (w *Watch) Limit() int64 { return w.o.Limit }

// Admit makes room for one more start, which has ended when done is called. It
// waits while others start, and returns an error when there is no room.
func (w *Watch) Admit(ctx context.Context) (done func(), err error) {
	patience := time.NewTimer(admitWithin)
	defer patience.Stop()
	for {
		ended, admitted := w.try(ctx)
		if admitted {
			return w.end, nil
		}
		if ended == nil {
			return nil, w.refusal()
		}
		select {
		case <-ended:
		case <-patience.C:
			return nil, w.refusal()
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// try begins a start if there is room; else ended is closed when another start
// has ended, nil if there is none.
func (w *Watch) try(ctx context.Context) (ended <-chan struct{}, admitted bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.starting++
	w.unseen++
	if w.took < cheap || w.unseen*startTakes > w.gap {
		w.look(ctx)
	}
	if w.missing == 0 {
		return nil, true
	}
	if w.starting--; w.starting == 0 {
		return nil, false
	}
	return w.ended, false
}

// end ends a start.
func (w *Watch) end() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.starting--
	close(w.ended)
	w.ended = make(chan struct{})
}

func (w *Watch) refusal() error {
	return fault.New(fault.Overloaded, "no instance can start: agents take %d MiB of the %d MiB that they may", w.Used()>>20, w.o.Limit>>20).
		WithSuggestion("The operator can raise --max-memory, or stop other agents.").WithRetryAfter(refusedFor)
}

// ParseLimit reads a part of total, such as "80%", or a size, such as "8GiB".
func ParseLimit(text string, total int64) (int64, error) {
	if part, ok := strings.CutSuffix(strings.TrimSpace(text), "%"); ok {
		percent, err := strconv.ParseFloat(part, 64)
		if err != nil || !(percent > 0) || percent > 100 {
			return 0, fmt.Errorf("%q is not a part such as \"80%%\"", text)
		}
		return int64(float64(total) * percent / 100), nil
	}
	n, err := agent.ParseSize(text)
	if err != nil {
		return 0, fmt.Errorf("%q is neither a part such as \"80%%\" nor a size such as \"8GiB\"", text)
	}
	return n, nil
}
