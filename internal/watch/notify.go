package watch

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"

	"github.com/fsnotify/fsnotify"
)

// notifier is the kernel's word about folders. A nil notifier says nothing.
type notifier struct {
	add    func(dir string) error
	remove func(dir string) error
	end    func() error
	events <-chan fsnotify.Event
	errors <-chan error
}

// eventBuffer is how many events may wait while files are hashed.
const eventBuffer = 1024

func openNotifier() (*notifier, error) {
	w, err := fsnotify.NewBufferedWatcher(eventBuffer)
	if err != nil {
		return nil, fmt.Errorf("open notifier: %w", err)
	}
	return &notifier{add: w.Add, remove: w.Remove, end: w.Close, events: w.Events, errors: w.Errors}, nil
}

func (n *notifier) eventsOrNil() <-chan fsnotify.Event {
	if n == nil {
		return nil
	}
	return n.events
}

func (n *notifier) errorsOrNil() <-chan error {
	if n == nil {
		return nil
	}
	return n.errors
}

func (n *notifier) close() {
	if n != nil {
		_ = n.end() // nothing is lost: it only reads
	}
}

// exhausted reports whether the system has no more watches or instances.
func exhausted(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE)
}

// gone reports whether what was to be watched is not there, or not readable.
func gone(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.ENOTDIR)
}
