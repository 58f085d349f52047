package platform

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/runagent/runagent/internal/deploy"
)

const (
	// recentName is the file of the agents that were called last.
	recentName = "recent.json"
	// keepRecentEvery is how often it is written: what was called since is taken
	// for called earlier after a kill.
	keepRecentEvery = time.Minute
	// recentKept bounds it.
	recentKept = 1000
)

// recentUse is which agents were called, the last first: by this process, and
// before that by earlier ones.
type recentUse struct {
	file    string
	earlier []string
}

func readRecentUse(data string) (recentUse, error) {
	r := recentUse{file: filepath.Join(data, recentName)}
	raw, err := os.ReadFile(r.file)
	if errors.Is(err, fs.ErrNotExist) {
		return r, nil
	}
	if err == nil {
		err = json.Unmarshal(raw, &r.earlier)
	}
	return r, err
}

// sort brings the revisions of agents that were called last to the front.
func (r *recentUse) sort(revs []*deploy.Revision) {
	rank := map[string]int{}
	for i, id := range r.earlier {
		rank[id] = i + 1
	}
	slices.SortStableFunc(revs, func(a, b *deploy.Revision) int {
		x, y := rank[a.Agent.ID], rank[b.Agent.ID]
		switch {
		case x == y:
			return 0
		case x == 0:
			return 1
		case y == 0:
			return -1
		}
		return x - y
	})
}

// keep writes the file: now comes first.
func (r *recentUse) keep(now []string) error {
	list := slices.Clone(now)
	for _, id := range r.earlier {
		if !slices.Contains(now, id) {
			list = append(list, id)
		}
	}
	raw, err := json.Marshal(list[:min(len(list), recentKept)])
	if err == nil {
		err = os.WriteFile(r.file+".new", raw, 0o600)
	}
	if err == nil {
		err = os.Rename(r.file+".new", r.file)
	}
	return err
}

// keepRecentUse keeps which agents were called, until ctx ends.
func (s *service) keepRecentUse(ctx context.Context) error {
	tick := time.NewTicker(keepRecentEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			s.note("recent use not kept", s.recent.keep(s.standby.Recent()))
			return nil
		}
		s.note("recent use not kept", s.recent.keep(s.standby.Recent()))
	}
}
