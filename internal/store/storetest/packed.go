package storetest

import (
	"slices"
	"testing"
	"time"

	"github.com/runagent/runagent/internal/fault"
	"github.com/runagent/runagent/internal/invocation"
	"github.com/runagent/runagent/internal/store"
)

// Records that end within one batch may be kept in another form than rows of
// their own. Nobody must be able to tell.
func testPacked(t *testing.T, opener Opener) {
	h := open(t, opener, store.HistoryOptions{})
	const n = 400
	all := make([]invocation.Record, n) // newest first
	for i := range n {
		rec := Record("a1", i/3)
		rec.RequestID = rec.ID
		switch {
		case i%50 == 7: // stays in memory, or becomes a row that says so
		case i%9 == 0:
			rec = Finish(rec, invocation.FailedS)
			rec.Entrypoint, rec.SessionID = "other", "s1"
			rec.Error = []byte(`{"code":"EXECUTION_ERROR"}`)
		default:
			rec = Finish(rec, invocation.Succeeded)
		}
		if h.Started(rec); rec.Status.Done() {
			h.Finished(rec)
		}
		all[n-1-i] = rec
		h.Finished(Finish(Record("a2", i/3), invocation.Succeeded))
		if i%150 == 149 {
			flush(t, h)
		}
	}
	flush(t, h)
	checkFilters(t, h, all)
	for _, at := range []int{0, 1, n / 3, n - 1} {
		got, err := h.Invocation(t.Context(), all[at].ID)
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "a record by its ID", *got, all[at])
	}
	if _, err := h.Invocation(t.Context(), all[0].ID[:20]); fault.CodeOf(err) != fault.NotFound {
		t.Errorf("an ID between two of them = %v, want NOT_FOUND", err)
	}
	stats, err := h.Stats(t.Context(), "a1")
	if want := (invocation.Stats{Total: n, Succeeded: 348, Failed: 44, Running: 8, EverStored: n, AvgDuration: 2 * time.Millisecond}); err != nil || stats != want {
		t.Errorf("Stats = %+v, %v, want %+v", stats, err, want)
	}
}

// checkFilters lists by all kinds of filters, in pages, and compares with what
// of all, newest first, they mean.
func checkFilters(t *testing.T, h *store.History, all []invocation.Record) {
	t.Helper()
	for _, f := range []invocation.Filter{
		{}, {Limit: 7}, {Status: invocation.FailedS}, {Status: invocation.Running}, {Status: invocation.TimedOut},
		{Entrypoint: "other"}, {SessionID: "s1", Limit: 3}, {Since: all[len(all)/2].CreatedAt},
	} {
		f.AgentID = "a1"
		var want []invocation.Record
		for _, rec := range all {
			if (f.Status == "" || rec.Status == f.Status) && (f.Entrypoint == "" || rec.Entrypoint == f.Entrypoint) &&
				(f.SessionID == "" || rec.SessionID == f.SessionID) && !rec.CreatedAt.Before(f.Since) {
				want = append(want, rec)
			}
		}
		var got []invocation.Record
		for more := true; more; more = f.Cursor != "" {
			var recs []invocation.Record
			recs, f.Cursor = list(t, h, f)
			got = append(got, recs...)
		}
		if !slices.EqualFunc(got, want, func(a, b invocation.Record) bool { return a.ID == b.ID }) {
			t.Errorf("%+v: %d records, want %d, or in another order", f, len(got), len(want))
		}
	}
}

// The bounds hold for many at once, too: by number, up to a tenth more where
// that is large, and by age.
func testPackedRetention(t *testing.T, opener Opener) {
	now := Start
	o := store.HistoryOptions{KeepPerAgent: 2000, Keep: time.Hour, Clock: func() time.Time { return now }}
	h := open(t, opener, o)
	var last []string
	for i := range 6000 {
		rec := Finish(Record("a1", i), invocation.Succeeded)
		h.Finished(rec)
		last = append(last, rec.ID)
		if i%700 == 0 {
			flush(t, h)
		}
	}
	for range 3 { // a bounded number is removed at a time
		flush(t, h)
	}
	stats, err := h.Stats(t.Context(), "a1")
	if err != nil || stats.Total < 2000 || stats.Total > 2200 || stats.EverStored != 6000 {
		t.Fatalf("Stats = %+v, %v, want 2000 to 2200 kept of 6000", stats, err)
	}
	recs, _ := list(t, h, invocation.Filter{Limit: 1000})
	slices.Reverse(last)
	equal(t, "the newest", ids(recs), last[:1000])

	now = now.Add(2 * time.Hour)
	h = open(t, opener, o)
	h.Finished(Finish(Record("a2", 2*3600*1000), invocation.Succeeded))
	flush(t, h)
	if recs, _ = list(t, h, invocation.Filter{}); len(recs) != 1 || recs[0].AgentID != "a2" {
		t.Errorf("%d records are left after their time, want the one that is new", len(recs))
	}
}
