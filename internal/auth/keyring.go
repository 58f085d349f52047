package auth

import (
	"crypto/subtle"
	"sync"
	"time"

	"github.com/runagent/runagent/internal/fault"
)

// Key is an API key as it is kept.
type Key struct {
	ID   string
	Name string
	// Hash is Hash of the key itself, which nobody keeps.
	Hash      string
	CreatedAt time.Time
}

// Keyring tells good keys from bad ones. It is safe for concurrent use.
type Keyring struct {
	mu   sync.RWMutex // guards keys
	keys []Key
}

// NewKeyring returns a keyring of the given keys.
func NewKeyring(keys ...Key) *Keyring { return &Keyring{keys: keys} }

// Check returns what is kept of the key that a caller showed. Errors:
// fault.InvalidKey. How long it takes does not depend on how much of a key is
// right.
func (r *Keyring) Check(shown string) (Key, error) {
	if shown == "" {
		return Key{}, fault.New(fault.InvalidKey, "an API key is needed").
			WithSuggestion("Send it as `Authorization: Bearer KEY`; on the command line, `runagent login` keeps one.")
	}
	if !WellFormed(shown) {
		return Key{}, fault.New(fault.InvalidKey, "this is not a whole API key").
			WithSuggestion("A key begins with ra_ and has 37 characters.")
	}
	hash := []byte(Hash(shown))
	r.mu.RLock()
	defer r.mu.RUnlock()
	found := -1
	for i := range r.keys {
		if subtle.ConstantTimeCompare(hash, []byte(r.keys[i].Hash)) == 1 {
			found = i
		}
	}
	if found < 0 {
		return Key{}, fault.New(fault.InvalidKey, "the API key is not one of this server's").
			WithSuggestion("Was it made for another server, or taken back?")
	}
	return r.keys[found], nil
}
