package folders

import "sync"

// Uses counts the deploys that use the unpacked code of a revision. Its
// zero value is ready.
type Uses struct {
	mu    sync.Mutex // guards count
	count map[string]int
}

// Take notes one more user.
func (c *Uses) Take(revision string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.count == nil {
		c.count = map[string]int{}
	}
	c.count[revision]++
}

// Give notes one user less, and calls remove if there is none and unused says so.
func (c *Uses) Give(revision string, unused func() bool, remove func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.count[revision]--; c.count[revision] > 0 {
		return
	}
	delete(c.count, revision)
	if unused() {
		remove()
	}
}
