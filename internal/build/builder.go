// Package build makes ready environments: an interpreter with an agent's
// requirements installed, cached by the digest of what went into it.
package build

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/runagent/runagent/internal/build/bounds"
	"github.com/runagent/runagent/internal/runtime/python"
)

// marker is the file whose presence says that an environment is whole. It is
// written last, by a rename.
const marker = ".complete"

// Options configures a Builder.
type Options struct {
	// Home is RUNAGENT_HOME; environments live in its envs folder. Required.
	Home string
	// UV is the uv program; "" installs with venv and pip. See FindUV.
	UV string
	// Environ is what the installers inherit: proxies, indexes, credentials.
	Environ []string
	// Progress is told each line of the installer; nil tells nobody. It is
	// called from one goroutine at a time for each Build.
	Progress func(line string)
	// Deployed says that folders come from elsewhere and environments outlive
	// them: what is not locked is locked first, local packages must lie in the
	// folder and are copied, and a build that can't succeed is not tried twice.
	Deployed bool
	// Slots is how many environments are installed at once; 0 for any number.
	Slots int
	// Bounds are those of one installation.
	Bounds bounds.Bounds
	// Room is asked before each whether there is room for it, and told whether
	// no other is under way; nil always has.
	Room func(alone bool) error
}

// Builder builds environments. It is safe for concurrent use, also beside
// Builders of other processes on the same Home: each environment is built once.
//
// The environments it has given are used until Close: see Collect.
type Builder struct {
	o Options

	slots chan struct{} // nil for any number

	mu   sync.Mutex // guards used
	used map[string]*usage
}

// New returns a Builder. The caller closes it.
func New(o Options) *Builder {
	if o.Progress == nil {
		o.Progress = func(string) {}
	}
	b := &Builder{o: o, used: map[string]*usage{}}
	if o.Slots > 0 {
		b.slots = make(chan struct{}, o.Slots)
	}
	return b
}

// Request says for what to build.
type Request struct {
	// Dir is the agent's folder.
	Dir string
	// Requirements is the manifest's `requirements`, relative to Dir; "" means
	// requirements.txt, else uv.lock, else pyproject.toml, if there is one.
	Requirements string
	// Python is the interpreter to build upon.
	Python *python.Interpreter
	// Progress is told each line of the installer instead of Options.Progress,
	// unless it is nil.
	Progress func(line string)
	// Agent is whose environment it is, Vars are that agent's variables: what
	// the requirements refer to as ${NAME}, and settings of indexes, are handed
	// to the installer and never shown.
	Agent string
	Vars  map[string]string
	// Lock is the digest of the lock that an earlier Build returned: exactly
	// the same is installed, if that lock is still there.
	Lock string
	// Again tries once more what is known to fail.
	Again bool
}

// Env is a ready environment.
type Env struct {
	// Python is the environment's interpreter; that of the request where
	// nothing is required.
	Python *python.Interpreter
	// Key is the digest of what went in. It changes when the requirements, the
	// interpreter or the installer do.
	Key string
	// Dir is the environment's folder, "" where nothing is required.
	Dir string
	// Lock is the digest of the lock that was made for it, "" where the author
	// has locked the requirements, and where nobody has. See LockFile.
	Lock string
	// Fresh says that this call built it; Took is how long that was.
	Fresh bool
	Took  time.Duration
}

// Build returns the environment that req asks for, building it if it is not
// there yet. Errors that the author can mend are *fault.Error: a file that is
// missing or can't be honoured, and an install that failed, with the
// installer's last lines. What was left half-made is removed. The environment
// stays until Close, or where CollectBut is called, as that says.
func (b *Builder) Build(ctx context.Context, req Request) (*Env, error) {
	p, err := b.plan(req)
	if err != nil {
		return nil, fmt.Errorf("read requirements: %w", err)
	}
	if p.kind == nothing {
		return &Env{Python: req.Python, Key: p.key}, nil
	}
	if !req.Again {
		if err := b.known(p); err != nil {
			return nil, err
		}
	}
	if err := b.settle(ctx, p, req.Lock); err != nil {
		return nil, b.remember(p, err)
	}
	if err := b.use(ctx, p.key, p.tell); err != nil {
		return nil, fmt.Errorf("mark environment as used: %w", err)
	}
	env, err := b.obtain(ctx, p)
	if err != nil {
		b.Started(p.key) // nobody will
	}
	return env, err
}

// obtain returns the environment of p, which is marked as used.
func (b *Builder) obtain(ctx context.Context, p *plan) (*Env, error) {
	if env, ok := b.ready(p); ok {
		return env, nil
	}
	lock, err := b.lock(ctx, p.key, p.tell)
	if err != nil {
		return nil, fmt.Errorf("lock environment: %w", err)
	}
	defer lock.Close()
	if env, ok := b.ready(p); ok { // another process has built it meanwhile
		return env, nil
	}
	env, err := b.fresh(ctx, p, lock)
	return env, b.remember(p, err)
}

// enter waits for a slot, and asks for room; leave gives the slot back.
func (b *Builder) enter(ctx context.Context, tell func(string)) (leave func(), err error) {
	if leave, err = b.slot(ctx, tell); err != nil || b.o.Room == nil {
		return leave, err
	}
	if err := b.o.Room(len(b.slots) <= 1); err != nil {
		leave()
		return nil, err
	}
	return leave, nil
}

func (b *Builder) slot(ctx context.Context, tell func(string)) (leave func(), err error) {
	if b.slots == nil {
		return func() {}, nil
	}
	select {
	case b.slots <- struct{}{}:
	default:
		tell(fmt.Sprintf("waiting until one of the %d environments being installed is ready", cap(b.slots)))
		select {
		case b.slots <- struct{}{}:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
	return func() { <-b.slots }, nil
}

// fresh builds the environment of p from nothing, under its lock.
func (b *Builder) fresh(ctx context.Context, p *plan, lock *os.File) (*Env, error) {
	leave, err := b.enter(ctx, p.tell)
	if err != nil {
		return nil, err
	}
	defer leave()
	begun := time.Now()
	dir := b.dir(p)
	if err := os.RemoveAll(dir); err != nil {
		return nil, fmt.Errorf("remove a half-made environment: %w", err)
	}
	in, err := b.install(ctx, p, dir, lock)
	if err == nil {
		err = complete(dir, in)
	}
	if err != nil {
		if cleanup := os.RemoveAll(dir); cleanup != nil {
			err = errors.Join(err, fmt.Errorf("remove a half-made environment: %w", cleanup))
		}
		return nil, err
	}
	return &Env{Python: in, Key: p.key, Dir: dir, Lock: p.lock, Fresh: true, Took: time.Since(begun)}, nil
}

func (b *Builder) envs() string { return filepath.Join(b.o.Home, "envs") }

func (b *Builder) dir(p *plan) string { return filepath.Join(b.envs(), p.key) }

// ready returns the environment of p if it is whole. Its interpreter was
// asked when it was built, so that a start does not pay for a process.
func (b *Builder) ready(p *plan) (*Env, bool) {
	dir := b.dir(p)
	text, err := os.ReadFile(filepath.Join(dir, marker))
	if err != nil {
		return nil, false
	}
	var in python.Interpreter
	if err := json.Unmarshal(text, (*remembered)(&in)); err != nil {
		return nil, false
	}
	// The interpreter it was made from may have been removed since.
	if _, err := os.Stat(in.Path); err != nil {
		return nil, false
	}
	in.Origin = python.Built
	return &Env{Python: &in, Key: p.key, Dir: dir, Lock: p.lock}, true
}

// remembered is an Interpreter as the marker holds it: all fields.
type remembered python.Interpreter

func complete(dir string, in *python.Interpreter) error {
	text, err := json.Marshal((*remembered)(in))
	if err != nil {
		return fmt.Errorf("mark environment: %w", err)
	}
	temp := filepath.Join(dir, marker+".new")
	if err := os.WriteFile(temp, text, 0o600); err != nil {
		return fmt.Errorf("mark environment: %w", err)
	}
	if err := os.Rename(temp, filepath.Join(dir, marker)); err != nil {
		return fmt.Errorf("mark environment: %w", err)
	}
	return nil
}

// FindUV returns the uv to use: explicit if it is set, else the one that
// `make` installed beside the running binary, else the first on searchPath,
// else "".
func FindUV(explicit, searchPath string) string {
	if explicit != "" {
		return explicit
	}
	var candidates []string
	if self, err := os.Executable(); err == nil {
		candidates = append(candidates, filepath.Join(filepath.Dir(self), "..", ".tools", "bin", "uv"))
	}
	for _, dir := range filepath.SplitList(searchPath) {
		if filepath.IsAbs(dir) {
			candidates = append(candidates, filepath.Join(dir, "uv"))
		}
	}
	for _, path := range candidates {
		if stat, err := os.Stat(path); err == nil && stat.Mode().IsRegular() && stat.Mode()&0o111 != 0 {
			return filepath.Clean(path)
		}
	}
	return ""
}

// missing reports whether err says that a file is not there.
func missing(err error) bool { return errors.Is(err, fs.ErrNotExist) }
