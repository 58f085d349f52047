// Package storetest is the suite that every database behind the store passes.
// A bug in one becomes a case here, for all.
package storetest

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/runagent/runagent/internal/fault"
	"github.com/runagent/runagent/internal/invocation"
	"github.com/runagent/runagent/internal/store"
)

// Opener opens a history; two calls within one test open the same one, as two
// processes would. The suite closes what it opens.
type Opener func(t testing.TB, o store.HistoryOptions) *store.History

// History runs the suite. fresh is called once per case, for a new database.
func History(t *testing.T, fresh func(t testing.TB) Opener) {
	for name, test := range map[string]func(*testing.T, Opener){
		"keeps_every_field":                    testEveryField,
		"shows_what_is_not_yet_written":        testUnwritten,
		"pages_through_memory_and_disk":        testPages,
		"ends_a_page_of_long_payloads_early":   testLongPage,
		"filters":                              testFilters,
		"refuses_bad_pages":                    testBadPages,
		"says_that_an_invocation_is_not_found": testNotFound,
		"sums_up":                              testStats,
		"keeps_the_newest_of_each_agent":       testKeepPerAgent,
		"keeps_less_when_asked_to":             testKeepLess,
		"treats_many_at_once_as_it_treats_few": testPacked,
		"removes_many_that_are_old":            testPackedRetention,
		"removes_what_is_old":                  testKeep,
		"settles_what_a_stopped_server_left":   testSettle,
		"leaves_living_servers_alone":          testLeaveLiving,
		"cuts_long_payloads":                   testCut,
		"keeps_log_lines_in_order":             testLogs,
		"bounds_log_lines":                     testLogBounds,
		"loses_nothing_under_load":             testLoad,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, fresh(t))
		})
	}
}

// Start is the time of the first record that Record makes.
var Start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// Record returns a running record of the agent, the n-th by time.
func Record(agentID string, n int) invocation.Record {
	return invocation.Record{
		ID: uuid.Must(uuid.NewV7()).String(), ProjectID: "default", NodeID: "local", Attempt: 1,
		AgentID: agentID, Revision: "r1", Entrypoint: "main", Status: invocation.Running,
		Input:     invocation.NewPayload([]byte(`{"kwargs":{"prompt":"hello"}}`), 0),
		CreatedAt: Start.Add(time.Duration(n) * time.Millisecond),
	}
}

// Finish returns rec as it ended.
func Finish(rec invocation.Record, status invocation.Status) invocation.Record {
	rec.Status = status
	rec.Start = invocation.Hot
	rec.Timings = invocation.Timings{Call: 2 * time.Millisecond, Total: 2 * time.Millisecond}
	rec.FinishedAt = rec.CreatedAt.Add(rec.Timings.Total)
	rec.Output = invocation.NewPayload([]byte(`{"answer":42}`), 0)
	return rec
}

func open(t *testing.T, opener Opener, o store.HistoryOptions) *store.History {
	t.Helper()
	if o.Clock == nil {
		o.Clock = func() time.Time { return Start }
	}
	h := opener(t, o)
	t.Cleanup(func() {
		if err := h.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return h
}

func flush(t *testing.T, h *store.History) {
	t.Helper()
	if err := h.Flush(t.Context()); err != nil {
		t.Fatalf("Flush: %v", err)
	}
}

func list(t *testing.T, h *store.History, f invocation.Filter) ([]invocation.Record, string) {
	t.Helper()
	recs, next, err := h.Invocations(t.Context(), f)
	if err != nil {
		t.Fatalf("Invocations(%+v): %v", f, err)
	}
	return recs, next
}

func ids(recs []invocation.Record) []string {
	var out []string
	for i := range recs {
		out = append(out, recs[i].ID)
	}
	return out
}

func equal(t *testing.T, what string, got, want any) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s:\n got %+v\nwant %+v", what, got, want)
	}
}

func testEveryField(t *testing.T, opener Opener) {
	h := open(t, opener, store.HistoryOptions{})
	rec := Record("a1", 0)
	rec.SessionID, rec.Revision, rec.Attempt = "s1", "r7", 3
	rec.Door, rec.SDKType, rec.Client, rec.RequestID = "compat", "python", "127.0.0.1 httpx", "q1"
	h.Started(rec)
	flush(t, h)
	got, err := h.Invocation(t.Context(), rec.ID)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "running record", *got, rec)

	rec = Finish(rec, invocation.FailedS)
	rec.Start, rec.Chunks = invocation.Warm, 4
	rec.Error = json.RawMessage(`{"code":"EXECUTION_ERROR","message":"no"}`)
	rec.Usage = json.RawMessage(`{"total_tokens":12}`)
	rec.Timings = invocation.Timings{Queue: 1, Start: 20, Call: 300, Total: 321, FirstChunk: 77}
	rec.FinishedAt = rec.CreatedAt.Add(time.Second)
	rec.Output = invocation.Payload{JSON: []byte(`[1,2,`), Size: 900, Digest: "xxh64:00", Truncated: true}
	h.Finished(rec)
	flush(t, h)
	if got, err = h.Invocation(t.Context(), rec.ID); err != nil {
		t.Fatal(err)
	}
	equal(t, "finished record", *got, rec)
	recs, _ := list(t, open(t, opener, store.HistoryOptions{}), invocation.Filter{})
	equal(t, "list in another process", recs, []invocation.Record{rec})
}

func testUnwritten(t *testing.T, opener Opener) {
	h := open(t, opener, store.HistoryOptions{})
	rec := Record("a1", 0)
	h.Started(rec)
	got, err := h.Invocation(t.Context(), rec.ID)
	if err != nil || got.Status != invocation.Running {
		t.Fatalf("Invocation = %+v, %v, want it running", got, err)
	}
	recs, _ := list(t, h, invocation.Filter{Status: invocation.Running})
	equal(t, "running", ids(recs), []string{rec.ID})

	flush(t, h) // the row says that it runs
	h.Finished(Finish(rec, invocation.Succeeded))
	recs, _ = list(t, h, invocation.Filter{Status: invocation.Running})
	equal(t, "running after it ended", ids(recs), []string(nil))
	recs, _ = list(t, h, invocation.Filter{Status: invocation.Succeeded})
	equal(t, "succeeded, not yet written", ids(recs), []string{rec.ID})
	recs, _ = list(t, h, invocation.Filter{})
	equal(t, "all", ids(recs), []string{rec.ID})
}

func testPages(t *testing.T, opener Opener) {
	h := open(t, opener, store.HistoryOptions{})
	const n = 97
	want := make([]string, n)
	for i := range n {
		// Several records share a microsecond, and every third stays in memory.
		rec := Record("a1", i/4)
		want[n-1-i] = rec.ID
		h.Started(rec)
		if i%3 != 0 {
			h.Finished(Finish(rec, invocation.Succeeded))
		}
		if i == n/2 {
			flush(t, h)
		}
	}
	for _, limit := range []int{1, 2, 10, n, 1000} {
		var got []string
		for f := (invocation.Filter{AgentID: "a1", Limit: limit}); ; {
			recs, next := list(t, h, f)
			got = append(got, ids(recs)...)
			if f.Cursor = next; next == "" {
				break
			}
			if len(recs) != limit {
				t.Fatalf("limit %d: a page of %d has a next one", limit, len(recs))
			}
		}
		equal(t, fmt.Sprintf("pages of %d", limit), got, want)
	}
}

func testLongPage(t *testing.T, opener Opener) {
	h := open(t, opener, store.HistoryOptions{})
	long := []byte(`"` + strings.Repeat("x", 60<<10) + `"`)
	const n = 320
	for i := range n {
		rec := Record("a1", i)
		rec.Input = invocation.NewPayload(long, 0)
		h.Started(rec)
		h.Finished(Finish(rec, invocation.Succeeded))
	}
	flush(t, h)
	recs, next := list(t, h, invocation.Filter{Limit: 1000})
	if len(recs) >= n || next == "" {
		t.Fatalf("a page holds %d records of 60 KiB, next %q, want fewer and a next page", len(recs), next)
	}
	rest, next := list(t, h, invocation.Filter{Limit: 1000, Cursor: next})
	if len(recs)+len(rest) != n || next != "" {
		t.Errorf("two pages hold %d and %d records, want %d together", len(recs), len(rest), n)
	}
}

func testFilters(t *testing.T, opener Opener) {
	h := open(t, opener, store.HistoryOptions{})
	one, two, three := Record("a1", 0), Record("a1", 1), Record("a2", 2)
	two.Entrypoint, two.SessionID = "other", "s2"
	for i, rec := range []invocation.Record{one, two, three} {
		h.Started(rec)
		if i == 1 {
			flush(t, h)
		}
	}
	h.Finished(Finish(one, invocation.FailedS))
	for _, c := range []struct {
		name   string
		filter invocation.Filter
		want   []string
	}{
		{"none", invocation.Filter{}, []string{three.ID, two.ID, one.ID}},
		{"agent", invocation.Filter{AgentID: "a1"}, []string{two.ID, one.ID}},
		{"status", invocation.Filter{Status: invocation.FailedS}, []string{one.ID}},
		{"agent and status", invocation.Filter{AgentID: "a1", Status: invocation.Running}, []string{two.ID}},
		{"entrypoint", invocation.Filter{Entrypoint: "main"}, []string{three.ID, one.ID}},
		{"session", invocation.Filter{SessionID: "s2"}, []string{two.ID}},
		{"since", invocation.Filter{Since: two.CreatedAt}, []string{three.ID, two.ID}},
		{"nothing", invocation.Filter{AgentID: "a3"}, nil},
	} {
		recs, _ := list(t, h, c.filter)
		equal(t, c.name, ids(recs), c.want)
		flush(t, h)
		recs, _ = list(t, h, c.filter)
		equal(t, c.name+", written", ids(recs), c.want)
	}
}

func testBadPages(t *testing.T, opener Opener) {
	h := open(t, opener, store.HistoryOptions{})
	for field, f := range map[string]invocation.Filter{"limit": {Limit: 1001}, "cursor": {Cursor: "!"}} {
		_, _, err := h.Invocations(t.Context(), f)
		if e := fault.As(err); e == nil || e.Code != fault.Validation || e.Field != field {
			t.Errorf("Invocations(%+v) = %v, want VALIDATION_ERROR of %s", f, err, field)
		}
	}
	if _, err := h.Logs(t.Context(), invocation.LogFilter{Limit: -1}); fault.CodeOf(err) != fault.Validation {
		t.Errorf("Logs with limit -1 = %v, want VALIDATION_ERROR", err)
	}
}

func testNotFound(t *testing.T, opener Opener) {
	h := open(t, opener, store.HistoryOptions{})
	if _, err := h.Invocation(t.Context(), "nope"); fault.CodeOf(err) != fault.NotFound {
		t.Errorf("Invocation = %v, want NOT_FOUND", err)
	}
}

func testStats(t *testing.T, opener Opener) {
	h := open(t, opener, store.HistoryOptions{})
	end := func(rec invocation.Record, status invocation.Status, took time.Duration) {
		rec = Finish(rec, status)
		rec.Timings.Total = took
		h.Finished(rec)
	}
	runs, ends := Record("a1", 0), Record("a1", 1)
	h.Started(runs)
	h.Started(ends)
	end(Record("a1", 2), invocation.Succeeded, 10*time.Millisecond)
	end(Record("a2", 2), invocation.Succeeded, time.Hour)
	flush(t, h)
	end(ends, invocation.TimedOut, 30*time.Millisecond)
	end(Record("a1", 3), invocation.CanceledS, 20*time.Millisecond)
	end(Record("a1", 4), invocation.FailedS, 20*time.Millisecond)
	want := invocation.Stats{
		Total: 5, Succeeded: 1, Failed: 1, Canceled: 1, TimedOut: 1, Running: 1,
		EverStored: 5, AvgDuration: 20 * time.Millisecond,
	}
	for _, when := range []string{"half written", "written"} {
		got, err := h.Stats(t.Context(), "a1")
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "stats "+when, got, want)
		flush(t, h)
	}
	got, err := h.Stats(t.Context(), "unknown")
	if err != nil || got != (invocation.Stats{}) {
		t.Errorf("Stats of an unknown agent = %+v, %v, want none", got, err)
	}
}

func testKeepPerAgent(t *testing.T, opener Opener) {
	h := open(t, opener, store.HistoryOptions{KeepPerAgent: 10})
	runs := Record("a1", 0)
	h.Started(runs)
	var newest []string
	for i := 1; i <= 50; i++ {
		rec := Record("a1", i)
		h.Finished(Finish(rec, invocation.Succeeded))
		h.Finished(Finish(Record("a2", i), invocation.Succeeded))
		if i > 41 {
			newest = append([]string{rec.ID}, newest...)
		}
		if i%7 == 0 {
			flush(t, h)
		}
	}
	flush(t, h)
	recs, _ := list(t, h, invocation.Filter{AgentID: "a1"})
	equal(t, "kept of a1: the newest, and what runs", ids(recs), append(newest, runs.ID))
	if recs, _ = list(t, h, invocation.Filter{AgentID: "a2"}); len(recs) != 10 {
		t.Errorf("%d records of a2 are kept, want 10", len(recs))
	}
	stats, err := h.Stats(t.Context(), "a1")
	if err != nil || stats.Total != 10 || stats.EverStored != 51 {
		t.Errorf("Stats = %+v, %v, want 10 kept of 51", stats, err)
	}
}

func testKeepLess(t *testing.T, opener Opener) {
	h := open(t, opener, store.HistoryOptions{})
	for i := range 3500 {
		h.Finished(Finish(Record("a1", i), invocation.Succeeded))
	}
	flush(t, h)
	h = open(t, opener, store.HistoryOptions{KeepPerAgent: 10})
	last := Finish(Record("a1", 3500), invocation.Succeeded)
	h.Finished(last)
	for range 4 { // a bounded number is removed at a time
		flush(t, h)
	}
	recs, _ := list(t, h, invocation.Filter{})
	if len(recs) != 10 || recs[0].ID != last.ID {
		t.Errorf("%d records are kept, want the newest 10", len(recs))
	}
}

func testKeep(t *testing.T, opener Opener) {
	now := Start
	o := store.HistoryOptions{Keep: 24 * time.Hour, Clock: func() time.Time { return now }}
	h := open(t, opener, o)
	for i := range 1500 {
		h.Finished(Finish(Record("a1", i), invocation.Succeeded))
		h.AppendLog(invocation.LogLine{AgentID: "a1", Time: Start, Text: "old"})
	}
	flush(t, h)
	now = Start.Add(25 * time.Hour)
	young := Record("a1", 25*3600*1000)
	h.Finished(Finish(young, invocation.Succeeded))
	h.AppendLog(invocation.LogLine{AgentID: "a1", Time: now, Text: "young"})
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	h = open(t, opener, o)
	flush(t, h)
	recs, _ := list(t, h, invocation.Filter{})
	equal(t, "kept records", ids(recs), []string{young.ID})
	lines, err := h.Logs(t.Context(), invocation.LogFilter{})
	if err != nil || len(lines) != 1 || lines[0].Text != "young" {
		t.Errorf("%d log lines are kept (%v), want the young one", len(lines), err)
	}
	if stats, err := h.Stats(t.Context(), "a1"); err != nil || stats.EverStored != 1501 {
		t.Errorf("Stats = %+v, %v, want 1501 ever stored", stats, err)
	}
}

func testSettle(t *testing.T, opener Opener) {
	h := open(t, opener, store.HistoryOptions{})
	rec := Record("a1", 0)
	h.Started(rec)
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	h = open(t, opener, store.HistoryOptions{})
	got, err := h.Invocation(t.Context(), rec.ID)
	if err != nil {
		t.Fatal(err)
	}
	if got.Status != invocation.FailedS || !strings.Contains(string(got.Error), "server stopped") || got.FinishedAt.IsZero() {
		t.Errorf("a record left running is %s, %s, finished at %v, want failed since the server stopped", got.Status, got.Error, got.FinishedAt)
	}
}

func testLeaveLiving(t *testing.T, opener Opener) {
	first := open(t, opener, store.HistoryOptions{})
	rec := Record("a1", 0)
	first.Started(rec)
	flush(t, first)
	second := open(t, opener, store.HistoryOptions{})
	flush(t, second)
	if got, err := second.Invocation(t.Context(), rec.ID); err != nil || got.Status != invocation.Running {
		t.Fatalf("seen from another process it is %+v, %v, want it running", got, err)
	}
	first.Finished(Finish(rec, invocation.Succeeded))
	flush(t, first)
	if got, err := second.Invocation(t.Context(), rec.ID); err != nil || got.Status != invocation.Succeeded {
		t.Errorf("after its end it is %+v, %v, want it succeeded", got, err)
	}
}

func testCut(t *testing.T, opener Opener) {
	h := open(t, opener, store.HistoryOptions{PayloadLimit: 16})
	rec := Finish(Record("a1", 0), invocation.Succeeded)
	rec.Input = invocation.NewPayload([]byte(`"`+strings.Repeat("x", 100)+`"`), 1000)
	h.Finished(rec)
	flush(t, h)
	got, err := h.Invocation(t.Context(), rec.ID)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "input", got.Input, invocation.NewPayload(rec.Input.JSON, 16))
	equal(t, "output", got.Output, rec.Output)
}

func wantNewest(t *testing.T, h *store.History, rec invocation.Record) {
	t.Helper()
	recs, _, err := h.Invocations(t.Context(), invocation.Filter{AgentID: rec.AgentID, Limit: 1})
	if err != nil || len(recs) != 1 || recs[0].ID != rec.ID {
		t.Errorf("the newest is %v (%v), want %s, which was just started", ids(recs), err, rec.ID)
	}
}

func testLoad(t *testing.T, opener Opener) {
	h := open(t, opener, store.HistoryOptions{Buffer: 500})
	ctx, cancel := context.WithCancel(t.Context())
	ran := make(chan error, 1)
	go func() { ran <- h.Run(ctx) }()
	const callers, each = 16, 300
	var wg sync.WaitGroup
	for c := range callers {
		wg.Go(func() {
			for i := range each {
				rec := Record(fmt.Sprint("a", c), i)
				h.Started(rec)
				if i%100 == 0 {
					wantNewest(t, h, rec)
				}
				h.Finished(Finish(rec, invocation.Succeeded))
			}
		})
	}
	wg.Wait()
	cancel()
	if err := <-ran; err != nil {
		t.Errorf("Run: %v", err)
	}
	if n := h.Dropped(); n != 0 {
		t.Errorf("%d records were dropped, want none", n)
	}
	h = open(t, opener, store.HistoryOptions{})
	for c := range callers {
		stats, err := h.Stats(t.Context(), fmt.Sprint("a", c))
		if err != nil || stats.Succeeded != each || stats.Total != each || stats.EverStored != each {
			t.Errorf("agent %d: %+v, %v, want %d succeeded", c, stats, err, each)
		}
	}
}
