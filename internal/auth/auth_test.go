package auth

import (
	"strings"
	"testing"

	"github.com/runagent/runagent/internal/fault"
)

func TestKeysAreWellFormed(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for range 100 {
		key := NewKey()
		if !WellFormed(key) || seen[key] || len(key) != 37 || !strings.HasPrefix(key, "ra_") {
			t.Fatalf("NewKey() = %q", key)
		}
		seen[key] = true
		for name, other := range map[string]string{
			"cut": key[:36], "longer": key + "0", "upper": strings.ToUpper(key), "changed": key[:5] + "!" + key[6:], "empty": "",
		} {
			if WellFormed(other) {
				t.Errorf("%s: WellFormed(%q)", name, other)
			}
		}
	}
}

func TestKeyring(t *testing.T) {
	t.Parallel()
	one, two, stranger := NewKey(), NewKey(), NewKey()
	ring := NewKeyring(Key{ID: "1", Hash: Hash(one)}, Key{ID: "2", Hash: Hash(two)})
	for key, want := range map[string]string{one: "1", two: "2"} {
		if got, err := ring.Check(key); err != nil || got.ID != want {
			t.Errorf("Check(%q) = %+v, %v", key, got, err)
		}
	}
	for _, key := range []string{"", stranger, one[:20], Hash(one), "ra_", " " + one} {
		got, err := ring.Check(key)
		if fault.CodeOf(err) != fault.InvalidKey || got.ID != "" {
			t.Errorf("Check(%q) = %+v, %v", key, got, err)
		}
		if key != "" && strings.Contains(err.Error(), key) {
			t.Errorf("the error tells the key: %v", err)
		}
	}
	if _, err := NewKeyring().Check(one); fault.CodeOf(err) != fault.InvalidKey {
		t.Errorf("an empty keyring lets in: %v", err)
	}
}

func TestOnlyAHashIsKept(t *testing.T) {
	t.Parallel()
	key := NewKey()
	if h := Hash(key); len(h) != 64 || strings.Contains(h, key) || h != Hash(key) || h == Hash(NewKey()) {
		t.Errorf("Hash = %q", h)
	}
}
