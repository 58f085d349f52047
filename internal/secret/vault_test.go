package secret

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/runagent/runagent/internal/fault"
)

func openVault(t *testing.T, path string) *Vault {
	t.Helper()
	v, err := OpenVault(path)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestSealedOpensOnlyInItsPlace(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "master.key")
	sealed, err := openVault(t, path).Seal([]byte("s3cret"), "a", "KEY")
	if err != nil || bytes.Contains(sealed, []byte("s3cret")) {
		t.Fatalf("%q, %v", sealed, err)
	}
	again := openVault(t, path) // after a restart
	if value, err := again.Open(sealed, "a", "KEY"); err != nil || string(value) != "s3cret" {
		t.Errorf("%q, %v", value, err)
	}
	other, err := again.Seal([]byte("s3cret"), "a", "KEY")
	if err != nil || bytes.Equal(sealed, other) {
		t.Errorf("the same value is sealed to the same bytes, %v", err)
	}
	for name, try := range map[string]struct {
		vault         *Vault
		sealed        []byte
		agent, secret string
	}{
		"another agent":      {again, sealed, "b", "KEY"},
		"all agents":         {again, sealed, "", "KEY"},
		"another name":       {again, sealed, "a", "KEY2"},
		"changed":            {again, append(bytes.Clone(sealed[:len(sealed)-1]), sealed[len(sealed)-1]^1), "a", "KEY"},
		"nothing":            {again, nil, "a", "KEY"},
		"another master key": {openVault(t, filepath.Join(dir, "other")), sealed, "a", "KEY"},
	} {
		if value, err := try.vault.Open(try.sealed, try.agent, try.secret); err == nil {
			t.Errorf("%s: opened to %q", name, value)
		}
	}
}

func TestTheMasterKeyIsItsOwnersAlone(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "master.key")
	openVault(t, path)
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
		t.Errorf("%v, %v", entries, err)
	}
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenVault(path); fault.CodeOf(err) != fault.Conflict || !strings.Contains(err.Error(), "can be read by others") {
		t.Errorf("got %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "broken"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenVault(filepath.Join(dir, "broken")); err == nil {
		t.Error("a broken master key was opened")
	}
	if _, err := OpenVault(filepath.Join(dir, "nowhere", "key")); err == nil {
		t.Error("a master key was made in no folder")
	}
}

func TestNamesAndValues(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]bool{
		"OPENAI_API_KEY": true, "_a1": true, "": false, "1A": false, "A-B": false, "A=B": false, "RUNAGENT_X": false, "Ä": false, strings.Repeat("a", 129): false,
	} {
		if err := CheckName(name); (err == nil) != want {
			t.Errorf("CheckName(%q) = %v", name, err)
		}
	}
	for value, want := range map[string]bool{"x": true, "": false, "a\x00b": false, strings.Repeat("x", MaxValue+1): false, strings.Repeat("x", MaxValue): true} {
		if err := CheckValue(value); (err == nil) != want {
			t.Errorf("CheckValue of %d bytes = %v", len(value), err)
		}
	}
}
