package storetest

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/runagent/runagent/internal/invocation"
	"github.com/runagent/runagent/internal/store"
)

func testLogs(t *testing.T, opener Opener) {
	h := open(t, opener, store.HistoryOptions{})
	for i := range 10 {
		h.AppendLog(invocation.LogLine{
			AgentID: fmt.Sprint("a", i%2), InvocationID: []string{"", "i1"}[i/5], Time: Start.Add(time.Duration(i) * time.Second),
			Stream: "stdout", Level: "info", Instance: "n1", Text: fmt.Sprint("line ", i), Revision: fmt.Sprint("r", i/4),
		})
	}
	read := func(f invocation.LogFilter) (texts []string) {
		lines, err := h.Logs(t.Context(), f)
		if err != nil {
			t.Fatal(err)
		}
		for i := range lines {
			texts = append(texts, strings.TrimPrefix(lines[i].Text, "line "))
		}
		return texts
	}
	all, err := h.Logs(t.Context(), invocation.LogFilter{})
	if err != nil || len(all) != 10 {
		t.Fatalf("Logs = %d lines, %v, want 10", len(all), err)
	}
	want := invocation.LogLine{
		AgentID: "a1", InvocationID: "i1", Time: Start.Add(9 * time.Second),
		Stream: "stdout", Level: "info", Instance: "n1", Text: "line 9", Revision: "r2",
	}
	equal(t, "last line", all[9].LogLine, want)
	equal(t, "newest", read(invocation.LogFilter{Limit: 3}), []string{"7", "8", "9"})
	equal(t, "after", read(invocation.LogFilter{After: all[3].ID, Limit: 2}), []string{"4", "5"})
	equal(t, "after the last", read(invocation.LogFilter{After: all[9].ID}), []string(nil))
	equal(t, "agent", read(invocation.LogFilter{AgentID: "a1"}), []string{"1", "3", "5", "7", "9"})
	equal(t, "invocation", read(invocation.LogFilter{InvocationID: "i1"}), []string{"5", "6", "7", "8", "9"})
	equal(t, "revision", read(invocation.LogFilter{AgentID: "a1", Revision: "r1"}), []string{"5", "7"})
	equal(t, "since", read(invocation.LogFilter{Since: Start.Add(8 * time.Second)}), []string{"8", "9"})
}

func testLogBounds(t *testing.T, opener Opener) {
	h := open(t, opener, store.HistoryOptions{KeepLinesPerAgent: 100})
	for i := range 3000 {
		h.AppendLog(invocation.LogLine{AgentID: "a1", Time: Start, Text: fmt.Sprint(i)})
	}
	h.AppendLog(invocation.LogLine{AgentID: "a2", Time: Start, Text: "other"})
	flush(t, h)
	lines, err := h.Logs(t.Context(), invocation.LogFilter{AgentID: "a1"})
	if err != nil || len(lines) != 100 || lines[0].Text != "2900" {
		t.Errorf("%d lines are kept (%v), want the newest 100", len(lines), err)
	}
	if lines, err = h.Logs(t.Context(), invocation.LogFilter{AgentID: "a2"}); err != nil || len(lines) != 1 {
		t.Errorf("%d lines of the other agent are kept (%v), want 1", len(lines), err)
	}
}
