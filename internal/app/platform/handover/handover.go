// Package handover lets a process give its place to a newer one of the same
// program: the successor gets the listening socket, so that callers who
// connect meanwhile wait and are not refused.
package handover

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"github.com/cloudflare/tableflip"
)

// readyWithin is how long a successor may take to say that it will do.
const readyWithin = time.Minute

// sentinel is how tableflip tells a successor that it is one. What we start
// must not take itself for one.
const sentinel = "TABLEFLIP_HAS_PARENT_7DIU3"

// Place is what goes from process to process. There is one in each.
type Place struct {
	upg   *tableflip.Upgrader
	alone chan struct{} // closed once no predecessor is left
}

// New returns the place of this process. The PID of who holds it is kept in
// pidFile, unless that is "".
func New(pidFile string) (*Place, error) {
	upg, err := tableflip.New(tableflip.Options{UpgradeTimeout: readyWithin, PIDFile: pidFile})
	if err != nil {
		return nil, fmt.Errorf("prepare the handover: %w", err)
	}
	p := &Place{upg, make(chan struct{})}
	if !p.Successor() {
		close(p.alone)
	} else {
		go func() {
			defer close(p.alone)
			_ = upg.WaitForParent(context.Background()) // an end that is no good one is an end
		}()
	}
	return p, os.Unsetenv(sentinel)
}

// Successor reports whether another process is giving its place to this one.
func (p *Place) Successor() bool { return p.upg.HasParent() }

// Listen returns the predecessor's socket for the address, or a new one.
func (p *Place) Listen(addr string) (net.Listener, error) { return p.upg.Listen("tcp", addr) }

// Take tells the predecessor that this process will do: that one then gives up
// what only one can have, and may still have calls to end.
func (p *Place) Take() error { return p.upg.Ready() }

// Alone is closed once the predecessor, if there was one, has ended.
func (p *Place) Alone() <-chan struct{} { return p.alone }

// Hold says that this process has the place from now on: it may be given away.
func (p *Place) Hold() error {
	if p.Successor() {
		return nil // said by Take
	}
	return p.upg.Ready()
}

// Give starts a successor and returns when that one says that it will do. Then
// this process must end; on an error it goes on. The end of ctx ends a successor
// that has not said so, and the possibility of a handover.
func (p *Place) Give(ctx context.Context) error {
	if os.Getpid() == 1 {
		return errors.New("this is the first process of its container, which would end with it: replace the container instead")
	}
	select {
	case <-p.alone:
	default:
		return errors.New("the process before this one still has calls in flight: try again when they have ended")
	}
	defer context.AfterFunc(ctx, p.Close)()
	return p.upg.Upgrade()
}

// Close ends the possibility of a handover.
func (p *Place) Close() { p.upg.Stop() }
