package recent_test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/runagent/runagent/internal/agent"
	"github.com/runagent/runagent/internal/app/platform/recent"
	"github.com/runagent/runagent/internal/deploy"
)

func TestAgentsCalledLastComeFirst(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r, err := recent.Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, called := range [][]string{{"c", "a"}, {"b"}} { // by two processes
		if err := r.Keep(called); err != nil {
			t.Fatal(err)
		}
		if r, err = recent.Read(dir); err != nil {
			t.Fatal(err)
		}
	}
	var revs []*deploy.Revision
	for _, id := range []string{"never", "a", "b", "c", "later"} {
		revs = append(revs, &deploy.Revision{Agent: &agent.Agent{ID: id}})
	}
	r.Sort(revs)
	var order []string
	for _, rev := range revs {
		order = append(order, rev.Agent.ID)
	}
	if want := []string{"b", "c", "a", "never", "later"}; !slices.Equal(order, want) {
		t.Errorf("the order is %v, want %v", order, want)
	}
	// A file that is cut off keeps nothing from coming back.
	if err := os.WriteFile(filepath.Join(dir, "recent.json"), []byte(`["a"`), 0o600); err != nil {
		t.Fatal(err)
	}
	if r, err := recent.Read(dir); err == nil || r.Keep([]string{"a"}) != nil {
		t.Errorf("%v, and it can't be written again", err)
	}
}
