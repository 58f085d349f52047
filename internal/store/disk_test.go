//go:build linux

package store_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/runagent/runagent/internal/invocation"
	"github.com/runagent/runagent/internal/store"
	"github.com/runagent/runagent/internal/store/storetest"
)

// smallDisk mounts a file system of its own, of 8 MiB.
func smallDisk(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=8m"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("mount a small disk: %v", err)
		}
		t.Skipf("needs the right to mount a small disk: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Errorf("unmount: %v", err)
		}
	})
	return dir
}

// fill leaves no space on the disk of dir and returns the file that takes it.
func fill(t *testing.T, dir string) string {
	t.Helper()
	path := filepath.Join(dir, "ballast")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	block := make([]byte, 4096)
	for err == nil {
		_, err = f.Write(block)
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("fill the disk: %v", err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

// finished returns a record with a payload of 1 KiB, which needs disk space.
func finished(n int) invocation.Record {
	rec := storetest.Finish(storetest.Record("a1", n), invocation.Succeeded)
	rec.Output = invocation.NewPayload(bytes.Repeat([]byte("7"), 1<<10), 0)
	return rec
}

func TestFullDiskDropsRecordsAndResumes(t *testing.T) {
	t.Parallel()
	dir := smallDisk(t)
	h := open(t, filepath.Join(dir, "history.db"), store.HistoryOptions{Clock: clock})
	runs := storetest.Record("a1", 0)
	ballast := fill(t, dir)
	h.Started(runs)
	const many = int64(2500)
	for i := range int(many) {
		h.Finished(finished(i))
		if i%500 == 499 {
			if err := h.Flush(t.Context()); err == nil {
				t.Fatal("Flush to a full disk succeeds")
			}
		}
	}
	health := h.Health()
	if health == nil || !strings.Contains(health.Error(), "disk is full") {
		t.Errorf("Health = %v, want it to say that the disk is full", health)
	}
	if n := h.Dropped(); n != many-1000 {
		t.Errorf("%d of %d records were dropped, want all but the newest batch", n, many)
	}
	if recs, _, err := h.Invocations(t.Context(), invocation.Filter{AgentID: "a1", Status: invocation.Running}); err != nil || len(recs) != 1 {
		t.Errorf("%d running records are seen (%v), want the one that was started", len(recs), err)
	}

	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	lost := h.Dropped()
	rec := storetest.Record("a3", 0)
	h.Started(rec)
	h.Finished(storetest.Finish(rec, invocation.Succeeded))
	if err := h.Flush(t.Context()); err != nil || h.Health() != nil || h.Dropped() != lost {
		t.Fatalf("with space again: Flush %v, Health %v, %d dropped since, want all well", err, h.Health(), h.Dropped()-lost)
	}
	// What still runs gets its row after all, for other processes to see.
	if err := h.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	other := open(t, filepath.Join(dir, "history.db"), store.HistoryOptions{Clock: clock})
	wantStats(t, other, "a1", invocation.Stats{Total: many - lost + 1, Succeeded: many - lost, Running: 1})
	h.Finished(storetest.Finish(runs, invocation.Succeeded))
	if err := errors.Join(h.Close(), other.Close()); err != nil {
		t.Error(err)
	}
	h = open(t, filepath.Join(dir, "history.db"), store.HistoryOptions{Clock: clock})
	wantStats(t, h, "a1", invocation.Stats{Total: many - lost + 1, Succeeded: many - lost + 1})
	wantStats(t, h, "a3", invocation.Stats{Total: 1, Succeeded: 1})
	if err := h.Close(); err != nil {
		t.Error(err)
	}
}

// TestRunResumes shows that writing starts again without anyone asking, and
// that callers never wait for a disk that fails.
func TestRunResumes(t *testing.T) {
	t.Parallel()
	dir := smallDisk(t)
	h := open(t, filepath.Join(dir, "history.db"), store.HistoryOptions{Clock: clock, Buffer: 1500})
	ballast := fill(t, dir)
	ran := make(chan error, 1)
	go func() { ran <- h.Run(t.Context()) }()
	const many = 20_000
	start := time.Now()
	for i := range many {
		h.Finished(finished(i))
	}
	if took := time.Since(start); took > 20*time.Second {
		t.Errorf("%d records took %v while the disk was full", many, took)
	}
	awaitHealth(t, h, false)
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	awaitHealth(t, h, true)
	stats, err := h.Stats(t.Context(), "a1")
	if err != nil || stats.Total != many-h.Dropped() || stats.Total == 0 {
		t.Errorf("%d records are there (%v), %d dropped, want %d together", stats.Total, err, h.Dropped(), many)
	}
	if err := errors.Join(h.Close(), <-ran); err != nil {
		t.Error(err)
	}
}

func awaitHealth(t *testing.T, h *store.History, good bool) {
	t.Helper()
	look := time.NewTicker(5 * time.Millisecond)
	defer look.Stop()
	for deadline := time.Now().Add(20 * time.Second); (h.Health() == nil) != good; <-look.C {
		if time.Now().After(deadline) {
			t.Fatalf("Health is still %v", h.Health())
		}
	}
}

// TestAlmostFullDiskIsUsed shows that a batch too large for the disk does not
// keep smaller ones out.
func TestAlmostFullDiskIsUsed(t *testing.T) {
	t.Parallel()
	dir := smallDisk(t)
	h := open(t, filepath.Join(dir, "history.db"), store.HistoryOptions{Clock: clock})
	for i := range 900 {
		rec := finished(i)
		rec.Output = invocation.NewPayload(bytes.Repeat([]byte("7"), 16<<10), 0)
		h.Finished(rec)
	}
	for range 10 {
		_ = h.Flush(t.Context()) // fails until the parts are small enough, and again at the end
	}
	if err := h.Health(); err == nil {
		t.Error("14 MiB went to a disk of 8 MiB in good health")
	}
	got, err := h.Stats(t.Context(), "a1")
	if err != nil || got.Total != 900-h.Dropped() {
		t.Errorf("%d records are seen (%v), %d dropped, want 900 together", got.Total, err, h.Dropped())
	}
	if err := h.Close(); err == nil {
		t.Error("Close says nothing of records that could not be written")
	}
	if n := h.Dropped(); n >= 900 || n == 0 {
		t.Errorf("%d of 900 records were dropped, want those that did not fit", n)
	}
}

func TestReadOnlyDisk(t *testing.T) {
	t.Parallel()
	dir := smallDisk(t)
	if err := syscall.Mount("", dir, "", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	h := open(t, filepath.Join(dir, "history.db"), store.HistoryOptions{Clock: clock})
	if err := h.Health(); err == nil {
		t.Error("a history on a read-only disk is healthy")
	}
	rec := storetest.Record("a1", 0)
	h.Started(rec)
	if err := h.Flush(t.Context()); err == nil {
		t.Error("Flush to a read-only disk succeeds")
	}
	if _, err := h.Invocation(t.Context(), rec.ID); err != nil {
		t.Errorf("what runs is not seen: %v", err)
	}
	if err := syscall.Mount("", dir, "", syscall.MS_REMOUNT, ""); err != nil {
		t.Fatal(err)
	}
	h.Finished(storetest.Finish(rec, invocation.Succeeded))
	if err := h.Flush(t.Context()); err != nil || h.Health() != nil || h.Dropped() != 0 {
		t.Errorf("writable again: Flush %v, Health %v, %d dropped, want all well", err, h.Health(), h.Dropped())
	}
	if recs, _, err := h.Invocations(t.Context(), invocation.Filter{Status: invocation.Succeeded}); err != nil || len(recs) != 1 {
		t.Errorf("%d records are kept (%v), want 1", len(recs), err)
	}
	if err := h.Close(); err != nil {
		t.Error(err)
	}
}
