// Package recent remembers across restarts which agents were called last.
package recent

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/runagent/runagent/internal/deploy"
)

const (
	// fileName is the file of the agents that were called last.
	fileName = "recent.json"
	// kept bounds it.
	kept = 1000
)

// Use is which agents were called, the last first: by this process, and
// before that by earlier ones.
type Use struct {
	file    string
	earlier []string
}

// Read reads what earlier processes kept in the data folder.
func Read(data string) (Use, error) {
	r := Use{file: filepath.Join(data, fileName)}
	raw, err := os.ReadFile(r.file)
	if errors.Is(err, fs.ErrNotExist) {
		return r, nil
	}
	if err == nil {
		err = json.Unmarshal(raw, &r.earlier)
	}
	return r, err
}

// Sort brings the revisions of agents that were called last to the front.
func (r *Use) Sort(revs []*deploy.Revision) {
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

// Keep writes the file: now comes first.
func (r *Use) Keep(now []string) error {
	list := slices.Clone(now)
	for _, id := range r.earlier {
		if !slices.Contains(now, id) {
			list = append(list, id)
		}
	}
	raw, err := json.Marshal(list[:min(len(list), kept)])
	if err == nil {
		err = os.WriteFile(r.file+".new", raw, 0o600)
	}
	if err == nil {
		err = os.Rename(r.file+".new", r.file)
	}
	return err
}
