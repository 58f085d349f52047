// Package secret encrypts what agents must know and nobody else may read: by
// envelope, each value under a key of its own, which the master key encrypts.
package secret

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/insecurecleartextkeyset"
	"github.com/tink-crypto/tink-go/v2/keyset"
	"github.com/tink-crypto/tink-go/v2/tink"

	"github.com/runagent/runagent/internal/fault"
)

// MaxValue bounds a value: the kernel bounds a variable at 128 KiB.
const MaxValue = 64 << 10

// Vault seals and opens values. It is safe for concurrent use.
type Vault struct{ envelope tink.AEAD }

// OpenVault opens the vault whose master key is in the file at path. A file
// that is not there is made, its owner's alone: without it nothing that was
// sealed can be opened again. A file that others can read is refused.
func OpenVault(path string) (*Vault, error) {
	master, err := readMaster(path)
	if errors.Is(err, fs.ErrNotExist) {
		master, err = newMaster(path)
	}
	if err != nil {
		return nil, fmt.Errorf("open master key: %w", err)
	}
	key, err := aead.New(master)
	if err != nil {
		return nil, fmt.Errorf("open master key: %w", err)
	}
	return &Vault{aead.NewKMSEnvelopeAEAD2(aead.AES256GCMKeyTemplate(), key)}, nil
}

func readMaster(path string) (*keyset.Handle, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, fault.New(fault.Conflict, "the master key %s can be read by others (mode %o)", path, info.Mode().Perm()).
			WithSuggestion("Run `chmod 600 %s`, and think about who may have read it.", path)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return insecurecleartextkeyset.Read(keyset.NewJSONReader(bytes.NewReader(text)))
}

// newMaster makes a master key. The file appears whole or not at all.
func newMaster(path string) (*keyset.Handle, error) {
	master, err := keyset.NewHandle(aead.AES256GCMKeyTemplate())
	if err != nil {
		return nil, err
	}
	var text bytes.Buffer
	if err := insecurecleartextkeyset.Write(master, keyset.NewJSONWriter(&text)); err != nil {
		return nil, err
	}
	temp, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+"-*") // mode 0600
	if err != nil {
		return nil, err
	}
	_, err = temp.Write(text.Bytes())
	if err = errors.Join(err, temp.Sync(), temp.Close()); err == nil {
		err = os.Link(temp.Name(), path) // never over another one
	}
	return master, errors.Join(err, os.Remove(temp.Name()))
}

// Seal encrypts a value so that it opens only as this name of this agent.
func (v *Vault) Seal(value []byte, agentID, name string) ([]byte, error) {
	sealed, err := v.envelope.Encrypt(value, context(agentID, name))
	if err != nil {
		return nil, fmt.Errorf("seal secret %s: %w", name, err)
	}
	return sealed, nil
}

// Open decrypts what Seal made of the same name of the same agent.
func (v *Vault) Open(sealed []byte, agentID, name string) ([]byte, error) {
	value, err := v.envelope.Decrypt(sealed, context(agentID, name))
	if err != nil {
		return nil, fmt.Errorf("open secret %s: it was sealed with another master key, or changed: %w", name, err)
	}
	return value, nil
}

// context binds a value to its place. No name and no ID holds a zero byte.
func context(agentID, name string) []byte { return []byte(agentID + "\x00" + name) }

var validName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,127}$`)

// CheckName returns what is wrong with the name of a secret, which agents see
// as a variable.
func CheckName(name string) error {
	if !validName.MatchString(name) {
		return fault.New(fault.Validation, "%q can't be the name of a secret: it is one of a variable, such as OPENAI_API_KEY", name).WithField("name")
	}
	if strings.HasPrefix(name, "RUNAGENT_") {
		return fault.New(fault.Validation, "names that begin with RUNAGENT_ are not for secrets").WithField("name")
	}
	return nil
}

// CheckValue returns what is wrong with the value of a secret.
func CheckValue(value string) error {
	switch {
	case value == "":
		return fault.New(fault.Validation, "the secret is empty").WithField("value")
	case len(value) > MaxValue:
		return fault.New(fault.PayloadTooLarge, "the secret has %d bytes; at most %d fit", len(value), MaxValue).WithField("value")
	case strings.ContainsRune(value, 0):
		return fault.New(fault.Validation, "the secret holds a zero byte, which no variable can").WithField("value")
	}
	return nil
}
