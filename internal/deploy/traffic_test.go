package deploy

import (
	"context"
	"errors"
	"fmt"
	"math"
	"testing"

	"github.com/runagent/runagent/internal/fault"
	"github.com/runagent/runagent/internal/invocation"
)

func numbered(n int) *Revision {
	rev := revision(fmt.Sprint("r", n))
	rev.Number = n
	return rev
}

func shares(percents ...int) []Share {
	var list []Share
	for i, p := range percents {
		list = append(list, Share{numbered(i + 1), p})
	}
	return list
}

func show(list []Share) string {
	text := ""
	for _, s := range list {
		text += fmt.Sprintf("%s=%d ", s.ID, s.Percent)
	}
	return text
}

func TestWithShare(t *testing.T) {
	t.Parallel()
	fresh := numbered(9)
	tests := []struct {
		before  []Share
		percent int
		want    string
	}{
		{nil, 10, "r9=100 "},
		{shares(100), 100, "r9=100 "},
		{shares(100), 10, "r9=10 r1=90 "},
		{shares(100), 0, "r1=100 "},
		{shares(90, 10), 10, "r9=10 r1=81 r2=9 "},
		{shares(50, 30, 20), 33, "r9=33 r1=34 r2=20 r3=13 "},
		{shares(99, 1), 90, "r9=90 r1=10 "},
	}
	for _, test := range tests {
		got := WithShare(test.before, fresh, test.percent)
		if show(got) != test.want {
			t.Errorf("%s and %d%% gives %s, want %s", show(test.before), test.percent, show(got), test.want)
		}
		sum := 0
		for _, s := range got {
			sum += s.Percent
		}
		if sum != 100 {
			t.Errorf("%s adds up to %d", show(got), sum)
		}
	}
	back := Without(WithShare(shares(90, 10), fresh, 10), fresh)
	if show(back) != "r1=90 r2=10 " {
		t.Errorf("without it is %s", show(back))
	}
}

// TestTrafficIsSplit sends many calls and sessions, and moves the shares.
func TestTrafficIsSplit(t *testing.T) {
	t.Parallel()
	var traffic Traffic
	const sessions = 10_000
	target := func(to invocation.Route) string {
		t.Helper()
		to.Agent = "my-bot"
		got, err := traffic.Target(t.Context(), to)
		if err != nil {
			t.Fatal(err)
		}
		return got.Revision
	}
	bySession := func() (to [sessions]string, count map[string]int) {
		count = map[string]int{}
		for i := range to {
			to[i] = target(invocation.Route{Session: fmt.Sprint("user-", i)})
			count[to[i]]++
		}
		return to, count
	}
	near := func(what string, got, percent int) {
		t.Helper()
		if math.Abs(float64(got)-float64(percent)*sessions/100) > sessions/50 {
			t.Errorf("%s: %d of %d, want about %d%%", what, got, sessions, percent)
		}
	}
	one, two := numbered(1), numbered(2)
	traffic.Set("a-1", []Share{{two, 10}, {one, 90}})
	byCall := map[string]int{}
	for range sessions {
		byCall[target(invocation.Route{})]++
	}
	near("calls", byCall["r2"], 10)
	before, count := bySession()
	near("sessions", count["r2"], 10)
	if again, _ := bySession(); again != before {
		t.Error("a session does not stay where it is")
	}
	traffic.Set("a-1", []Share{{two, 30}, {one, 70}})
	after, count := bySession()
	near("sessions then", count["r2"], 30)
	for i := range before {
		if before[i] == "r2" && after[i] != "r2" {
			t.Fatalf("session %d left a revision whose share grew", i)
		}
	}
}

func TestARevisionIsCalledByName(t *testing.T) {
	t.Parallel()
	var traffic Traffic
	traffic.Set("a-1", []Share{{numbered(2), 10}, {numbered(1), 90}})
	for _, to := range []invocation.Route{{Agent: "a-1", Revision: "1"}, {Agent: "my-bot", Revision: "r1", Session: "x"}, {Agent: "my-bot@1"}} {
		if got, err := traffic.Target(t.Context(), to); err != nil || got.Revision != "r1" {
			t.Errorf("%+v goes to %+v, %v", to, got, err)
		}
	}
	if got, err := traffic.Target(t.Context(), invocation.Route{Agent: "My Bot@1"}); err != nil || got.Revision != "r1" {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := traffic.Target(t.Context(), invocation.Route{Agent: "my-bot@7"}); fault.CodeOf(err) != fault.NotFound {
		t.Errorf("got %v", err)
	}
	if _, err := traffic.Target(t.Context(), invocation.Route{Agent: "your-bot@1"}); fault.CodeOf(err) != fault.AgentNotFound {
		t.Errorf("got %v", err)
	}
}

func TestDeployOfAPartAndSplit(t *testing.T) {
	t.Parallel()
	h, x, traffic, _ := newKeptHouse(t)
	for n, percent := range map[int]int{1: 10} { // the first one gets all
		if err := x.DeployPart(t.Context(), numbered(n), Part{Percent: percent}); err != nil {
			t.Fatal(err)
		}
	}
	two := numbered(2)
	if err := x.DeployPart(t.Context(), two, Part{Percent: 20}); err != nil {
		t.Fatal(err)
	}
	if got := show(traffic.Shares("a-1")); got != "r2=20 r1=80 " || x.Live("a-1").ID != "r1" {
		t.Errorf("shares %s", got)
	}
	unseen := numbered(3)
	if err := x.DeployPart(t.Context(), unseen, Part{Percent: 0}); err != nil || unseen.State != Ready {
		t.Errorf("%v, %s", err, unseen.State)
	}
	from := traffic.Shares("a-1")
	if err := x.Split(t.Context(), "a-1", []Share{{two, 50}, {numbered(4), 50}}, from); err != nil {
		t.Fatal(err)
	}
	if got := show(traffic.Shares("a-1")); got != "r2=50 r4=50 " {
		t.Errorf("shares %s", got)
	}
	if got := <-h.drained; got != "r1" {
		t.Errorf("drained %s", got)
	}
	if err := x.Split(t.Context(), "a-1", []Share{{two, 100}}, from); !errors.Is(err, ErrTrafficChanged) {
		t.Errorf("got %v", err)
	}
	h.startErr = errors.New("no memory")
	if err := x.Split(t.Context(), "a-1", []Share{{two, 50}, {numbered(5), 50}}, nil); err == nil {
		t.Error("a revision that does not start gets calls")
	}
	if got := show(traffic.Shares("a-1")); got != "r2=50 r4=50 " {
		t.Errorf("shares after a split that failed: %s", got)
	}
	if err := x.Withdraw("a-1", func() error { return nil }); err != nil || traffic.Shares("a-1") != nil {
		t.Errorf("%v, %s", err, show(traffic.Shares("a-1")))
	}
	for range 2 {
		<-h.drained
	}
	x.Close(context.Background())
}
