// Package presence tells the processes that share something on disk apart, and
// the living from the dead. It knows nothing of what they share (leaf).
package presence

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

// Mark is the sign of one process's life: a file that it holds a lock on, which
// the kernel takes from it however it dies. A process ID could be another
// program's by now. It is not safe for concurrent use.
type Mark struct {
	id   string
	dir  string
	file *os.File
}

// New returns a mark in dir, which need not exist. It is not yet set.
func New(dir string) *Mark {
	id, err := uuid.NewV7()
	if err != nil {
		id = uuid.New() // the order of marks means nothing
	}
	return &Mark{id: id.String(), dir: dir}
}

// ID names the process among those that share dir.
func (m *Mark) ID() string { return m.id }

// Set makes it known that this process lives, until Release.
func (m *Mark) Set() error {
	if m.file != nil {
		return nil
	}
	if err := os.MkdirAll(m.dir, 0o700); err != nil {
		return fmt.Errorf("mark as running: %w", err)
	}
	// It gets its name when it is locked: an unlocked one looks dead.
	f, err := os.OpenFile(filepath.Join(m.dir, "."+m.id), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("mark as running: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return errors.Join(fmt.Errorf("mark as running: lock %s: %w", f.Name(), err), f.Close())
	}
	if err := os.Rename(f.Name(), filepath.Join(m.dir, m.id)); err != nil {
		return errors.Join(fmt.Errorf("mark as running: %w", err), f.Close())
	}
	m.file = f
	return nil
}

// Release takes the mark away.
func (m *Mark) Release() {
	if m.file == nil {
		return
	}
	m.Sweep(m.id)
	_ = m.file.Close()
	m.file = nil
}

// Dead reports whether the process with the given ID has ended. Its mark can
// be swept when all it left has been settled.
func (m *Mark) Dead(id string) (bool, error) {
	f, err := os.Open(filepath.Join(m.dir, id))
	if errors.Is(err, fs.ErrNotExist) {
		return true, nil
	}
	if err != nil {
		return false, fmt.Errorf("look for process %s: %w", id, err)
	}
	defer func() { _ = f.Close() }() // read only
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look for process %s: %w", id, err)
	}
	return true, nil
}

// Others returns the IDs of the other processes with a mark, living and dead.
func (m *Mark) Others() ([]string, error) {
	entries, err := os.ReadDir(m.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("look for other processes: %w", err)
	}
	var ids []string
	for _, e := range entries {
		if e.Name() != m.id && !strings.HasPrefix(e.Name(), ".") {
			ids = append(ids, e.Name())
		}
	}
	return ids, nil
}

// Sweep removes the mark of a dead process.
func (m *Mark) Sweep(id string) {
	_ = os.Remove(filepath.Join(m.dir, id)) // another process may have been faster
}
