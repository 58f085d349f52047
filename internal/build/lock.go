package build

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// retryLock is how often a lock that another process holds is tried again.
// flock can wait by itself, but then nothing can end the wait.
const retryLock = 50 * time.Millisecond

// lock takes the lock of the environment key, waiting while another process
// builds it. Closing the file frees it. The file stays: removing it would let
// two processes hold locks on two files of one name.
func (b *Builder) lock(ctx context.Context, key string, tell func(string)) (*os.File, error) {
	if err := os.MkdirAll(b.envs(), 0o700); err != nil {
		return nil, fmt.Errorf("make the folder: %w", err)
	}
	file, err := os.OpenFile(filepath.Join(b.envs(), key+".lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open: %w", err)
	}
	if err := b.take(ctx, file, syscall.LOCK_EX, "another process is installing the same requirements; waiting for it", tell); err != nil {
		file.Close()
		return nil, err
	}
	return file, nil
}

// take takes a lock of the given kind, and says why it waits if it must.
func (b *Builder) take(ctx context.Context, file *os.File, kind int, why string, tell func(string)) error {
	retry := time.NewTicker(retryLock)
	defer retry.Stop()
	for told := false; ; {
		err := syscall.Flock(int(file.Fd()), kind|syscall.LOCK_NB)
		if err == nil {
			return nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			return fmt.Errorf("lock: %w", err)
		}
		if !told {
			told = true
			tell(why)
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-retry.C:
		}
	}
}
