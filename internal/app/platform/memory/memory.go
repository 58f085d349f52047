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
	o     Options
	used  atomic.Int64
	tight atomic.Int64 // how much is missing, when making room did not help
}

// NewWatch returns a Watch that has seen nothing yet.
func NewWatch(o Options) *Watch {
	if o.Free == nil {
		o.Free = free
	}
	return &Watch{o: o}
}

// Run watches until ctx ends.
func (w *Watch) Run(ctx context.Context) error {
	for {
		began := time.Now()
		w.Look(ctx)
		pause := time.NewTimer(max(lookEvery, lookShare*time.Since(began)))
		select {
		case <-pause.C:
		case <-ctx.Done():
			pause.Stop()
			return nil
		}
	}
}

// Look looks once, and makes room if it must.
func (w *Watch) Look(ctx context.Context) {
	used := w.o.Machine.UsedMemory()
	w.used.Store(used)
	limit := float64(w.o.Limit)
	short := int64(0)
	if float64(used) > full*limit {
		short = used - int64(roomy*limit)
	}
	left, total := w.o.Free()
	if total > 0 && float64(left) < spared*float64(total) {
		short = max(short, int64(spared*float64(total))-left)
	}
	if short == 0 {
		w.tight.Store(0)
		return
	}
	freed := w.o.Machine.MakeRoom(ctx, short)
	missing := used - freed - int64(full*limit)
	if total > 0 {
		missing = max(missing, int64(spared*float64(total))-left-freed)
	}
	w.tight.Store(max(0, missing))
	if freed > 0 || missing > 0 {
		w.o.Log.Info("memory is short", "used_bytes", used, "limit_bytes", w.o.Limit, "free_bytes", left, "freed_bytes", freed)
	}
}

// Used is what agents took when it was looked at last.
func (w *Watch) Used() int64 { return w.used.Load() }

// Limit is what agents may take.
func (w *Watch) Limit() int64 { return w.o.Limit }

// Admit returns an error when there is no memory for one more instance.
func (w *Watch) Admit() error {
	if w.tight.Load() == 0 {
		return nil
	}
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
