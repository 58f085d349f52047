package bundle

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/klauspost/compress/zstd"

	"github.com/runagent/runagent/internal/fault"
)

// PackOptions says how a folder is packed.
type PackOptions struct {
	Limits Limits
	// AllowSecrets packs files that look like secrets, too.
	AllowSecrets bool
	// Needed are files, by their paths from the folder with "/", without which
	// the agent is none: one that stays out is an error.
	Needed []string
}

// entry is one file of a folder to be packed.
type entry struct {
	rel        string
	size       int64
	executable bool
	link       string // where a symbolic link leads
}

// Pack writes the bundle of the agent's folder dir to w. What .gitignore and
// .runagentignore name stays out, and so do .env, .git and virtual
// environments. Errors that the author can mend are *fault.Error: files that
// look like secrets, links that lead out of the folder, and a folder over the
// limits.
func Pack(ctx context.Context, dir string, w io.Writer, o PackOptions) (Summary, error) {
	o.Limits = o.Limits.OrDefault()
	root, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return Summary{}, fmt.Errorf("pack %s: %w", dir, err)
	}
	p := packer{ctx: ctx, root: root, o: o}
	if err := p.walk("", nil); err != nil {
		return Summary{}, fmt.Errorf("pack %s: %w", dir, err)
	}
	if len(p.secrets) > 0 {
		return Summary{}, secretsFound(p.secrets)
	}
	slices.SortFunc(p.entries, func(a, b entry) int { return strings.Compare(a.rel, b.rel) })
	summary, err := p.write(w)
	if err != nil {
		return Summary{}, fmt.Errorf("pack %s: %w", dir, err)
	}
	return summary, nil
}

// packer gathers the files of a folder and writes them.
type packer struct {
	ctx     context.Context //nolint:containedctx // lives as long as one Pack
	root    string
	o       PackOptions
	entries []entry
	bytes   int64
	secrets []string
}

// walk gathers the files of the folder dir, "" or a path with "/" at its end.
func (p *packer) walk(dir string, above *rules) error {
	if p.ctx.Err() != nil {
		return context.Cause(p.ctx)
	}
	full := filepath.Join(p.root, filepath.FromSlash(dir))
	found, err := os.ReadDir(full)
	if err != nil {
		return err
	}
	here := above
	for _, name := range ignoreFiles {
		text, err := os.ReadFile(filepath.Join(full, name))
		if err == nil {
			here = here.below(dir, string(text))
		} else if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	for _, d := range found {
		rel := dir + d.Name()
		// A link with the name of such a folder leads to one.
		link := d.Type() == fs.ModeSymlink
		if never(d.Name(), d.IsDir()) || link && never(d.Name(), true) || here.ignores(rel, d.IsDir()) {
			if err := p.leave(rel); err != nil {
				return err
			}
			continue
		}
		if err := p.add(rel, d, here); err != nil {
			return err
		}
	}
	return nil
}

// leave leaves rel out, a file or a folder with all that is in it.
func (p *packer) leave(rel string) error {
	for _, file := range p.o.Needed {
		if file == rel || strings.HasPrefix(file, rel+"/") {
			return fault.New(fault.Validation, "%s is needed, but .gitignore or .runagentignore leaves %s out", file, rel).
				WithSuggestion("Write the line !/%s at the end of .runagentignore.", rel)
		}
	}
	return nil
}

// add takes one file, or what is below one folder.
func (p *packer) add(rel string, d fs.DirEntry, here *rules) error {
	if !utf8.ValidString(rel) {
		return fault.New(fault.Validation, "the file name %q is not UTF-8", rel).WithSuggestion("Rename the file.")
	}
	switch {
	case d.IsDir():
		if p.environment(rel) {
			return nil
		}
		return p.walk(rel+"/", here)
	case d.Type() == fs.ModeSymlink:
		if p.environment(rel) {
			return nil
		}
		return p.addLink(rel)
	case d.Type().IsRegular():
		return p.addFile(rel, d)
	}
	return fault.New(fault.Validation, "%s is neither a file nor a folder, so it can't be uploaded", rel).
		WithSuggestion("Name it in .runagentignore.")
}

// environment reports whether rel is, or leads to, a virtual environment.
func (p *packer) environment(rel string) bool {
	_, err := os.Stat(filepath.Join(p.root, filepath.FromSlash(rel), "pyvenv.cfg"))
	return err == nil
}

func (p *packer) addLink(rel string) error {
	target, err := os.Readlink(filepath.Join(p.root, filepath.FromSlash(rel)))
	if err != nil {
		return err
	}
	target = filepath.ToSlash(target)
	if !staysInside(rel, target) {
		return fault.New(fault.Validation, "%s is a link that leads out of the folder, to %s", rel, target).
			WithSuggestion("Copy what it leads to into the folder, or name the link in .runagentignore.")
	}
	return p.take(entry{rel: rel, link: target})
}

func (p *packer) addFile(rel string, d fs.DirEntry) error {
	info, err := d.Info()
	if err != nil {
		return err
	}
	if !p.o.AllowSecrets {
		head, err := readHead(filepath.Join(p.root, filepath.FromSlash(rel)))
		if err != nil {
			return err
		}
		if why := looksSecret(rel, head); why != "" {
			p.secrets = append(p.secrets, fmt.Sprintf("%s (%s)", rel, why))
		}
	}
	return p.take(entry{rel: rel, size: info.Size(), executable: info.Mode()&0o100 != 0})
}

func (p *packer) take(e entry) error {
	p.entries = append(p.entries, e)
	p.bytes += e.size
	if len(p.entries) > p.o.Limits.Files {
		return p.o.Limits.overFiles()
	}
	if p.bytes > p.o.Limits.Bytes {
		return p.o.Limits.overBytes()
	}
	return nil
}

// staysInside reports whether a link at rel with the given target leads to a
// place below the bundle's root.
func staysInside(rel, target string) bool {
	return target != "" && !path.IsAbs(target) && !strings.Contains(target, "\\") &&
		filepath.IsLocal(filepath.FromSlash(path.Join(path.Dir(rel), target)))
}

func readHead(file string) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, secretScan))
}

// write writes the entries, which are sorted.
func (p *packer) write(w io.Writer) (Summary, error) {
	packed := &counter{w: w, limit: p.o.Limits.Packed, over: p.o.Limits.overPacked}
	compressed, err := zstd.NewWriter(packed, zstd.WithWindowSize(windowSize), zstd.WithEncoderConcurrency(1))
	if err != nil {
		return Summary{}, err
	}
	digest := sha256.New()
	archive := tar.NewWriter(io.MultiWriter(digest, compressed))
	for _, e := range p.entries {
		if p.ctx.Err() != nil {
			return Summary{}, context.Cause(p.ctx)
		}
		if err := p.writeEntry(archive, e); err != nil {
			return Summary{}, err
		}
	}
	if err := errors.Join(archive.Close(), compressed.Close()); err != nil {
		return Summary{}, err
	}
	return Summary{
		Digest: digestPrefix + hex.EncodeToString(digest.Sum(nil)),
		Files:  len(p.entries), Bytes: p.bytes, Packed: packed.n,
	}, nil
}

func (p *packer) writeEntry(archive *tar.Writer, e entry) error {
	header := &tar.Header{Name: e.rel, Typeflag: tar.TypeReg, Size: e.size, Mode: 0o644, ModTime: time.Unix(0, 0)}
	if e.executable {
		header.Mode = 0o755
	}
	if e.link != "" {
		header.Typeflag, header.Linkname, header.Mode = tar.TypeSymlink, e.link, 0o777
		return archive.WriteHeader(header)
	}
	f, err := os.Open(filepath.Join(p.root, filepath.FromSlash(e.rel)))
	if err != nil {
		return err
	}
	defer f.Close()
	if err := archive.WriteHeader(header); err != nil {
		return err
	}
	n, err := io.Copy(archive, f)
	if errors.Is(err, tar.ErrWriteTooLong) || err == nil && n != e.size {
		return fault.New(fault.Conflict, "%s changed while it was being packed", e.rel).WithSuggestion("Deploy again.")
	}
	return err
}

// counter counts what is written, up to a limit.
type counter struct {
	w        io.Writer
	n, limit int64
	over     func() error
}

// Write implements io.Writer.
func (c *counter) Write(b []byte) (int, error) {
	if c.n+int64(len(b)) > c.limit {
		return 0, c.over()
	}
	n, err := c.w.Write(b)
	c.n += int64(n)
	return n, err
}
