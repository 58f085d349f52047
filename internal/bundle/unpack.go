package bundle

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"github.com/klauspost/compress/zstd"

	"github.com/runagent/runagent/internal/fault"
)

const (
	// windowSize is how far back a bundle refers to itself: what a reader must
	// keep in memory.
	windowSize = 4 << 20
	// headerBytes is what an entry adds to a tar beside its content, extended
	// headers for a long name included.
	headerBytes = 16 << 10
	// maxName bounds the path of a file.
	maxName = 1024
)

// Check reads a bundle to its end without unpacking it, and returns what it
// holds. Errors: *fault.Error when it is not a bundle, holds what a bundle may
// not hold, or is over the limits.
func Check(r io.Reader, limits Limits) (Summary, error) {
	return walk(r, limits, func(*tar.Header, io.Reader) error { return nil })
}

// Unpack unpacks the bundle read from r into the folder dir, which must be
// empty or not exist. It fails, as Check does, before anything is written
// outside of dir; what it has written by then stays. The caller compares the
// digest.
func Unpack(r io.Reader, dir string, limits Limits) (Summary, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return Summary{}, fmt.Errorf("unpack: %w", err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return Summary{}, fmt.Errorf("unpack: %w", err)
	}
	defer root.Close()
	return walk(r, limits, func(h *tar.Header, content io.Reader) error { return place(root, h, content) })
}

// place writes one entry below root.
func place(root *os.Root, h *tar.Header, content io.Reader) error {
	name := filepath.FromSlash(h.Name)
	if err := root.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return fmt.Errorf("unpack %s: %w", h.Name, err)
	}
	if h.Typeflag == tar.TypeSymlink {
		if err := root.Symlink(filepath.FromSlash(h.Linkname), name); err != nil {
			return fmt.Errorf("unpack %s: %w", h.Name, err)
		}
		return nil
	}
	mode := fs.FileMode(0o600)
	if h.Mode&0o100 != 0 {
		mode = 0o700
	}
	f, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return fmt.Errorf("unpack %s: %w", h.Name, err)
	}
	_, err = io.Copy(f, content)
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("unpack %s: %w", h.Name, err)
	}
	return nil
}

// walk calls visit with each entry of a bundle, after it was found harmless.
func walk(r io.Reader, limits Limits, visit func(*tar.Header, io.Reader) error) (Summary, error) {
	limits = limits.OrDefault()
	packed := &meter{r: r, limit: limits.Packed, over: limits.overPacked}
	plain, err := zstd.NewReader(packed, zstd.WithDecoderMaxWindow(windowSize), zstd.WithDecoderConcurrency(1))
	if err != nil {
		return Summary{}, notABundle(err)
	}
	defer plain.Close()
	digest := sha256.New()
	// Headers count too, or a bundle of nothing but headers would be a bomb.
	unpacked := &meter{r: plain, limit: limits.Bytes + int64(limits.Files)*headerBytes, over: limits.overBytes}
	all := io.TeeReader(unpacked, digest)
	w := walker{limits: limits, seen: map[string]bool{}}
	if err := w.entries(tar.NewReader(all), visit); err != nil {
		return Summary{}, err
	}
	// What follows the end of the archive belongs to the digest.
	if _, err := io.Copy(io.Discard, all); err != nil {
		return Summary{}, notABundle(err)
	}
	w.sum.Digest = digestPrefix + hex.EncodeToString(digest.Sum(nil))
	w.sum.Packed = packed.n
	return w.sum, nil
}

// walker checks the entries of one bundle.
type walker struct {
	limits Limits
	sum    Summary
	seen   map[string]bool // names; true for links
}

func (w *walker) entries(archive *tar.Reader, visit func(*tar.Header, io.Reader) error) error {
	for {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return notABundle(err)
		}
		if err := w.check(h); err != nil {
			return err
		}
		content := &remember{r: archive}
		if err := visit(h, content); err != nil {
			if content.err != nil {
				return notABundle(content.err)
			}
			return err
		}
	}
}

// check refuses what a bundle may not hold.
func (w *walker) check(h *tar.Header) error {
	if w.sum.Files++; w.sum.Files > w.limits.Files {
		return w.limits.overFiles()
	}
	if w.sum.Bytes += h.Size; h.Size < 0 || w.sum.Bytes > w.limits.Bytes {
		return w.limits.overBytes()
	}
	if !safeName(h.Name) {
		return refused("the bundle holds a file whose name %q does not stay inside", clip(h.Name))
	}
	link := h.Typeflag == tar.TypeSymlink
	if !link && h.Typeflag != tar.TypeReg {
		return refused("the bundle holds %q, which is neither a file nor a link", clip(h.Name))
	}
	if link && (!staysInside(h.Name, h.Linkname) || len(h.Linkname) > maxName) {
		return refused("the bundle holds the link %q that leads out, to %q", clip(h.Name), clip(h.Linkname))
	}
	if _, twice := w.seen[h.Name]; twice {
		return refused("the bundle holds %q twice", clip(h.Name))
	}
	for dir := path.Dir(h.Name); dir != "."; dir = path.Dir(dir) {
		if _, file := w.seen[dir]; file {
			return refused("the bundle holds %q below what is no folder", clip(h.Name))
		}
	}
	w.seen[h.Name] = link
	return nil
}

// safeName reports whether name is a clean relative path that stays inside.
func safeName(name string) bool {
	return name != "." && len(name) <= maxName && utf8.ValidString(name) && !strings.ContainsAny(name, "\\\x00") &&
		path.Clean(name) == name && filepath.IsLocal(filepath.FromSlash(name))
}

func refused(format string, args ...any) error {
	return fault.New(fault.Validation, format, args...)
}

// notABundle turns what a reader of archives says into our words. Limits that
// were exceeded, and a body that ended too early, stay what they are.
func notABundle(err error) error {
	if f := fault.As(err); f != nil {
		return f
	}
	return fault.New(fault.Validation, "this is not a whole bundle: %w", err)
}

func clip(text string) string {
	return string(bytes.ToValidUTF8([]byte(text[:min(len(text), 128)]), []byte("?")))
}

// meter counts what is read, up to a limit.
type meter struct {
	r        io.Reader
	n, limit int64
	over     func() error
}

// Read implements io.Reader.
func (m *meter) Read(b []byte) (int, error) {
	n, err := m.r.Read(b)
	if m.n += int64(n); m.n > m.limit {
		return 0, m.over()
	}
	return n, err
}

// remember keeps the error of a reader, to tell it from a writer's.
type remember struct {
	r   io.Reader
	err error
}

// Read implements io.Reader.
func (m *remember) Read(b []byte) (int, error) {
	n, err := m.r.Read(b)
	if err != nil && !errors.Is(err, io.EOF) {
		m.err = err
	}
	return n, err
}
