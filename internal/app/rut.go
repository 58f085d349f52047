package app

import (
	"os"
	"path/filepath"
	"slices"
	"time"
)

const (
	// rutAfter is how often in a row an agent may change its sources by being
	// imported: some do once, when what they write is missing.
	rutAfter = 5
	// mtimeSlack is how far the clock of files lags behind.
	mtimeSlack = 20 * time.Millisecond
)

// reloaded is how a reload ended: whether its changes are dealt with, and when.
type reloaded struct {
	dealt bool
	at    time.Time
}

// rut notices an agent that writes its own sources whenever it is imported,
// which would be reloaded for ever. No save of the author's is taken for that:
// it would have to fall into an import, five times in a row.
type rut struct {
	dir          string
	began, ended time.Time // of the last reload
	whole        bool      // it was not broken off by the next change
	times        int       // whole ones in a row whose import changed sources
	broken       int       // and those that such a change broke off
}

// begins notes that a reload begins.
func (r *rut) begins() { r.began = time.Now() }

// ends notes how it ended.
func (r *rut) ends(how reloaded) {
	r.ended, r.whole = how.at, how.dealt
	if !how.dealt {
		r.broken++
	}
}

// patient reports whether the reload under way should be waited for: changes
// have ended so many that none might ever be done.
func (r *rut) patient() bool { return r.broken >= rutAfter }

// stuck takes a change and reports whether to leave it, and whether that is news.
func (r *rut) stuck(changed []string) (stuck, news bool) {
	if slices.ContainsFunc(changed, func(path string) bool { return !r.wroteInImport(path) }) {
		r.times, r.broken = 0, 0
		return false, false
	}
	if !r.whole {
		return false, false
	}
	r.times++
	return r.times >= rutAfter, r.times == rutAfter
}

// wroteInImport reports whether the file at path was last written while the
// last reload was under way.
func (r *rut) wroteInImport(path string) bool {
	if !filepath.IsAbs(path) {
		path = filepath.Join(r.dir, filepath.FromSlash(path))
	}
	info, err := os.Stat(path)
	return err == nil && !info.ModTime().Before(r.began.Add(-mtimeSlack)) && !info.ModTime().After(r.ended)
}
