package instance

import (
	"context"
	"slices"
)

// Usage is what a pool is doing at one moment.
type Usage struct {
	// Sync and Async are the calls of each kind in flight, of instances that are
	// leaving too; SyncQueued and AsyncQueued those that wait for a slot.
	Sync, Async, SyncQueued, AsyncQueued int
	// SyncSlots and AsyncSlots are the calls of each kind that one instance takes.
	SyncSlots, AsyncSlots int
	// Instances take calls, Leaving ones only end theirs.
	Instances, Leaving int
	// Wanted is the size that Resize asked for.
	Wanted int
	// Err is why the last start failed, nil after a good one.
	Err error
}

// InFlight says how many calls are running.
func (u *Usage) InFlight() int { return u.Sync + u.Async }

// Queued says how many calls wait for a slot.
func (u *Usage) Queued() int { return u.SyncQueued + u.AsyncQueued }

// Usage says what the pool is doing now.
func (p *Pool) Usage() Usage {
	p.mu.Lock()
	defer p.mu.Unlock()
	u := Usage{
		SyncQueued: len(p.waiting[slotSync]), AsyncQueued: len(p.waiting[slotAsync]),
		SyncSlots: p.s.SyncSlots, AsyncSlots: p.s.AsyncSlots,
		Instances: len(p.seats), Leaving: len(p.leaving), Wanted: p.tended - p.surplus, Err: p.lastErr,
	}
	for _, seats := range [][]*seat{p.seats, p.leaving} {
		for _, st := range seats {
			u.Sync += st.load[slotSync]
			u.Async += st.load[slotAsync]
		}
	}
	return u
}

// measured is how many instances of a pool are asked what they take.
const measured = 4

// InstanceMemory is what an instance takes on average, in bytes; 0 when that is
// not known. It asks the kernel.
func (p *Pool) InstanceMemory() int64 {
	p.mu.Lock()
	some := slices.Clone(p.seats[:min(measured, len(p.seats))])
	p.mu.Unlock()
	sum, known := int64(0), int64(0)
	for _, st := range some {
		if n := st.in.proc.Memory(); n > 0 {
			sum, known = sum+n, known+1
		}
	}
	if known == 0 {
		return 0
	}
	return sum / known
}

// Resize makes the pool one of size instances, at least 1. It returns at once:
// new instances take calls when they are ready, and those with the fewest calls
// leave, each when its last call has ended.
func (p *Pool) Resize(size int) {
	size = max(size, 1)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stopping {
		return
	}
	for ; p.tended-p.surplus < size; p.tended++ {
		if p.surplus > 0 { // it is still on its way: let it come
			p.surplus--
			p.tended--
			continue
		}
		p.wg.Go(func() { p.tend(nil) })
	}
	for p.tended-p.surplus > size {
		if len(p.seats) < p.tended-p.surplus { // one that is starting goes first
			p.surplus++
			continue
		}
		p.dismiss(p.leastBusy())
	}
}

// overfull reports whether a tend that has no instance is one too many; it
// must end then.
func (p *Pool) overfull() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.shed()
}

// shed takes one off an overfull pool, if it is one. p.mu is held.
func (p *Pool) shed() bool {
	if p.surplus == 0 {
		return false
	}
	p.surplus--
	p.tended--
	return true
}

// leastBusy is the seat with the fewest calls, the youngest of equals. p.mu is
// held, and there is one.
func (p *Pool) leastBusy() *seat {
	best := p.seats[0]
	for _, st := range p.seats[1:] {
		if st.calls() <= best.calls() {
			best = st
		}
	}
	return best
}

// dismiss lets a seat end its calls and get no more. p.mu is held.
func (p *Pool) dismiss(st *seat) {
	p.seats = without(p.seats, st)
	p.leaving = append(p.leaving, st)
	p.tended--
	close(st.dismissed)
	if st.calls() == 0 {
		close(st.empty)
	}
}

// retire ends a dismissed instance once its last call has ended.
func (p *Pool) retire(st *seat) {
	select {
	case <-st.empty:
	case <-st.in.Ended():
	case <-p.ctx.Done(): // Stop ends it
		return
	}
	ctx, cancel := context.WithTimeout(p.ctx, farewell)
	defer cancel()
	st.in.Stop(ctx)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.leaving = without(p.leaving, st)
}

func (st *seat) calls() int { return st.load[slotSync] + st.load[slotAsync] }

// gone reports whether the seat was dismissed.
func (st *seat) gone() bool {
	select {
	case <-st.dismissed:
		return true
	default:
		return false
	}
}

// vacate frees a slot: for the call that waits longest, if the seat stays.
// p.mu is held.
func (p *Pool) vacate(st *seat, k slotKind) {
	st.load[k]--
	switch {
	case !st.gone():
		p.serveWaiters(st)
	case st.calls() == 0:
		close(st.empty)
	}
}
