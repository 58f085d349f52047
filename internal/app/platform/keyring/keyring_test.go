package keyring

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/runagent/runagent/internal/fault"
)

func TestKeyFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "key")
	const key = "ra_aaaaaaaaaaaaaaaaaaaaaaaaaa2bcdbb15" // what it says does not matter to write it
	if got, err := keyFile(path, key); err != nil || got != key {
		t.Fatalf("%q, %v", got, err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if err := os.WriteFile(path, []byte("something else"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := keyFile(path, key); fault.CodeOf(err) != fault.Conflict {
		t.Errorf("a file of someone's was taken: %v", err)
	}
}
