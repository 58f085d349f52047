package engine

import (
	"slices"
	"sync"
	"time"

	"github.com/runagent/runagent/internal/deploy"
)

// warm reports whether the zygote of rev is there.
func (e *environments) warm(rev *deploy.Revision) bool {
	in := e.interpreter(rev)
	if in == nil {
		return false
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	key, _ := e.keeperKey(rev, in)
	n := e.keepers[key]
	return n != nil && n.Current() != nil
}

// rest freezes the zygotes that no needed revision has.
func (e *environments) rest(needed []*deploy.Revision) {
	keep := e.keys(needed)
	e.mu.Lock()
	defer e.mu.Unlock()
	for key, n := range e.keepers {
		if !keep[key] {
			n.Rest()
		}
	}
}

// evict ends keepers until they have given that many bytes back: first those
// that no needed revision has, in each case the one used longest ago first. An
// instance that must be replaced then starts from nothing.
func (e *environments) evict(needed []*deploy.Revision, bytes int64) (freed int64, ended int) {
	keep := e.keys(needed)
	type candidate struct {
		key  string
		used time.Time
		*keeper
	}
	var order []candidate
	e.mu.Lock()
	for key, n := range e.keepers {
		order = append(order, candidate{key, n.used, n})
	}
	e.mu.Unlock()
	slices.SortFunc(order, func(a, b candidate) int {
		if keep[a.key] != keep[b.key] {
			if keep[b.key] {
				return -1
			}
			return 1
		}
		return a.used.Compare(b.used)
	})
	var ends sync.WaitGroup // all at once: a process must be scheduled to end
	for _, one := range order {
		if freed >= bytes {
			break
		}
		size := one.Memory()
		if size == 0 || !e.drop(one.key, one.keeper) {
			continue
		}
		ends.Go(one.Close)
		freed += size
		ended++
	}
	ends.Wait()
	return freed, ended
}

// drop forgets a keeper; false when another has done so.
func (e *environments) drop(key string, n *keeper) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.keepers[key] != n {
		return false
	}
	delete(e.keepers, key)
	return true
}

// keys are the keepers that the given revisions have.
func (e *environments) keys(revs []*deploy.Revision) map[string]bool {
	keys := map[string]bool{}
	for _, rev := range revs {
		if in := e.interpreter(rev); in != nil {
			key, _ := e.keeperKey(rev, in)
			keys[key] = true
		}
	}
	return keys
}

// count says how many zygotes there are, and how many of them are frozen.
func (e *environments) count() (all, frozen int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, n := range e.keepers {
		if n.Current() != nil {
			all++
			if n.Frozen() {
				frozen++
			}
		}
	}
	return all, frozen
}
