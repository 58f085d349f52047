package build

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/runagent/runagent/internal/fault"
)

// resolvedSuffix ends the names of files that hold the digest of the lock which
// requirements were resolved to.
const resolvedSuffix = ".resolved"

// LockFile is where the lock with the given digest is kept: every package with
// its version and hashes, as a requirements.txt.
func LockFile(home, digest string) string { return filepath.Join(home, "locks", digest+".txt") }

// settle decides on the lock to install from, wanted if it is there, and on
// the key of the environment. Requirements that nobody has locked are locked
// once: who asks for the same ones later gets the same versions.
func (b *Builder) settle(ctx context.Context, p *plan, wanted string) error {
	if !b.o.Deployed || b.o.UV == "" || p.kind == locked || p.found.hashed {
		return nil
	}
	if wanted != "" {
		if _, err := os.Stat(LockFile(b.o.Home, wanted)); err == nil {
			p.lockTo(wanted)
			return nil
		}
		p.tell("the lock of this revision is gone; its requirements are resolved again")
	}
	if b.resolved(p) {
		return nil
	}
	lock, err := b.lock(ctx, p.inputs, p.tell)
	if err != nil {
		return fmt.Errorf("lock requirements: %w", err)
	}
	defer lock.Close()
	if b.resolved(p) { // somebody else has done it meanwhile
		return nil
	}
	return b.resolve(ctx, p, lock)
}

// lockTo makes p install from the lock with the given digest.
func (p *plan) lockTo(digest string) {
	sum := sha256.Sum256([]byte(p.inputs + " " + digest))
	p.lock, p.key = digest, hex.EncodeToString(sum[:16])
}

// resolved takes the lock that these requirements were resolved to before.
func (b *Builder) resolved(p *plan) bool {
	path := filepath.Join(b.envs(), p.inputs+resolvedSuffix)
	text, err := os.ReadFile(path)
	if err != nil {
		return false
	}
	digest := string(text)
	if _, err := os.Stat(LockFile(b.o.Home, digest)); err != nil {
		return false
	}
	touch(path)
	p.lockTo(digest)
	return true
}

// resolve has uv choose the versions, and keeps them.
func (b *Builder) resolve(ctx context.Context, p *plan, lock *os.File) error {
	leave, err := b.enter(ctx, p.tell)
	if err != nil {
		return err
	}
	defer leave()
	p.tell("locking " + p.name())
	temp, err := os.MkdirTemp(b.envs(), ".resolve-")
	if err != nil {
		return fmt.Errorf("lock requirements: %w", err)
	}
	defer os.RemoveAll(temp)
	work := b.begin(ctx, p, temp, lock)
	defer work.end()
	// To a file: what it prints says why, where it fails.
	out := filepath.Join(temp, "lock.txt")
	if err := work.run([]string{b.o.UV, "pip", "compile", "--quiet", "--generate-hashes", "--no-header", "--no-annotate",
		"--python", p.python.Path, "--output-file", out, p.file}); err != nil {
		return err
	}
	text, err := os.ReadFile(out)
	if err != nil {
		return fmt.Errorf("lock requirements: %w", err)
	}
	digest, err := b.keepLock(p, string(text))
	if err != nil {
		return fmt.Errorf("lock requirements: %w", err)
	}
	p.lockTo(digest)
	return nil
}

// keepLock keeps a lock by its digest, and that these requirements have it.
// The options of the requirements go with it, their variables unexpanded.
func (b *Builder) keepLock(p *plan, pins string) (digest string, err error) {
	text := pins
	if len(p.found.options) > 0 {
		text = strings.Join(p.found.options, "\n") + "\n" + pins
	}
	if p.mask.Replace(text) != text {
		return "", fault.New(fault.Validation, "the lock of %s would hold a secret", p.name()).
			WithSuggestion("Refer to it as ${NAME} in the requirements.")
	}
	sum := sha256.Sum256([]byte(text))
	digest = hex.EncodeToString(sum[:])
	if err := writeWhole(LockFile(b.o.Home, digest), text); err != nil {
		return "", err
	}
	return digest, writeWhole(filepath.Join(b.envs(), p.inputs+resolvedSuffix), digest)
}

// writeWhole writes a file that is never seen half.
func writeWhole(path, text string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	temp, err := os.CreateTemp(filepath.Dir(path), ".new-")
	if err != nil {
		return err
	}
	defer os.Remove(temp.Name()) // after the rename there is none
	_, err = temp.WriteString(text)
	if err == nil {
		err = temp.Sync()
	}
	if closed := temp.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return err
	}
	return os.Rename(temp.Name(), path)
}
