// Package unload lets go of the pages of the program's own file that only its
// start needed. The kernel maps sixteen for each that is touched, and most of
// the program, once its parts are made, is what was.
package unload

import (
	"context"
	"time"
)

// after is how long a start is given to be over.
const after = time.Second

// AfterStart calls Pages a moment from now, unless ctx ends before. That it may
// not work is no error: nothing depends on it.
func AfterStart(ctx context.Context) error {
	over := time.NewTimer(after)
	defer over.Stop()
	select {
	case <-ctx.Done():
	case <-over.C:
		_ = Pages()
	}
	return nil
}
