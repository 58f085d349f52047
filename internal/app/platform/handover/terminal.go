package handover

import (
	"os"
	"os/signal"
	"syscall"
)

// Hangups tells apart the two meanings of SIGHUP: a command to make way for a
// newer program, and a terminal that is gone.
type Hangups struct {
	signals  chan os.Signal
	terminal bool
}

// WatchHangups catches SIGHUP from now on.
func WatchHangups() *Hangups {
	h := &Hangups{signals: make(chan os.Signal, 1), terminal: terminal() && !signal.Ignored(syscall.SIGHUP)}
	signal.Notify(h.signals, syscall.SIGHUP)
	return h
}

// C gets the signals.
func (h *Hangups) C() <-chan os.Signal { return h.signals }

// Gone reports whether the terminal is gone that the process was started from.
func (h *Hangups) Gone() bool { return h.terminal && !terminal() }

// Stop leaves SIGHUP to its default.
func (h *Hangups) Stop() { signal.Stop(h.signals) }

// terminal reports whether the process has a terminal that is there.
func terminal() bool {
	f, err := os.OpenFile("/dev/tty", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		return false
	}
	_ = f.Close() // nothing was written
	return true
}
