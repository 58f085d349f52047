package store

import (
	"slices"
	"sync"
	"time"

	"github.com/runagent/runagent/internal/invocation"
)

const (
	// batchSize is how many records or lines go into one transaction: enough
	// to spread its cost, few enough that other processes get their turn.
	batchSize = 1000
	// batchBytes bounds the same for long payloads.
	batchBytes = 8 << 20
	// recordCost is what a record costs in memory beside its payloads.
	recordCost = 1 << 10
	// lineCost is what a log line costs beside its text.
	lineCost = 256
	// The writer hangs if it gets nothing done, neither writes nor fails, while
	// a caller waits for room so many times so long. Calls then matter more
	// than their records. One long wait would also be over when the machine
	// has slept.
	hungWaits = 5
	hungWait  = time.Second
)

// entry is a record that is running or not yet written.
type entry struct {
	rec *invocation.Record
	// queued: it waits to be written as it is now.
	queued bool
	// young: it is queued, but runs since no longer than runningAfter, so that
	// its end is waited for.
	young bool
	since time.Time // when it became young
	// onDisk: a row of it exists, from when it was running.
	onDisk bool

	first invocation.Record // what rec points to at first; saves an allocation
}

// item is an entry as it was when the writer took it.
type item struct {
	e      *entry
	rec    *invocation.Record
	onDisk bool
}

// batch is what one transaction writes.
type batch struct {
	items []item
	lines []invocation.LogLine
}

// buffer holds what is running or not yet written. It is safe for concurrent
// use; take, done, failed and requeueRunning are the writer's.
type buffer struct {
	maxCount, maxBytes int
	// wake tells the writer that something waits, full that a batch does.
	wake, full chan struct{}

	mu    sync.Mutex
	live  map[string]*entry // by invocation ID
	queue []*entry          // what is to be written next: all that is queued and not young
	young int               // how many are
	// lookedAt is when those that were young no longer were looked for.
	lookedAt time.Time
	lines    []invocation.LogLine
	// count and bytes are of queued records and those being written.
	count, bytes int
	lineBytes    int
	moves        uint64        // how often the writer got something done
	hung         bool          // it does not, and nobody waits for it
	room         chan struct{} // closed when there is room again; nil if nobody waits
	closed       bool
	dropped      int64
	droppedLines int64
}

func newBuffer(maxCount, maxBytes int) *buffer {
	return &buffer{
		maxCount: maxCount, maxBytes: maxBytes,
		wake: make(chan struct{}, 1), full: make(chan struct{}, 1),
		live: make(map[string]*entry),
	}
}

// put takes a record in: a new one, or the end of one that runs. A running
// record that finds no room is still known to readers; only its end is dropped.
func (b *buffer) put(rec *invocation.Record) {
	b.mu.Lock()
	defer b.mu.Unlock()
	e, n, room := b.live[rec.ID], cost(rec), true
	if (e == nil || !e.queued) && !b.fits(n) {
		room = b.waitForRoom(n)
		e = b.live[rec.ID]
	}
	if e != nil && e.queued { // not yet written: the newer state takes its place
		b.bytes += n - cost(e.rec)
		*e.rec = *rec
		if e.young && rec.Status.Done() {
			b.ripen(e)
		}
		return
	}
	if e == nil {
		e = &entry{first: *rec}
		e.rec = &e.first
	} else {
		e.rec = clone(rec) // the writer may be reading the old one
	}
	if !room {
		b.leave(e)
		return
	}
	b.live[rec.ID] = e
	b.admit(e)
	if rec.Status.Done() {
		b.ripen(e)
	}
	signal(b.wake)
}

// waitForRoom waits until n more bytes fit, or the writer hangs. It gives b.mu
// up meanwhile.
func (b *buffer) waitForRoom(n int) bool {
	for waits := 0; !b.closed && !b.hung && !b.fits(n); {
		before := b.moves
		if b.room == nil {
			b.room = make(chan struct{})
		}
		b.waitOn(b.room)
		waits++
		if b.moves != before {
			waits = 0
		}
		b.hung = b.hung || waits == hungWaits
	}
	return b.fits(n)
}

// waitOn waits a while for room to be closed, without b.mu.
func (b *buffer) waitOn(room <-chan struct{}) {
	signal(b.full)
	b.mu.Unlock()
	defer b.mu.Lock()
	timer := time.NewTimer(hungWait)
	defer timer.Stop()
	select {
	case <-room:
	case <-timer.C:
	}
}

// moved notes that the writer has got something done.
func (b *buffer) moved() {
	b.moves++
	b.hung = false
}

// fits reports whether n more bytes may wait. One record always may, however
// large it is.
func (b *buffer) fits(n int) bool {
	return !b.closed && (b.count == 0 || b.count < b.maxCount && b.bytes+n <= b.maxBytes)
}

// admit takes e in as young.
func (b *buffer) admit(e *entry) {
	e.queued, e.young, e.since = true, true, time.Now()
	b.young++
	b.count++
	b.bytes += cost(e.rec)
}

// ripen puts what was young among what is to be written next.
func (b *buffer) ripen(e *entry) {
	e.young = false
	b.young--
	b.queue = append(b.queue, e)
	if len(b.queue) >= batchSize {
		signal(b.full)
	}
}

// ripenSince ripens, in their order, those that became young until then.
func (b *buffer) ripenSince(then time.Time) {
	if b.young == 0 {
		return
	}
	var ripe []*entry
	for _, e := range b.live {
		if e.young && !e.since.After(then) {
			ripe = append(ripe, e)
		}
	}
	slices.SortFunc(ripe, func(x, y *entry) int { return x.since.Compare(y.since) })
	for _, e := range ripe {
		b.ripen(e)
	}
}

// release gives back the room of a record that waits no longer.
func (b *buffer) release(rec *invocation.Record) {
	b.count--
	b.bytes -= cost(rec)
	if b.room != nil {
		close(b.room)
		b.room = nil
	}
}

// leave lets go of an entry that will not be written: one that runs stays
// known, one that has ended is lost.
func (b *buffer) leave(e *entry) {
	e.queued = false
	if e.rec.Status.Done() {
		delete(b.live, e.rec.ID)
		b.dropped++
		return
	}
	b.live[e.rec.ID] = e
}

// putLine takes a log line in. It never waits: an instance's reader must not
// stand still for its logs, so without room the line is dropped.
func (b *buffer) putLine(line invocation.LogLine) {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := lineCost + len(line.Text)
	if b.closed || b.lineBytes+n > b.maxBytes/4 {
		b.droppedLines++
		return
	}
	b.lines = append(b.lines, line)
	b.lineBytes += n
	signal(b.wake)
	if len(b.lines) >= batchSize {
		signal(b.full)
	}
}

// take removes the oldest batch from the queues, of at most count records and
// count lines. What is young stays unless all is asked for or room is needed.
func (b *buffer) take(count int, all bool) batch {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	switch {
	case all || b.room != nil:
		b.ripenSince(now)
	case now.Sub(b.lookedAt) >= flushEvery:
		b.ripenSince(now.Add(-runningAfter))
		b.lookedAt = now
	}
	var t batch
	for size := 0; len(t.items) < min(count, len(b.queue)) && size < batchBytes; {
		e := b.queue[len(t.items)]
		e.queued = false
		size += cost(e.rec)
		t.items = append(t.items, item{e, e.rec, e.onDisk})
	}
	clear(b.queue[:len(t.items)])
	b.queue = b.queue[len(t.items):]
	if len(b.queue) == 0 {
		b.queue = nil
	}
	n := min(count, len(b.lines))
	t.lines = b.lines[:n:n]
	b.lines = b.lines[n:]
	if len(b.lines) == 0 {
		b.lines = nil
	}
	return t
}

// done notes that t is written.
func (b *buffer) done(t batch) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.moved()
	for _, it := range t.items {
		it.e.onDisk = true
		b.release(it.rec)
		if it.rec.Status.Done() && !it.e.queued && b.live[it.rec.ID] == it.e {
			delete(b.live, it.rec.ID)
		}
	}
	b.releaseLines(t.lines)
}

// failed puts t back to be tried again with what came since, and drops what
// exceeds one batch, oldest first: while the disk fails, callers must not wait.
func (b *buffer) failed(t batch) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.moved()
	back := make([]*entry, 0, len(t.items)+len(b.queue))
	for _, it := range t.items {
		b.release(it.rec)
		if it.e.queued || b.live[it.rec.ID] != it.e { // a newer state waits, or was dropped
			continue
		}
		it.e.queued = true
		b.count++
		b.bytes += cost(it.e.rec)
		back = append(back, it.e)
	}
	b.queue = append(back, b.queue...)
	b.ripenSince(time.Now())
	b.lines = append(t.lines, b.lines...)
	b.drop(batchSize, batchBytes)
}

// lose counts t, which was taken, as dropped.
func (b *buffer) lose(t batch) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.moved()
	for _, it := range t.items {
		b.release(it.rec)
		if !it.e.queued && b.live[it.rec.ID] == it.e {
			b.leave(it.e)
		}
	}
	b.releaseLines(t.lines)
	b.droppedLines += int64(len(t.lines))
}

// drop lets the oldest records and lines go until at most count and size are left.
func (b *buffer) drop(count, size int) {
	gone := 0
	for ; gone < len(b.queue) && (b.count > count || b.bytes > size); gone++ {
		e := b.queue[gone]
		b.release(e.rec)
		b.leave(e)
	}
	clear(b.queue[:gone])
	b.queue = b.queue[gone:]
	if n := len(b.lines) - count; n > 0 {
		b.releaseLines(b.lines[:n])
		b.lines = b.lines[n:]
		b.droppedLines += int64(n)
	}
}

func (b *buffer) releaseLines(lines []invocation.LogLine) {
	for i := range lines {
		b.lineBytes -= lineCost + len(lines[i].Text)
	}
}

// requeueRunning asks for rows of the running records that were let go while
// the disk failed.
func (b *buffer) requeueRunning() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, e := range b.live {
		if !e.queued && !e.onDisk && b.fits(cost(e.rec)) {
			b.admit(e)
			signal(b.wake)
		}
	}
}

// close refuses what comes from now on and wakes who waits for room.
func (b *buffer) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	if b.room != nil {
		close(b.room)
		b.room = nil
	}
}

// dropAll counts as lost what could not be written before the end.
func (b *buffer) dropAll() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ripenSince(time.Now())
	b.drop(0, 0)
}

// waiting reports how many records or lines, whichever are more, wait.
func (b *buffer) waiting() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return max(len(b.queue), len(b.lines))
}

// idle reports whether nothing waits, nor will.
func (b *buffer) idle() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.queue)+len(b.lines)+b.young == 0
}

// linesWait reports whether log lines wait to be written or are being written.
func (b *buffer) linesWait() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.lineBytes > 0
}

// lost returns how many records and log lines were dropped so far.
func (b *buffer) lost() (records, lines int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.dropped, b.droppedLines
}

// one returns the record with the given ID if it is running or not yet written.
func (b *buffer) one(id string) *invocation.Record {
	b.mu.Lock()
	defer b.mu.Unlock()
	if e := b.live[id]; e != nil {
		return clone(e.rec)
	}
	return nil
}

// unwritten is a copy of a record that is running or not yet written.
type unwritten struct {
	invocation.Record
	onDisk bool // a row of it exists and says that it runs
}

// snapshot returns copies of what is running or not yet written and matches.
func (b *buffer) snapshot(match func(*invocation.Record) bool) []unwritten {
	b.mu.Lock()
	defer b.mu.Unlock()
	var out []unwritten
	for _, e := range b.live {
		if match(e.rec) {
			out = append(out, unwritten{*e.rec, e.onDisk})
		}
	}
	return out
}

func cost(rec *invocation.Record) int {
	return recordCost + len(rec.Input.JSON) + len(rec.Output.JSON) + len(rec.Error) + len(rec.Usage)
}

func clone(rec *invocation.Record) *invocation.Record {
	c := *rec
	return &c
}

// signal tells the reader of c, once however often it is called before that.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
