package app

import (
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/runagent/runagent/internal/fault"
	"github.com/runagent/runagent/internal/invocation"
	"github.com/runagent/runagent/internal/store"
	"github.com/runagent/runagent/sdk/go/runagent"
)

// keepRecords leaves in a new home what a server that is gone left there: an
// old record, one that still ran, and a line.
func keepRecords(t *testing.T) (home string) {
	t.Helper()
	home = t.TempDir()
	h, err := store.OpenHistory(filepath.Join(home, historyName), KeepRules{}.historyOptions(nil))
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	h.Finished(invocation.Record{ID: "old", AgentID: "a", Status: invocation.Succeeded, CreatedAt: now.AddDate(-1, 0, 0)})
	h.Finished(invocation.Record{ID: "other", AgentID: "b", Status: invocation.Succeeded, CreatedAt: now})
	h.Started(invocation.Record{ID: "cut", AgentID: "a", Status: invocation.Running, CreatedAt: now})
	h.AppendLog(invocation.LogLine{AgentID: "a", Time: now, Text: "hello", Stream: "stdout"})
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	return home
}

func TestRecordsAreReadWithoutAServer(t *testing.T) {
	t.Parallel()
	home := keepRecords(t)
	for range 2 { // reading removes nothing
		records, err := OpenRecords(home, "1.2.3")
		if err != nil {
			t.Fatal(err)
		}
		client, err := runagent.New("http://localhost", runagent.Options{HTTPClient: &http.Client{Transport: records}})
		if err != nil {
			t.Fatal(err)
		}
		page, err := client.Invocations(t.Context(), runagent.InvocationQuery{Agent: "a"})
		if err != nil || len(page.Invocations) != 2 || page.Invocations[1].ID != "old" {
			t.Fatalf("invocations: %+v, %v", page, err)
		}
		if cut := page.Invocations[0]; cut.Status != "failed" || !strings.Contains(cut.Error.Message, "server stopped") {
			t.Errorf("what ran when the server went is %s: %+v", cut.Status, cut.Error)
		}
		var lines []string
		for line, err := range client.Logs(t.Context(), "a", runagent.LogQuery{}) {
			if err != nil {
				t.Fatal(err)
			}
			lines = append(lines, line.Text)
		}
		if len(lines) != 1 || lines[0] != "hello" {
			t.Errorf("lines %q", lines)
		}
		if _, err := client.Invoke(t.Context(), runagent.Call{Agent: "a"}); err == nil {
			t.Error("records run a call")
		}
		if err := records.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestOwnHistoryTellsOfOneAgentOnly(t *testing.T) {
	t.Parallel()
	all, err := store.OpenHistory(filepath.Join(keepRecords(t), historyName), KeepRules{}.historyOptions(nil))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = all.Close() })
	own := ownHistory{all, func() string { return "b" }}
	for asked, want := range map[string]int{"": 1, "b": 1, "a": 0} {
		if recs, _, err := own.Invocations(t.Context(), invocation.Filter{AgentID: asked}); err != nil || len(recs) != want {
			t.Errorf("of agent %q: %v, %v, want %d", asked, recs, err, want)
		}
	}
	if rec, err := own.Invocation(t.Context(), "other"); err != nil || rec.AgentID != "b" {
		t.Errorf("its own: %v, %v", rec, err)
	}
	if rec, err := own.Invocation(t.Context(), "old"); fault.CodeOf(err) != fault.NotFound {
		t.Errorf("another's: %v, %v", rec, err)
	}
}

func TestRecordsOfNobody(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	if _, err := OpenRecords(home, ""); err == nil || !strings.Contains(err.Error(), "nothing was recorded so far") {
		t.Errorf("OpenRecords = %v", err)
	}
	if left, _ := filepath.Glob(filepath.Join(home, "*")); len(left) > 0 {
		t.Errorf("looking left %v", left)
	}
}

func TestKeepRulesWithoutBounds(t *testing.T) {
	t.Parallel()
	home := keepRecords(t)
	h, err := store.OpenHistory(filepath.Join(home, historyName), KeepRules{Count: 1}.historyOptions(nil))
	if err != nil {
		t.Fatal(err)
	}
	// Removal comes with a write.
	h.Finished(invocation.Record{ID: "one more", AgentID: "b", Status: invocation.Succeeded, CreatedAt: time.Now()})
	if err := h.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Invocation(t.Context(), "old"); err != nil {
		t.Errorf("without an age, age removes: %v", err)
	}
	if _, err := h.Invocation(t.Context(), "other"); err == nil {
		t.Error("more are kept than the rules say")
	}
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
}
