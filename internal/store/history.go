// Package store keeps what must outlive a process in SQL databases. All SQL of
// the program is here, except for the discovery file that other programs share.
package store

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/runagent/runagent/internal/invocation"
	"github.com/runagent/runagent/internal/presence"
	"github.com/runagent/runagent/internal/store/sqlite"
)

//go:embed migrations/sqlite/*.sql
var migrations embed.FS

// HistoryOptions configures a History. Zero values mean the defaults.
type HistoryOptions struct {
	// Keep is how long records and log lines are kept: 7 days.
	Keep time.Duration
	// KeepPerAgent is how many records of each agent are kept: 10,000. From 1,000
	// on up to a tenth more may stay.
	KeepPerAgent int
	// KeepLinesPerAgent is how many log lines of each agent are kept: 100,000.
	KeepLinesPerAgent int
	// Buffer is how many records may wait to be written: 65,536. Callers wait
	// beyond that, and beyond BufferBytes (64 MiB), whichever is reached first.
	Buffer      int
	BufferBytes int
	// PayloadLimit is how much of an input or output is kept whole: 64 KiB.
	// Records normally come cut already (invocation.NewPayload); longer ones are
	// cut here.
	PayloadLimit int
	Clock        func() time.Time
	Log          *slog.Logger
}

func (o HistoryOptions) withDefaults() HistoryOptions {
	if o.Keep <= 0 {
		o.Keep = 7 * 24 * time.Hour
	}
	if o.KeepPerAgent <= 0 {
		o.KeepPerAgent = 10_000
	}
	if o.KeepLinesPerAgent <= 0 {
		o.KeepLinesPerAgent = 100_000
	}
	if o.Buffer <= 0 {
		o.Buffer = 65_536
	}
	if o.BufferBytes <= 0 {
		o.BufferBytes = 64 << 20
	}
	if o.PayloadLimit <= 0 {
		o.PayloadLimit = invocation.PayloadLimit
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

// History keeps records of invocations and the log lines of agents in one
// SQLite file. Several processes may share the file. It is safe for concurrent use.
//
// Writing is in batches, by Run. A disk that fails costs records, never calls:
// see Health and Dropped.
type History struct {
	o    HistoryOptions
	path string
	buf  *buffer
	// turn is held by who writes: Run, or a Flush or Close.
	turn chan struct{}
	// Only who holds turn touches these.
	write  *sql.DB
	over   map[string]totals // agents with more than may be kept
	agedAt time.Time         // when rows were last removed by age
	// size is how many records the next batch may have: fewer while the disk
	// fails, so that what little space there is gets used.
	size int

	read *sql.DB
	mark *presence.Mark
	// written is odd while a batch is being written, and then one more.
	written atomic.Uint64

	mu       sync.Mutex
	ready    bool // the schema is there
	health   error
	failedAt time.Time // of the last failure
	running  chan struct{}
	stop     chan struct{}
	stopped  bool
}

// OpenHistory opens the history database at path, in an existing folder, and
// settles what a killed server left running. It fails if the file is not ours
// to use: damaged, not a database, or written by a newer runagent. A disk that
// is full or read-only is no reason to fail: Health tells, and writing starts
// when the disk works.
//
// Run must be running for records to be written. The caller closes it.
func OpenHistory(path string, o HistoryOptions) (*History, error) {
	o = o.withDefaults()
	if info, err := os.Stat(filepath.Dir(path)); err != nil || !info.IsDir() {
		return nil, fmt.Errorf("open history %s: its folder does not exist", path)
	}
	// What agents were asked and answered is their owner's alone. If this
	// fails, so does the first statement, and says why.
	if f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600); err == nil {
		_ = f.Close() // nothing was written
	}
	write, err := sqlite.Open(path, "auto_vacuum(INCREMENTAL)", "journal_mode(WAL)", "synchronous(NORMAL)")
	if err != nil {
		return nil, fmt.Errorf("open history: %w", err)
	}
	write.SetMaxOpenConns(1)
	read, err := sqlite.Open(path, "query_only(1)")
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open history: %w", err), write.Close())
	}
	read.SetMaxOpenConns(4)
	h := &History{
		o: o, path: path, write: write, read: read,
		buf:  newBuffer(o.Buffer, o.BufferBytes),
		size: batchSize, turn: make(chan struct{}, 1), over: make(map[string]totals),
		mark: presence.New(path + ".servers"), stop: make(chan struct{}),
	}
	if err := h.setUp(); err != nil {
		if sqlite.Damaged(err) {
			err = fmt.Errorf("%s: %w", sqlite.Trouble(err), err)
		}
		if !sqlite.Passing(err) {
			return nil, errors.Join(fmt.Errorf("open history %s: %w", path, err), h.closeFiles())
		}
		h.fail(err)
	}
	return h, nil
}

// CheckHistory returns an error when this runagent can't take over the history
// in the file at path, which need not be there. Others may use it meanwhile.
func CheckHistory(ctx context.Context, path string) error {
	if err := sqlite.Check(ctx, path, migrations, "migrations/sqlite"); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// setUp does what needs a disk that works: the schema, our mark among the
// processes that share the file, and the settling of what others left.
func (h *History) setUp() error {
	if err := sqlite.Migrate(h.write, migrations, "migrations/sqlite", h.o.Clock()); err != nil {
		return err
	}
	if err := h.mark.Set(); err != nil {
		return err
	}
	if err := h.settleStopped(); err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ready = true
	return nil
}

// Started notes that an invocation runs. It returns at once unless the buffer is full.
func (h *History) Started(rec invocation.Record) { h.put(&rec) }

// Finished notes how an invocation ended. It returns at once unless the buffer is full.
func (h *History) Finished(rec invocation.Record) { h.put(&rec) }

func (h *History) put(rec *invocation.Record) {
	if len(rec.Input.JSON) > h.o.PayloadLimit {
		rec.Input = cut(rec.Input, h.o.PayloadLimit)
	}
	if len(rec.Output.JSON) > h.o.PayloadLimit {
		rec.Output = cut(rec.Output, h.o.PayloadLimit)
	}
	h.buf.put(rec)
}

// cut shortens a payload; one that was cut before keeps its size and digest.
func cut(p invocation.Payload, limit int) invocation.Payload {
	c := invocation.NewPayload(p.JSON, limit)
	if p.Truncated {
		c.Size, c.Digest = p.Size, p.Digest
	}
	return c
}

// AppendLog keeps a line that an agent printed. It never waits: lines beyond a
// quarter of the buffer are dropped and counted.
func (h *History) AppendLog(line invocation.LogLine) { h.buf.putLine(line) }

// Dropped returns how many records were lost since this History was opened.
func (h *History) Dropped() int64 {
	records, _ := h.buf.lost()
	return records
}

// DroppedLines returns how many log lines were lost.
func (h *History) DroppedLines() int64 {
	_, lines := h.buf.lost()
	return lines
}

// Health returns nil while records can be written, else what is wrong: the
// last failure until the next success.
func (h *History) Health() error {
	h.mu.Lock()
	health := h.health
	h.mu.Unlock()
	if health == nil {
		return nil
	}
	if n := h.Dropped(); n > 0 {
		return fmt.Errorf("%w (%d records dropped so far)", health, n)
	}
	return health
}

// fail notes a failure, and tells the log when it is a new one.
func (h *History) fail(err error) {
	h.mu.Lock()
	first := h.health == nil
	h.health = fmt.Errorf("history %s cannot be written: %s: %w", h.path, sqlite.Trouble(err), err)
	h.failedAt = time.Now()
	health := h.health
	h.mu.Unlock()
	if first {
		h.o.Log.Error("history cannot be written; records will be dropped", "error", health)
	}
}

// recovered notes a success after failures.
func (h *History) recovered() {
	h.mu.Lock()
	was := h.health
	h.health = nil
	h.mu.Unlock()
	if was == nil {
		return
	}
	h.buf.requeueRunning()
	records, lines := h.buf.lost()
	h.o.Log.Warn("history is written again", "dropped_records", records, "dropped_log_lines", lines)
}

func (h *History) usable() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.ready
}

// Close ends Run if it runs, writes what waits and closes the file. What can't
// be written counts as dropped; the error then says why.
func (h *History) Close() error {
	h.mu.Lock()
	if h.stopped {
		h.mu.Unlock()
		return nil
	}
	h.stopped = true
	close(h.stop)
	running := h.running
	h.mu.Unlock()
	h.buf.close()
	if running != nil {
		<-running
	}
	err := h.Flush(context.Background())
	h.buf.dropAll()
	return errors.Join(err, h.closeFiles())
}

func (h *History) closeFiles() error {
	err := errors.Join(h.read.Close(), h.write.Close())
	h.mark.Release()
	return err
}

var (
	_ invocation.Recorder = (*History)(nil)
	_ invocation.History  = (*History)(nil)
	_ invocation.Logs     = (*History)(nil)
)
