package bundle

import (
	"archive/zip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/runagent/runagent/internal/fault"
)

// UnpackZip unpacks a zip archive of the given size into the folder dir, which
// must be empty or not exist, without trusting it more than a bundle: links
// are refused, too. What it has written when it fails stays.
func UnpackZip(ctx context.Context, r io.ReaderAt, size int64, dir string, limits Limits) error {
	limits = limits.OrDefault()
	if size > limits.Packed {
		return limits.overPacked()
	}
	archive, err := zip.NewReader(r, size)
	if err != nil {
		return fault.New(fault.Validation, "this is not a whole zip archive: %w", err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("unpack: %w", err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return fmt.Errorf("unpack: %w", err)
	}
	defer root.Close()
	left, files := limits.Bytes, 0
	for _, f := range archive.File {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if f.FileInfo().IsDir() {
			continue
		}
		if files++; files > limits.Files {
			return limits.overFiles()
		}
		n, err := placeZipped(root, f, left)
		if err != nil {
			return err
		}
		if left -= n; left < 0 {
			return limits.overBytes()
		}
	}
	return nil
}

// placeZipped writes one file below root, of at most limit bytes and one, and
// returns how many those were: what the archive says of sizes may be wrong.
func placeZipped(root *os.Root, f *zip.File, limit int64) (int64, error) {
	if !safeName(f.Name) {
		return 0, refused("the archive holds a file whose name %q does not stay inside", clip(f.Name))
	}
	if !f.Mode().IsRegular() {
		return 0, refused("the archive holds %q, which is no file", clip(f.Name))
	}
	content, err := f.Open()
	if err != nil {
		return 0, fault.New(fault.Validation, "%q in the archive can't be read: %w", clip(f.Name), err)
	}
	defer content.Close()
	name := filepath.FromSlash(f.Name)
	if err := root.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return 0, badZip(f, err)
	}
	mode := fs.FileMode(0o600)
	if f.Mode()&0o100 != 0 {
		mode = 0o700
	}
	out, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return 0, badZip(f, err)
	}
	source := &remember{r: io.LimitReader(content, limit+1)}
	n, err := io.Copy(out, source)
	if err = errors.Join(err, out.Close()); source.err != nil {
		return n, fault.New(fault.Validation, "%q in the archive can't be read: %w", clip(f.Name), source.err)
	}
	if err != nil {
		return n, fmt.Errorf("unpack %s: %w", f.Name, err)
	}
	return n, nil
}

// badZip tells an archive that holds a name twice, or a file and a folder of
// one name, from a disk that fails.
func badZip(f *zip.File, err error) error {
	if errors.Is(err, fs.ErrExist) || strings.Contains(err.Error(), "not a directory") {
		return refused("the archive holds %q twice, or below what is no folder", clip(f.Name))
	}
	return fmt.Errorf("unpack %s: %w", f.Name, err)
}
