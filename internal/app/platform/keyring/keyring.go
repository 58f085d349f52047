// Package keyring opens the keys of a platform, and makes its first one.
package keyring

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/runagent/runagent/internal/app/platform/folders"
	"github.com/runagent/runagent/internal/auth"
	"github.com/runagent/runagent/internal/fault"
)

// State is where keys are kept.
type State interface {
	Keys(ctx context.Context) ([]auth.Key, error)
	AddKey(ctx context.Context, key auth.Key) error
}

// Console shows the operator the first key.
type Console interface {
	// OnKey tells the admin key, once; it is not kept anywhere.
	OnKey(key string)
	// OnKeyFile tells where the admin key was written.
	OnKeyFile(path string)
}

// Open returns the keys there are. Where there are none it makes an admin key,
// which is written into the new file, or shown if file is "". Errors:
// fault.Conflict for a file with something else.
func Open(ctx context.Context, state State, file string, show Console) (*auth.Keyring, error) {
	keys, err := state.Keys(ctx)
	if err != nil {
		return nil, err
	}
	if len(keys) == 0 {
		key, err := first(ctx, state, file, show)
		if err != nil {
			return nil, err
		}
		keys = append(keys, key)
	}
	return auth.NewKeyring(keys...), nil
}

// first makes the admin key of a new platform and hands it to the operator. A
// key file is written before the key is kept: what ends in between leaves a file
// with a key that the next start takes.
func first(ctx context.Context, state State, file string, show Console) (auth.Key, error) {
	shown := auth.NewKey()
	if file != "" {
		var err error
		if shown, err = keyFile(file, shown); err != nil {
			return auth.Key{}, err
		}
	}
	id, err := uuid.NewV7()
	if err != nil {
		return auth.Key{}, fmt.Errorf("make an ID: %w", err)
	}
	key := auth.Key{ID: id.String(), Name: "admin", Hash: auth.Hash(shown), CreatedAt: time.Now().UTC()}
	if err := state.AddKey(ctx, key); err != nil {
		return auth.Key{}, err
	}
	if file != "" {
		show.OnKeyFile(file)
	} else {
		show.OnKey(shown)
	}
	return key, nil
}

// keyFile writes key into a new file that is its owner's alone, or returns the
// key that is in it already.
func keyFile(path, key string) (string, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		text, err := os.ReadFile(path)
		if err != nil {
			return "", fmt.Errorf("--admin-key-file: %w", err)
		}
		if key := strings.TrimSpace(string(text)); auth.WellFormed(key) {
			return key, nil
		}
		return "", fault.New(fault.Conflict, "--admin-key-file: %s exists and holds no key", path).WithSuggestion("Name a file that does not exist yet.")
	}
	if err != nil {
		return "", fmt.Errorf("--admin-key-file: %w", err)
	}
	_, err = f.WriteString(key + "\n")
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = folders.Sync(filepath.Dir(path))
	}
	if err != nil {
		return "", errors.Join(fmt.Errorf("--admin-key-file: %w", err), os.Remove(path))
	}
	return key, nil
}
