package deploy

import (
	"context"
	"slices"
	"testing"

	"github.com/runagent/runagent/internal/agent"
)

// Two rollbacks to one revision may be asked for at a time.
func TestADeployOfWhatServesChangesItsPartAlone(t *testing.T) {
	t.Parallel()
	h, x, traffic, b := newKeptHouse(t)
	for n, percent := range []int{100, 20} {
		if err := x.DeployPart(t.Context(), numbered(n+1), Part{Percent: percent}); err != nil {
			t.Fatal(err)
		}
	}
	b.said, b.failAt = nil, Ready
	if err := x.Deploy(t.Context(), numbered(2)); err == nil || show(traffic.Shares("a-1")) != "r2=20 r1=80 " {
		t.Errorf("%v, shares %s", err, show(traffic.Shares("a-1")))
	}
	b.failAt = ""
	if err := x.Deploy(t.Context(), numbered(2)); err != nil || show(traffic.Shares("a-1")) != "r2=100 " {
		t.Errorf("%v, shares %s", err, show(traffic.Shares("a-1")))
	}
	if want := []string{"r2 switch r2=100", "r2 switch r2=100"}; !slices.Equal(b.said, want) {
		t.Errorf("ledger %q, want %q", b.said, want)
	}
	if got := <-h.drained; got != "r1" {
		t.Errorf("drained %s, want r1", got)
	}
	x.Close(context.Background())
	if got := <-h.drained; got != "r2" {
		t.Errorf("drained %s at the end, want r2", got)
	}
}

func TestASplitThatFailsLeavesNoDeployUnderWay(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		failAt State
		tag    string // of the second revision's entrypoint
		want   []string
	}{
		"switch": {Ready, "main", []string{"r2 failed: switch: disk full", "r3 failed: switch: disk full"}},
		"probe": {"", "other", []string{
			`r3 failed: probe: the revision came up without entrypoint "other"`,
			`r2 failed: revision 3: probe: the revision came up without entrypoint "other"`,
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, x, traffic, b := newKeptHouse(t)
			if err := x.Deploy(t.Context(), numbered(1)); err != nil {
				t.Fatal(err)
			}
			b.failAt = tt.failAt
			two, three := numbered(2), numbered(3)
			three.Agent.Manifest.Entrypoints = []agent.Entrypoint{{Tag: tt.tag}}
			if err := x.Split(t.Context(), "a-1", []Share{{two, 50}, {three, 50}}, nil); err == nil {
				t.Error("the calls are split")
			}
			if got := b.said[max(0, len(b.said)-2):]; !slices.Equal(got, tt.want) {
				t.Errorf("the ledger ends with %q, want %q", got, tt.want)
			}
			if two.State != Failed || three.State != Failed {
				t.Errorf("states %s and %s", two.State, three.State)
			}
			serves(t, traffic, "r1")
		})
	}
}
