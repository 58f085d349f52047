package store_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/runagent/runagent/internal/invocation"
	"github.com/runagent/runagent/internal/store"
	"github.com/runagent/runagent/internal/store/sqlite"
	"github.com/runagent/runagent/internal/store/storetest"
)

func TestMain(m *testing.M) {
	if writeAsChild() {
		return
	}
	goleak.VerifyTestMain(m)
}

func TestHistoryOnSQLite(t *testing.T) {
	t.Parallel()
	storetest.History(t, func(t testing.TB) storetest.Opener {
		path := filepath.Join(t.TempDir(), "history.db")
		return func(t testing.TB, o store.HistoryOptions) *store.History { return open(t, path, o) }
	})
}

func open(t testing.TB, path string, o store.HistoryOptions) *store.History {
	t.Helper()
	h, err := store.OpenHistory(path, o)
	if err != nil {
		t.Fatalf("OpenHistory: %v", err)
	}
	return h
}

func clock() time.Time { return storetest.Start }

func TestOpenHistoryRefusesWhatIsNotOurs(t *testing.T) {
	t.Parallel()
	t.Run("newer", func(t *testing.T) {
		t.Parallel()
		path := filepath.Join(t.TempDir(), "history.db")
		if err := open(t, path, store.HistoryOptions{}).Close(); err != nil {
			t.Fatal(err)
		}
		db, err := sqlite.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := db.Exec(`INSERT INTO schema_migrations (version, name, applied_at) VALUES (99, '0099_future', 0)`); err != nil {
			t.Fatal(err)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		if err := store.CheckHistory(t.Context(), path); err == nil || !strings.Contains(err.Error(), "newer runagent") {
			t.Errorf("CheckHistory = %v, want it to name a newer runagent", err)
		}
		if err := store.CheckHistory(t.Context(), path+".absent"); err != nil {
			t.Errorf("CheckHistory of none = %v", err)
		}
		_, err = store.OpenHistory(path, store.HistoryOptions{})
		if err == nil || !strings.Contains(err.Error(), "newer runagent") {
			t.Errorf("OpenHistory = %v, want it to name a newer runagent", err)
		}
	})
	t.Run("no_database", func(t *testing.T) {
		t.Parallel()
		path := filepath.Join(t.TempDir(), "history.db")
		if err := os.WriteFile(path, []byte(strings.Repeat("this is no database\n", 200)), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := store.OpenHistory(path, store.HistoryOptions{})
		if err == nil || !strings.Contains(err.Error(), path+": the file is damaged; move it away and start again") {
			t.Errorf("OpenHistory = %v, want it to say what to do", err)
		}
	})
	t.Run("no_folder", func(t *testing.T) {
		t.Parallel()
		if _, err := store.OpenHistory(filepath.Join(t.TempDir(), "no", "history.db"), store.HistoryOptions{}); err == nil {
			t.Error("OpenHistory accepts a folder that does not exist")
		}
	})
}

func TestOpenHistoryTakesAnyPath(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "a b?c#d%20é&e")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "history.db")
	if err := open(t, path, store.HistoryOptions{}).Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Errorf("the file is elsewhere: %v", err)
	}
}

func TestCallersWaitForRoom(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]store.HistoryOptions{
		"records": {Buffer: 10},
		"bytes":   {BufferBytes: 30 << 10},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o.Clock = clock
			h := open(t, filepath.Join(t.TempDir(), "history.db"), o)
			put := make(chan int)
			go func() {
				defer close(put)
				for i := range 100 {
					h.Finished(storetest.Finish(storetest.Record("a1", i), invocation.Succeeded))
					put <- i
				}
			}()
			got := 0
			for blocked := false; !blocked; {
				select {
				case <-put:
					got++
				case <-time.After(300 * time.Millisecond): // shorter than the longest wait
					blocked = true
				}
			}
			if got >= 30 {
				t.Fatalf("%d records went in before anyone wrote, want callers to wait", got)
			}
			ran := make(chan error, 1)
			go func() { ran <- h.Run(t.Context()) }()
			for range put {
				got++
			}
			if err := h.Close(); err != nil {
				t.Error(err)
			}
			if err := <-ran; err != nil {
				t.Error(err)
			}
			if got != 100 || h.Dropped() != 0 {
				t.Errorf("%d records went in, %d were dropped, want 100 and none", got, h.Dropped())
			}
		})
	}
}

// TestHungWriterCostsRecordsNotCalls stands for a disk that answers nothing.
func TestHungWriterCostsRecordsNotCalls(t *testing.T) {
	t.Parallel()
	h := open(t, filepath.Join(t.TempDir(), "history.db"), store.HistoryOptions{Buffer: 10, Clock: clock})
	start := time.Now()
	for i := range 100 { // and nobody runs the writer
		h.Finished(storetest.Finish(storetest.Record("a1", i), invocation.Succeeded))
	}
	if took := time.Since(start); took > 20*time.Second {
		t.Errorf("100 records took %v, want one wait of 5 s", took)
	}
	if n := h.Dropped(); n != 90 {
		t.Errorf("%d records were dropped, want the 90 that found no room", n)
	}
	if err := h.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	h.Finished(storetest.Finish(storetest.Record("a1", 100), invocation.Succeeded))
	if err := h.Close(); err != nil || h.Dropped() != 90 {
		t.Errorf("after the writer moved: %v, %d dropped, want 90 as before", err, h.Dropped())
	}
}

func TestRecordsAfterCloseAreCounted(t *testing.T) {
	t.Parallel()
	h := open(t, filepath.Join(t.TempDir(), "history.db"), store.HistoryOptions{})
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	rec := storetest.Record("a1", 0)
	h.Started(rec)
	h.Finished(storetest.Finish(rec, invocation.Succeeded))
	h.AppendLog(invocation.LogLine{Text: "late"})
	if h.Dropped() != 1 || h.DroppedLines() != 1 {
		t.Errorf("%d records and %d lines were dropped, want 1 and 1", h.Dropped(), h.DroppedLines())
	}
	if err := h.Run(t.Context()); err == nil {
		t.Error("Run after Close returns no error")
	}
}

// TestOneBadRecordKeepsNoOthersOut shows that what a database refuses for
// itself is dropped alone, however healthy the disk is.
func TestOneBadRecordKeepsNoOthersOut(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "history.db")
	h := open(t, path, store.HistoryOptions{Clock: clock})
	db, err := sqlite.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	const refuse = `
		CREATE TRIGGER refuse BEFORE INSERT ON invocations WHEN NEW.agent_id = 'bad'
		BEGIN SELECT RAISE(ABORT, 'refused'); END`
	if _, err := db.Exec(refuse); err != nil {
		t.Fatal(err)
	}
	const good = 50
	for i := range good {
		h.Finished(storetest.Finish(storetest.Record("good", i), invocation.Succeeded))
		if i == good/2 {
			h.Finished(storetest.Finish(storetest.Record("bad", i), invocation.Succeeded))
		}
	}
	for tries := 0; h.Flush(t.Context()) != nil; tries++ {
		if tries == 100 {
			t.Fatalf("nothing else is written: %v", h.Health())
		}
	}
	if n := h.Dropped(); n != 1 {
		t.Errorf("%d records were dropped, want the bad one", n)
	}
	wantStats(t, h, "good", invocation.Stats{Total: good, Succeeded: good})
	if err := errors.Join(db.Close(), h.Close()); err != nil {
		t.Error(err)
	}
}

func TestHistoryIsItsOwnersAlone(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "history.db")
	h := open(t, path, store.HistoryOptions{})
	for _, suffix := range []string{"", "-wal", "-shm"} {
		info, err := os.Stat(path + suffix)
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("history.db%s: %v, %v, want mode 600", suffix, info.Mode(), err)
		}
	}
	if err := h.Close(); err != nil {
		t.Error(err)
	}
}

func TestRunWritesSoon(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "history.db")
	h := open(t, path, store.HistoryOptions{Clock: clock})
	ran := make(chan error, 1)
	go func() { ran <- h.Run(t.Context()) }()
	other := open(t, path, store.HistoryOptions{Clock: clock})
	rec := storetest.Record("a1", 0)
	h.Started(rec)
	deadline := time.Now().Add(10 * time.Second)
	for {
		if _, err := other.Invocation(t.Context(), rec.ID); err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("a record is not on disk after 10 s")
		}
	}
	if err := errors.Join(h.Close(), other.Close(), <-ran); err != nil {
		t.Error(err)
	}
}

// TestRunWaitsForEnds checks that a call that runs is not written at once, as
// most end soon, but before a second is over, while others are written meanwhile.
func TestRunWaitsForEnds(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "history.db")
	synctest.Test(t, func(t *testing.T) {
		h := open(t, path, store.HistoryOptions{})
		ran := make(chan error, 1)
		go func() { ran <- h.Run(t.Context()) }()
		other := open(t, path, store.HistoryOptions{})
		onDisk := func(rec invocation.Record) bool {
			_, err := other.Invocation(t.Context(), rec.ID)
			return err == nil
		}
		running, ended := storetest.Record("a1", 0), storetest.Record("a1", 1)
		h.Started(running)
		h.Started(ended)
		h.Finished(storetest.Finish(ended, invocation.Succeeded))
		<-time.After(300 * time.Millisecond)
		synctest.Wait()
		if onDisk(running) || !onDisk(ended) {
			t.Errorf("after 0.3 s what runs is on disk: %v, what has ended: %v; want the latter only", onDisk(running), onDisk(ended))
		}
		<-time.After(300 * time.Millisecond)
		synctest.Wait()
		if !onDisk(running) {
			t.Error("what runs is not on disk after 0.6 s")
		}
		if err := errors.Join(h.Close(), other.Close(), <-ran); err != nil {
			t.Error(err)
		}
	})
}

// BenchmarkRecord is what one call costs its caller.
func BenchmarkRecord(b *testing.B) {
	const between = 4096 // records that wait, at most, as while serving
	h := open(b, filepath.Join(b.TempDir(), "history.db"), store.HistoryOptions{Clock: clock})
	recs := make([]invocation.Record, between)
	b.ReportAllocs()
	for i := range b.N {
		if i%between == 0 {
			b.StopTimer()
			if err := h.Flush(b.Context()); err != nil {
				b.Fatal(err)
			}
			for k := range recs {
				recs[k] = storetest.Record("a1", i+k)
			}
			b.StartTimer()
		}
		rec := recs[i%between]
		h.Started(rec)
		rec.Status = invocation.Succeeded
		h.Finished(rec)
	}
	b.StopTimer()
	if err := h.Close(); err != nil {
		b.Error(err)
	}
}

// BenchmarkSustained is how fast records reach the disk, retention included.
func BenchmarkSustained(b *testing.B) {
	h := open(b, filepath.Join(b.TempDir(), "history.db"), store.HistoryOptions{Clock: clock})
	ran := make(chan error, 1)
	go func() { ran <- h.Run(b.Context()) }()
	start := time.Now()
	for i := 0; b.Loop(); i++ {
		rec := storetest.Record("a1", i)
		h.Started(rec)
		h.Finished(storetest.Finish(rec, invocation.Succeeded))
	}
	if err := errors.Join(h.Close(), <-ran); err != nil {
		b.Error(err)
	}
	b.ReportMetric(float64(b.N)/time.Since(start).Seconds(), "records/s")
	b.ReportMetric(float64(h.Dropped()), "dropped")
}
