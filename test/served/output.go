package served

import (
	"bytes"
	"context"
	"errors"
	"regexp"
	"sync"
)

var errEnded = errors.New("the process has ended")

// output gathers what a process writes and lets others wait for a text.
type output struct {
	mu      sync.Mutex
	buf     bytes.Buffer
	changed chan struct{} // closed and replaced when buf or ended change
	ended   bool
}

func newOutput() *output { return &output{changed: make(chan struct{})} }

// Write implements io.Writer.
func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	n, err := o.buf.Write(p)
	o.wake()
	return n, err
}

func (o *output) end() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.ended = true
	o.wake()
}

// wake tells those who wait; mu is held.
func (o *output) wake() {
	close(o.changed)
	o.changed = make(chan struct{})
}

func (o *output) text() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

// wait returns the first match of pattern once there is one. Errors: ctx's,
// and errEnded.
func (o *output) wait(ctx context.Context, pattern *regexp.Regexp) (string, error) {
	for {
		o.mu.Lock()
		found, ended, changed := pattern.Find(o.buf.Bytes()), o.ended, o.changed
		o.mu.Unlock()
		switch {
		case found != nil:
			return string(found), nil
		case ended:
			return "", errEnded
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return "", ctx.Err()
		}
	}
}
