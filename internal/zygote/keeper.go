// Package zygote keeps the processes alive that instances are forked from: one
// for each environment in use, with what its agents were seen to import.
package zygote

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

	"github.com/runagent/runagent/internal/backoff"
	"github.com/runagent/runagent/internal/invocation"
	"github.com/runagent/runagent/internal/sandbox"
)

// Options configures a Keeper. Driver, Zygote, Plain and Memory are needed.
type Options struct {
	Driver sandbox.Driver
	// Zygote and Plain are the processes to start, without their descriptors.
	Zygote, Plain sandbox.Spec
	Memory        Memory
	// OnLog gets lines of the zygote itself.
	OnLog func(invocation.LogLine)
	Log   *slog.Logger
}

// Keeper keeps one zygote of one environment alive and makes instances: by
// fork where it can, by a plain start where it can't.
type Keeper struct {
	o      Options
	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu      sync.Mutex // guards all that follows
	current *held
	attempt chan struct{} // closed when there is a zygote, or none could be made
	resting bool          // no instance is wanted: the zygote may be frozen
	forking int           // launches under way
	due     bool          // a better zygote comes, with what calls have loaded
	// lastNews is when they last had loaded something, lastDue when the last
	// zygote for it was begun.
	lastNews, lastDue time.Time
}

// held is a zygote and how many forks it is asked for right now. One that was
// replaced by a better one ends when it has answered them.
type held struct {
	made
	asked   int
	retired bool
}

// made is a zygote and what it was told to import.
type made struct {
	sandbox.Zygote
	imports []string
}

// endUnasked ends one that was replaced and is asked for nothing. The keeper's
// mu is held.
func (z *held) endUnasked() {
	if z.retired && z.asked == 0 {
		z.Kill()
	}
}

// forkTries is how many zygotes in a row may end under one launch before it
// starts plainly.
const forkTries = 3

// importLimit bounds how long the imports of a zygote may take.
const importLimit = 2 * time.Minute

// NewKeeper starts making a zygote in the background.
func NewKeeper(o Options) *Keeper {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	ctx, cancel := context.WithCancel(context.Background())
	k := &Keeper{o: o, ctx: ctx, cancel: cancel, attempt: make(chan struct{})}
	k.wg.Go(k.keep)
	return k
}

// Close ends the zygote and waits. Instances live on.
func (k *Keeper) Close() {
	k.cancel()
	k.wg.Wait()
}

// keep replaces the zygote whenever it has ended, with backoff.
func (k *Keeper) keep() {
	defer k.tried()
	if !k.o.Driver.Capabilities().Fork {
		return
	}
	wait := backoff.Wait{}
	for k.ctx.Err() == nil {
		z, err := k.make()
		if err != nil && k.ctx.Err() == nil {
			k.o.Log.Warn("no zygote; instances start plainly", "error", err)
		}
		if err == nil {
			k.replace(z)
			wait.Reset()
			k.watch()
		} else {
			k.tried()
		}
		if !wait.Sleep(k.ctx) {
			break
		}
	}
	if z := k.holding(); z != nil {
		z.Kill()
		<-z.Done()
		k.lose(z)
	}
}

// tried says that the attempt at a zygote is over.
func (k *Keeper) tried() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.endAttempt()
}

// endAttempt is tried with k.mu held.
func (k *Keeper) endAttempt() {
	select {
	case <-k.attempt:
	default:
		close(k.attempt)
	}
}

// watch returns when the current zygote, whichever that is by then, has ended.
func (k *Keeper) watch() {
	for {
		z := k.holding()
		if z == nil {
			return
		}
		select {
		case <-z.Done():
			k.lose(z)
		case <-k.ctx.Done():
			return
		}
	}
}

// lose notes that a zygote has ended: launches wait for its replacement.
func (k *Keeper) lose(z *held) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.current != z {
		return // it was replaced by a better one, or is known to have ended
	}
	k.current = nil
	if k.ctx.Err() == nil {
		k.attempt = make(chan struct{})
		k.o.Log.Warn("the zygote ended and is replaced", "how", z.Exit().String())
	}
}

// make starts a zygote with all imports that fork safely. An import that
// leaves something behind which a fork would break costs one zygote, once.
func (k *Keeper) make() (made, error) {
	failed := false
	for range 20 {
		z, err := k.startZygote()
		if err != nil {
			return made{}, err
		}
		wanted := k.o.Memory.Wanted()
		ctx, cancel := context.WithTimeout(k.ctx, importLimit)
		got, err := z.Import(ctx, wanted)
		cancel()
		if err == nil && !k.exclude(got.Excluded) {
			return made{z, wanted}, nil
		}
		z.Kill()
		<-z.Done()
		if err != nil && failed && !k.forgetLater(err) {
			return made{}, err
		}
		failed = err != nil
	}
	return made{}, errors.New("too many imports are unsafe to fork after")
}

func (k *Keeper) startZygote() (sandbox.Zygote, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("make pipe: %w", err)
	}
	defer w.Close()
	spec := k.o.Zygote
	spec.Stdout, spec.Stderr = w, w
	z, err := k.o.Driver.StartZygote(k.ctx, spec)
	if err != nil {
		r.Close()
		return nil, err
	}
	k.wg.Go(func() {
		defer r.Close()
		forwardLines(r, func(text string) {
			k.o.OnLog(invocation.LogLine{Time: time.Now().UTC(), Stream: "system", Text: text, Instance: "zygote"})
		})
	})
	return z, nil
}

// Current returns the zygote that forks now, or nil.
func (k *Keeper) Current() sandbox.Zygote {
	if z := k.holding(); z != nil {
		return z.Zygote
	}
	return nil
}

func (k *Keeper) holding() *held {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.current
}

// replace makes z the zygote that forks. One that was before answers what it
// is asked already and ends.
func (k *Keeper) replace(z made) {
	k.mu.Lock()
	defer k.mu.Unlock()
	old := k.current
	k.current = &held{made: z}
	k.endAttempt()
	k.settle()
	if old != nil {
		old.retired = true
		old.endUnasked()
	}
}

// borrow returns the zygote to ask for a fork, which giveBack takes again. It
// waits while one is made, and returns nil when none can be.
func (k *Keeper) borrow(ctx context.Context) (*held, error) {
	for {
		z, attempt := k.take()
		if z != nil {
			return z, nil
		}
		if attempt == nil {
			return nil, nil
		}
		select {
		case <-attempt:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// take is borrow without the wait: there is a zygote, or one is made until
// attempt is closed, or none can be.
func (k *Keeper) take() (z *held, attempt <-chan struct{}) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.current != nil {
		k.current.asked++
		return k.current, nil
	}
	select {
	case <-k.attempt:
		return nil, nil
	default:
		return nil, k.attempt
	}
}

func (k *Keeper) giveBack(z *held) {
	k.mu.Lock()
	defer k.mu.Unlock()
	z.asked--
	z.endUnasked()
}

// Rest says that no instance is wanted for a while: the zygote is frozen, where
// that can be done, until the next Launch.
func (k *Keeper) Rest() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.resting = true
	k.settle()
}

// Frozen reports whether the zygote rests, on a machine that can freeze it.
func (k *Keeper) Frozen() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.resting && k.forking == 0 && k.current != nil && k.o.Driver.Capabilities().Freeze
}

// Memory is what the end of the zygote would give back, in bytes.
func (k *Keeper) Memory() int64 {
	if z := k.Current(); z != nil {
		return z.Memory()
	}
	return 0
}

// rouse makes the zygote one that can fork, until the end of the launch.
func (k *Keeper) rouse() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.forking++
	k.resting = false
	k.settle()
}

func (k *Keeper) launched() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.forking--
	k.settle()
}

// settle freezes or thaws the zygote as is wanted. k.mu is held: who forks must
// not meet a change.
func (k *Keeper) settle() {
	z := k.current
	if z == nil {
		return
	}
	change := z.Thaw
	if k.resting && k.forking == 0 {
		change = z.Freeze
	}
	if err := change(); err != nil {
		k.o.Log.Warn("the zygote is not frozen, or thawed, as it should be", "error", err)
	}
}

// Launch makes the process of an instance, whose socket is sock, and says
// whether it was forked.
func (k *Keeper) Launch(ctx context.Context, token string, sock, stdout, stderr *os.File) (sandbox.Process, invocation.StartKind, error) {
	k.rouse()
	defer k.launched()
	for range forkTries {
		z, err := k.borrow(ctx)
		if err != nil {
			return nil, "", err
		}
		if z == nil {
			break
		}
		p, err := z.Fork(ctx, token, sock, stdout, stderr)
		k.giveBack(z)
		if err == nil {
			return p, invocation.Warm, nil
		}
		if ctx.Err() != nil {
			return nil, "", ctx.Err()
		}
		select {
		case <-z.Done():
			k.lose(z) // and ask its replacement: plain starts cost many times a fork
		default:
			k.o.Log.Warn("fork from the zygote", "error", err)
		}
	}
	spec := k.o.Plain
	spec.Env = append(slices.Clone(spec.Env), "RUNAGENT_TOKEN="+token)
	spec.Files = []*os.File{sock}
	spec.Stdout, spec.Stderr = stdout, stderr
	p, err := k.o.Driver.Start(ctx, spec)
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
		n, err := r.Read(chunk)
		for _, b := range chunk[:n] {
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
