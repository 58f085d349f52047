package folders

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/runagent/runagent/internal/bundle"
	"github.com/runagent/runagent/internal/fault"
)

// uploadPrefix begins the names of uploads under way, partSuffix ends those of
// the beginnings that uploads which broke off have left.
const (
	uploadPrefix = "upload-"
	partSuffix   = ".part"
)

// keepParts is how long the beginning of an upload is kept that nobody goes on
// with.
const keepParts = time.Hour

// part is where the beginning of a bundle's upload is kept.
func (f Folders) part(digest string) string { return f.Bundle(digest) + partSuffix }

// Uploaded is how much there is of a bundle whose upload broke off.
func (f Folders) Uploaded(digest string) int64 {
	info, err := os.Stat(f.part(digest))
	if err != nil {
		return 0
	}
	return info.Size()
}

// Store keeps the bundle whose bytes from the given one on are read from r: it
// must have the given digest. What comes before was left by an upload that
// broke off; what this one leaves then, another may go on with.
func (f Folders) Store(r io.Reader, digest string, from int64, limits bundle.Limits) (sum bundle.Summary, err error) {
	temp, err := f.begin(digest, from)
	if err != nil {
		return sum, err
	}
	defer func() {
		if err != nil { // after a rename there is nothing to remove
			if gone := os.Remove(temp.Name()); gone != nil && !errors.Is(gone, fs.ErrNotExist) {
				err = errors.Join(err, gone)
			}
		}
	}()
	defer temp.Close()
	if broke, err := receive(temp, r, limits); err != nil {
		if broke {
			err = f.leave(temp, digest, err)
		}
		return sum, err
	}
	if _, err = temp.Seek(0, io.SeekStart); err != nil {
		return sum, fmt.Errorf("store bundle: %w", err)
	}
	if sum, err = bundle.Check(temp, limits); err != nil {
		return sum, err
	}
	if sum.Digest != digest {
		return sum, fault.New(fault.Validation, "what was uploaded is not the bundle %s", digest).WithSuggestion("Upload it again.")
	}
	if err = temp.Sync(); err == nil {
		err = temp.Close()
	}
	if err == nil {
		err = os.Rename(temp.Name(), f.Bundle(digest))
	}
	if err == nil {
		err = Sync(f.Bundles())
	}
	if err != nil {
		return sum, fmt.Errorf("store bundle: %w", err)
	}
	return sum, nil
}

// begin returns a new file that holds the first bytes of the bundle, as many as
// from says: they are taken from the upload before, so that nobody else goes
// on with it.
func (f Folders) begin(digest string, from int64) (*os.File, error) {
	temp, err := os.CreateTemp(f.Bundles(), uploadPrefix+strings.TrimSuffix(bundle.FileName(digest), bundle.Suffix)+"-*")
	if err != nil {
		return nil, fmt.Errorf("store bundle: %w", err)
	}
	if from == 0 {
		return temp, nil
	}
	err = os.Rename(f.part(digest), temp.Name())
	var again *os.File
	if err == nil {
		again, err = os.OpenFile(temp.Name(), os.O_RDWR, 0o600)
	}
	temp.Close() // nothing was written
	if err != nil {
		return nil, errors.Join(noPart(digest, 0, from), os.Remove(temp.Name()))
	}
	info, err := again.Stat()
	if err == nil && info.Size() < from {
		err = f.leave(again, digest, noPart(digest, info.Size(), from))
	}
	if err == nil {
		err = again.Truncate(from)
	}
	if err == nil {
		_, err = again.Seek(from, io.SeekStart)
	}
	if err != nil {
		again.Close()
		return nil, err
	}
	return again, nil
}

func noPart(digest string, there, from int64) error {
	return fault.New(fault.Conflict, "of the bundle %s there are %d bytes, so an upload can't begin at byte %d", digest, there, from).
		WithSuggestion("Ask how many there are, and go on from there.")
}

// receive writes what comes to the file, up to the limit. Where it fails, broke
// says that no more came: what is there is worth keeping then, and not when the
// disk is full.
func receive(file *os.File, r io.Reader, limits bundle.Limits) (broke bool, err error) {
	at, err := file.Seek(0, io.SeekCurrent)
	if err != nil {
		return false, fmt.Errorf("store bundle: %w", err)
	}
	source := &source{r: io.LimitReader(r, limits.PackedLimit()-at+1)}
	n, err := io.Copy(file, source)
	if err == nil && at+n > limits.PackedLimit() {
		return false, limits.OverPacked()
	}
	return source.broke, err
}

// source notes that its reader has failed.
type source struct {
	r     io.Reader
	broke bool
}

// Read implements io.Reader.
func (s *source) Read(b []byte) (int, error) {
	n, err := s.r.Read(b)
	s.broke = s.broke || err != nil && !errors.Is(err, io.EOF)
	return n, err
}

// leave keeps what has come of an upload that ended with err, unless more was
// there already.
func (f Folders) leave(temp *os.File, digest string, err error) error {
	info, stat := temp.Stat()
	if stat != nil || info.Size() <= f.Uploaded(digest) {
		return err
	}
	return errors.Join(err, os.Rename(temp.Name(), f.part(digest)))
}

// settleUploads keeps the beginnings of uploads that a server which was killed
// left under way, the longest of each.
func (f Folders) settleUploads() error {
	entries, err := os.ReadDir(f.Bundles())
	if err != nil {
		return fmt.Errorf("read data folder: %w", err)
	}
	for _, e := range entries {
		hex, ok := strings.CutPrefix(e.Name(), uploadPrefix)
		if !ok {
			continue
		}
		path := filepath.Join(f.Bundles(), e.Name())
		hex, _, _ = strings.Cut(hex, "-")
		digest := bundle.DigestOf(hex)
		info, err := e.Info()
		if err == nil && bundle.ValidDigest(digest) && info.Size() > f.Uploaded(digest) {
			err = os.Rename(path, f.part(digest))
		} else if err == nil {
			err = os.Remove(path)
		}
		if err != nil {
			return fmt.Errorf("settle a half-made upload: %w", err)
		}
	}
	return nil
}

// RemoveParts removes the beginnings of uploads that nobody has gone on with.
func (f Folders) RemoveParts(now time.Time) error {
	entries, err := os.ReadDir(f.Bundles())
	if err != nil {
		return fmt.Errorf("read data folder: %w", err)
	}
	var errs []error
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || !strings.HasSuffix(e.Name(), partSuffix) || now.Sub(info.ModTime()) < keepParts {
			continue
		}
		if err := os.Remove(filepath.Join(f.Bundles(), e.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
