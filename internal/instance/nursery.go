package instance

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/runagent/runagent/internal/invocation"
	"github.com/runagent/runagent/internal/sandbox"
)

// Memory knows what a zygote should import, also from earlier runs of the server.
type Memory interface {
	// Wanted are the modules to import, in order.
	Wanted() []string
	// Learn takes what a ready instance had loaded from outside its folder and
	// reports whether Wanted is different now.
	Learn(modules []string) bool
	// Exclude leaves a module out of Wanted from now on and reports whether
	// that is new.
	Exclude(module, why string) bool
}

// NurseryOptions configures a Nursery. Driver, Zygote, Plain and Memory are needed.
type NurseryOptions struct {
	Driver sandbox.Driver
	// Zygote and Plain are the processes to start, without their descriptors.
	Zygote, Plain sandbox.Spec
	Memory        Memory
	// OnLog gets lines of the zygote itself.
	OnLog func(invocation.LogLine)
	Log   *slog.Logger
}

// Nursery keeps one zygote of one environment alive and makes instances: by
// fork where it can, by a plain start where it can't.
type Nursery struct {
	o      NurseryOptions
	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu      sync.Mutex // guards all that follows
	current sandbox.Zygote
	first   chan struct{} // closed when the first attempt at a zygote is over
}

// zygoteImportLimit bounds how long the imports of a zygote may take.
const zygoteImportLimit = 2 * time.Minute

// NewNursery starts making a zygote in the background.
func NewNursery(o NurseryOptions) *Nursery {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	ctx, cancel := context.WithCancel(context.Background())
	n := &Nursery{o: o, ctx: ctx, cancel: cancel, first: make(chan struct{})}
	n.wg.Go(n.keep)
	return n
}

// Close ends the zygote and waits. Instances live on.
func (n *Nursery) Close() {
	n.cancel()
	n.wg.Wait()
}

// keep replaces the zygote whenever it has ended, with backoff.
func (n *Nursery) keep() {
	first := sync.OnceFunc(func() { close(n.first) })
	defer first()
	if !n.o.Driver.Capabilities().Fork {
		return
	}
	wait := backoff{}
	for n.ctx.Err() == nil {
		z, err := n.make()
		if err != nil && n.ctx.Err() == nil {
			n.o.Log.Warn("no zygote; instances start plainly", "error", err)
		}
		if err == nil {
			n.swap(z)
			wait.reset()
		}
		first()
		if err == nil {
			n.watch()
		}
		if !wait.sleep(n.ctx) {
			break
		}
	}
	if z := n.swap(nil); z != nil {
		z.Kill()
		<-z.Done()
	}
}

// watch returns when the current zygote, whichever that is by then, has ended.
func (n *Nursery) watch() {
	for {
		z := n.zygote()
		if z == nil {
			return
		}
		select {
		case <-z.Done():
			if n.zygote() != z {
				continue // it was replaced by a better one
			}
			n.swap(nil)
			n.o.Log.Warn("the zygote ended and is replaced", "how", z.Exit().String())
			return
		case <-n.ctx.Done():
			return
		}
	}
}

// make starts a zygote with all imports that fork safely. An import that
// leaves something behind which a fork would break costs one zygote, once.
func (n *Nursery) make() (sandbox.Zygote, error) {
	for range 20 {
		z, err := n.startZygote()
		if err != nil {
			return nil, err
		}
		ctx, cancel := context.WithTimeout(n.ctx, zygoteImportLimit)
		got, err := z.Import(ctx, n.o.Memory.Wanted())
		cancel()
		if err != nil {
			z.Kill()
			<-z.Done()
			return nil, err
		}
		if !n.exclude(got.Excluded) {
			return z, nil
		}
		z.Kill()
		<-z.Done()
	}
	return nil, errors.New("too many imports are unsafe to fork after")
}

func (n *Nursery) startZygote() (sandbox.Zygote, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("make pipe: %w", err)
	}
	defer w.Close()
	spec := n.o.Zygote
	spec.Stdout, spec.Stderr = w, w
	z, err := n.o.Driver.StartZygote(n.ctx, spec)
	if err != nil {
		r.Close()
		return nil, err
	}
	n.wg.Go(func() {
		defer r.Close()
		forwardLines(r, func(text string) {
			n.o.OnLog(invocation.LogLine{Time: time.Now().UTC(), Stream: "system", Text: text, Instance: "zygote"})
		})
	})
	return z, nil
}

// exclude remembers polluting imports; it reports whether there are new ones.
func (n *Nursery) exclude(list []sandbox.Excluded) bool {
	found := false
	for _, e := range list {
		if !e.Polluted || !n.o.Memory.Exclude(e.Module, e.Why) {
			continue
		}
		found = true
		n.o.OnLog(invocation.LogLine{
			Time: time.Now().UTC(), Stream: "system", Level: "info", Instance: "zygote",
			Text: fmt.Sprintf("module %s is imported after the fork, not before: %s", e.Module, e.Why),
		})
	}
	return found
}

// Observe tells what a ready instance had loaded from outside its folder. When
// that is more than the zygote has, a better zygote is made in the background.
func (n *Nursery) Observe(modules []string) {
	if n.ctx.Err() != nil || !n.o.Memory.Learn(modules) || n.zygote() == nil {
		return
	}
	n.wg.Go(n.improve)
}

// improve replaces the zygote by one with the imports wanted now.
func (n *Nursery) improve() {
	z, err := n.make()
	if err != nil {
		if n.ctx.Err() == nil {
			n.o.Log.Warn("the better zygote could not be made", "error", err)
		}
		return
	}
	if old := n.swap(z); old != nil {
		old.Kill()
	}
	if n.ctx.Err() != nil {
		z.Kill()
	}
}

func (n *Nursery) zygote() sandbox.Zygote {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.current
}

func (n *Nursery) swap(z sandbox.Zygote) sandbox.Zygote {
	n.mu.Lock()
	defer n.mu.Unlock()
	old := n.current
	n.current = z
	return old
}

// Launch implements Launcher.
func (n *Nursery) Launch(ctx context.Context, token string, sock, stdout, stderr *os.File) (sandbox.Process, invocation.StartKind, error) {
	select {
	case <-n.first:
	case <-ctx.Done():
		return nil, "", ctx.Err()
	}
	for range 2 { // once more when the zygote was just replaced
		z := n.zygote()
		if z == nil {
			break
		}
		p, err := z.Fork(ctx, token, sock, stdout, stderr)
		if err == nil {
			return p, invocation.Warm, nil
		}
		if ctx.Err() != nil {
			return nil, "", ctx.Err()
		}
		n.o.Log.Warn("fork from the zygote", "error", err)
	}
	spec := n.o.Plain
	spec.Env = append(slices.Clone(spec.Env), "RUNAGENT_TOKEN="+token)
	spec.Files = []*os.File{sock}
	spec.Stdout, spec.Stderr = stdout, stderr
	p, err := n.o.Driver.Start(ctx, spec)
	if err != nil {
		return nil, "", err
	}
	return p, invocation.Cold, nil
}

// forwardLines hands on line after line until r ends.
func forwardLines(r io.Reader, each func(string)) {
	buf := make([]byte, 0, 4096)
	chunk := make([]byte, 4096)
	for {
		k, err := r.Read(chunk)
		for _, b := range chunk[:k] {
			if b == '\n' || len(buf) >= 8192 {
				each(string(buf))
				buf = buf[:0]
			}
			if b != '\n' {
				buf = append(buf, b)
			}
		}
		if err != nil {
			if len(buf) > 0 {
				each(string(buf))
			}
			return
		}
	}
}

// backoff waits longer after each failure: 100 ms, doubled up to 10 s.
type backoff struct{ next time.Duration }

func (b *backoff) reset() { b.next = 0 }

// sleep waits and reports whether ctx still lives.
func (b *backoff) sleep(ctx context.Context) bool {
	if b.next == 0 {
		b.next = 100 * time.Millisecond
	}
	t := time.NewTimer(b.next)
	defer t.Stop()
	b.next = min(2*b.next, 10*time.Second)
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

var _ Launcher = (*Nursery)(nil)
