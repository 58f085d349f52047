package platform

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

// firstKey makes the admin key of a new platform and hands it to the operator.
// A key file is written before the key is kept: what ends in between leaves a
// file with a key that the next start takes.
func (s *service) firstKey(ctx context.Context) (auth.Key, error) {
	shown := auth.NewKey()
	if s.o.AdminKeyFile != "" {
		var err error
		if shown, err = keyFile(s.o.AdminKeyFile, shown); err != nil {
			return auth.Key{}, err
		}
	}
	id, err := uuid.NewV7()
	if err != nil {
		return auth.Key{}, fmt.Errorf("make an ID: %w", err)
	}
	key := auth.Key{ID: id.String(), Name: "admin", Hash: auth.Hash(shown), CreatedAt: time.Now().UTC()}
	if err := s.state.AddKey(ctx, key); err != nil {
		return auth.Key{}, err
	}
	if s.o.AdminKeyFile != "" {
		s.o.Console.OnKeyFile(s.o.AdminKeyFile)
	} else {
		s.o.Console.OnKey(shown)
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
