package main

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/runagent/runagent/api"
	"github.com/runagent/runagent/bench/proctree"
	"github.com/runagent/runagent/sdk/go/runagent"
)

// book is a server's records, two a page.
type book []api.Invocation

func (b book) Invocations(_ context.Context, q runagent.InvocationQuery) (*api.InvocationList, error) {
	at := len(q.Cursor) // a letter for each record handed out
	end := min(at+2, len(b))
	list := &api.InvocationList{Invocations: b[at:end]}
	if end < len(b) {
		list.NextCursor = strings.Repeat("x", end)
	}
	return list, nil
}

func TestCompareFindsEveryDifference(t *testing.T) {
	t.Parallel()
	l := newLedger()
	for id, e := range map[string]ending{
		"ok": answered, "raised": refused, "gone": left, "killed": lost,
		"missing": answered, "twice": answered, "unsettled": answered, "turned": refused,
	} {
		l.sent(id)
		l.ended(id, e)
	}
	stored, err := l.compare(t.Context(), book{
		{RequestID: "ok", Status: "succeeded"}, {RequestID: "raised", Status: "failed"}, {RequestID: "gone", Status: "canceled"},
		{RequestID: "killed", Status: "failed"}, {RequestID: "twice", Status: "succeeded"}, {RequestID: "twice", Status: "succeeded"},
		{RequestID: "unsettled", Status: "running"}, {RequestID: "turned", Status: "succeeded"}, {RequestID: "stranger", Status: "succeeded"},
	})
	if err != nil || stored != 9 {
		t.Fatalf("compare = %d, %v; want all 9 records read", stored, err)
	}
	told := strings.Join(l.told, "\n")
	for _, want := range []string{"missing: the call has no record", "twice: a second record", "unsettled: the record says running", "turned: the record says succeeded", "stranger: a record of a call"} {
		if !strings.Contains(told, want) {
			t.Errorf("not told: %s", want)
		}
	}
	if l.wrongs != 5 {
		t.Errorf("%d wrongs, want 5:\n%s", l.wrongs, told)
	}
}

func TestCallsAreEnteredAsTheyEnded(t *testing.T) {
	t.Parallel()
	var answer string
	status := http.StatusOK
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = w.Write([]byte(answer))
	}))
	defer server.Close()
	quick := kind{entrypoint: "echo", input: "{}", wants: `"result":7`}
	for name, c := range map[string]struct {
		kind   kind
		status int
		answer string
		want   ending
		wrongs int
	}{
		"right":      {quick, 200, `{"result":7}`, answered, 0},
		"another's":  {quick, 200, `{"result":8}`, open, 1},
		"killed":     {quick, 502, `{"error":"the instance ended"}`, lost, 0},
		"raised":     {kind{wants: "on purpose", fails: true}, 500, `on purpose`, refused, 0},
		"left":       {kind{stream: true, leaves: true}, 200, "data: {\"content\":1}\n", left, 0},
		"left_error": {kind{stream: true, leaves: true}, 200, "event: error\ndata: {}\n", lost, 0},
		"half":       {kind{stream: true, wants: `{"i":19}`}, 200, "event: chunk\n\nevent: error\ndata: {}\n", lost, 0},
	} {
		l := newLedger()
		crowd := newCrowd(server.Listener.Addr().String(), l)
		answer, status = c.answer, c.status
		crowd.call(c.kind, name)
		if l.calls[name] != c.want || l.wrongs != c.wrongs {
			t.Errorf("%s: ending %d and %d wrongs, want %d and %d; %v", name, l.calls[name], l.wrongs, c.want, c.wrongs, l.told)
		}
		crowd.client.CloseIdleConnections()
	}
}

func TestSharesAreAHundred(t *testing.T) {
	t.Parallel()
	sum := 0
	for _, k := range kinds {
		if got := pick(sum); got.entrypoint != k.entrypoint {
			t.Errorf("pick(%d) = %s, want %s", sum, got.entrypoint, k.entrypoint)
		}
		sum += k.share
	}
	if sum != 100 {
		t.Errorf("the shares are %d, want 100", sum)
	}
}

func TestVerdictNamesWhatGrewAndWhatWasLost(t *testing.T) {
	t.Parallel()
	start := proctree.Vitals{Processes: 4, Files: 40, Threads: 30, PSS: 60 << 20}
	if found := grown(start, proctree.Vitals{Processes: 4, Files: 45, Threads: 35, PSS: 70 << 20}); len(found) > 0 {
		t.Errorf("within limits, but: %v", found)
	}
	found := grown(start, proctree.Vitals{Processes: 5, Files: 400, Threads: 300, PSS: 600 << 20})
	if len(found) != 4 {
		t.Errorf("grown = %v, want all four", found)
	}
	l := newLedger()
	if err := verdict(l, nil, 0, 30); err != nil {
		t.Errorf("nothing is wrong, but: %v", err)
	}
	l.wrong("a", errors.New("no record"))
	l.counts[lost] = 3
	err := verdict(l, found, 2, 1000)
	for _, want := range []string{"1 wrongs", "a: no record", "open files grew", "3 calls were lost", "1000 goroutines"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the verdict lacks %q: %v", want, err)
		}
	}
}

func TestPauseEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	began := time.Now()
	if pause(ctx, time.Hour); time.Since(began) > time.Minute {
		t.Error("a pause outlived its context")
	}
}
