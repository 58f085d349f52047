package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/google/uuid"
)

// identity tells the processes that share one history apart, and the living
// from the dead: each holds a lock on a file of its own, which the kernel takes
// from it however it dies. A process ID could be another program's by now.
type identity struct {
	id   string
	dir  string
	file *os.File
}

// newIdentity returns an identity for the database at path. It is not yet claimed.
func newIdentity(path string) *identity {
	id, err := uuid.NewV7()
	if err != nil {
		id = uuid.New() // the order of identities means nothing
	}
	return &identity{id: id.String(), dir: path + ".servers"}
}

// claim makes it known that this process lives, until release.
func (i *identity) claim() error {
	if i.file != nil {
		return nil
	}
	if err := os.MkdirAll(i.dir, 0o700); err != nil {
		return fmt.Errorf("mark as running: %w", err)
	}
	// It gets its name when it is locked: an unlocked one looks dead.
	f, err := os.OpenFile(filepath.Join(i.dir, "."+i.id), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("mark as running: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return errors.Join(fmt.Errorf("mark as running: lock %s: %w", f.Name(), err), f.Close())
	}
	if err := os.Rename(f.Name(), filepath.Join(i.dir, i.id)); err != nil {
		return errors.Join(fmt.Errorf("mark as running: %w", err), f.Close())
	}
	i.file = f
	return nil
}

// release takes the mark away.
func (i *identity) release() {
	if i.file == nil {
		return
	}
	_ = os.Remove(filepath.Join(i.dir, i.id)) // what stays is swept by the next that opens
	_ = i.file.Close()
	i.file = nil
}

// dead reports whether the process with the given identity has ended. Its
// mark can be swept when all it left has been settled.
func (i *identity) dead(id string) (bool, error) {
	f, err := os.Open(filepath.Join(i.dir, id))
	if errors.Is(err, fs.ErrNotExist) {
		return true, nil
	}
	if err != nil {
		return false, fmt.Errorf("look for server %s: %w", id, err)
	}
	defer func() { _ = f.Close() }() // read only
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look for server %s: %w", id, err)
	}
	return true, nil
}

// others returns the identities that have left a mark, the living and the dead.
func (i *identity) others() ([]string, error) {
	entries, err := os.ReadDir(i.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("look for other servers: %w", err)
	}
	var ids []string
	for _, e := range entries {
		if e.Name() != i.id && !strings.HasPrefix(e.Name(), ".") {
			ids = append(ids, e.Name())
		}
	}
	return ids, nil
}

// sweep removes the mark of a dead process.
func (i *identity) sweep(id string) {
	_ = os.Remove(filepath.Join(i.dir, id)) // another process may have been faster
}
