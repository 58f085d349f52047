// Package bundle packs an agent's folder into one file that is named by its
// digest, and unpacks such a file without trusting it. The same files give the
// same digest on every machine: entries are sorted, and carry no times, owners
// or modes beyond "executable".
//
// A bundle is a tar of regular files and of links that stay inside, compressed
// with zstd. Its digest is that of the tar, so that it does not depend on the
// compressor.
package bundle

import (
	"strings"

	"github.com/runagent/runagent/internal/fault"
)

// MediaType is a bundle's content type on the wire.
const MediaType = "application/zstd"

// Suffix ends the names of bundles that are kept.
const Suffix = ".tar.zst"

// digestPrefix begins every digest.
const digestPrefix = "sha256:"

// Limits bounds a bundle, when it is packed and when it is unpacked. Zero
// values mean those of DefaultLimits.
type Limits struct {
	// Packed bounds the bundle itself, Bytes and Files what is in it.
	Packed, Bytes int64
	Files         int
}

// DefaultLimits are those that hold unless the operator gives others.
func DefaultLimits() Limits { return Limits{Packed: 250 << 20, Bytes: 1 << 30, Files: 50_000} }

// OrDefault returns l with the defaults in place of zero values.
func (l Limits) OrDefault() Limits {
	d := DefaultLimits()
	if l.Packed <= 0 {
		l.Packed = d.Packed
	}
	if l.Bytes <= 0 {
		l.Bytes = d.Bytes
	}
	if l.Files <= 0 {
		l.Files = d.Files
	}
	return l
}

// Summary is what there is to say about a bundle.
type Summary struct {
	// Digest names the content: "sha256:" and 64 hexadecimal digits.
	Digest string
	// Files and Bytes are what is in it, Packed is its own size.
	Files         int
	Bytes, Packed int64
}

// ValidDigest reports whether text has the form of a digest.
func ValidDigest(text string) bool {
	hex, ok := strings.CutPrefix(text, digestPrefix)
	return ok && len(hex) == 64 && strings.Trim(hex, "0123456789abcdef") == ""
}

// FileName is the name under which a bundle is kept. The digest must be valid.
func FileName(digest string) string {
	return strings.TrimPrefix(digest, digestPrefix) + Suffix
}

// overFiles and overBytes say which limit is exceeded.
func (l Limits) overFiles() error {
	return fault.New(fault.PayloadTooLarge, "the folder holds more than %d files", l.Files).
		WithSuggestion("Name what the agent does not need in .runagentignore.")
}

func (l Limits) overBytes() error {
	return fault.New(fault.PayloadTooLarge, "the folder's files are larger than %d MiB", l.Bytes>>20).
		WithSuggestion("Name what the agent does not need in .runagentignore.")
}

// PackedLimit is how large a bundle may be.
func (l Limits) PackedLimit() int64 { return l.OrDefault().Packed }

// OverPacked says that a bundle is too large.
func (l Limits) OverPacked() error { return l.OrDefault().overPacked() }

func (l Limits) overPacked() error {
	return fault.New(fault.PayloadTooLarge, "the bundle is larger than %d MiB", l.Packed>>20).
		WithSuggestion("Name what the agent does not need in .runagentignore.")
}

// DigestOf is the digest of the bundle that is kept under the name file, which
// may be no such name: see ValidDigest.
func DigestOf(file string) string { return digestPrefix + strings.TrimSuffix(file, Suffix) }
