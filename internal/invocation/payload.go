package invocation

import (
	"encoding/hex"
	"unicode/utf8"

	"github.com/cespare/xxhash/v2"
)

// PayloadLimit is how many bytes of an input or output are kept whole unless
// something else is asked for; Excerpt is how many of one that is longer. What
// is longer than any page shows, and no JSON any more once it is cut, costs the
// history more than it tells.
const (
	PayloadLimit = 64 << 10
	Excerpt      = 8 << 10
)

// NewPayload returns what is kept of raw: all of it up to limit bytes, beyond
// that its beginning (of at most Excerpt bytes), its size and its digest. A
// limit of 0 means PayloadLimit.
//
// A whole payload shares raw's memory, so the caller must not change raw
// afterwards; a cut one holds a copy and lets go of raw.
func NewPayload(raw []byte, limit int) Payload {
	if limit <= 0 {
		limit = PayloadLimit
	}
	if len(raw) <= limit {
		return Payload{JSON: raw, Size: int64(len(raw))}
	}
	return cutPayload(limit, raw)
}

// joinedPayload is NewPayload of the concatenation of parts, which is made only
// where it is kept whole. It shares no memory with them.
func joinedPayload(limit int, parts ...[]byte) Payload {
	size := 0
	for _, p := range parts {
		size += len(p)
	}
	if size > limit {
		return cutPayload(limit, parts...)
	}
	raw := make([]byte, 0, size)
	for _, p := range parts {
		raw = append(raw, p...)
	}
	return Payload{JSON: raw, Size: int64(size)}
}

// cutPayload keeps the beginning of what the parts are together. The digest
// tells equal payloads from others; it is a fast one, since it is taken while
// the caller waits, and proves nothing against forgers.
func cutPayload(limit int, parts ...[]byte) Payload {
	keep := min(limit, Excerpt)
	beginning := make([]byte, 0, keep)
	digest, size := xxhash.New(), 0
	for _, p := range parts {
		beginning = append(beginning, p[:min(len(p), keep-len(beginning))]...)
		_, _ = digest.Write(p) // it never fails
		size += len(p)
	}
	return Payload{
		JSON:      wholeRunes(beginning),
		Size:      int64(size),
		Digest:    "xxh64:" + hex.EncodeToString(digest.Sum(nil)),
		Truncated: true,
	}
}

// wholeRunes returns b without a character that was cut in two at its end, so
// that a prefix of valid UTF-8 stays valid.
func wholeRunes(b []byte) []byte {
	for n := 1; n < utf8.UTFMax && n <= len(b); n++ {
		tail := b[len(b)-n:]
		if !utf8.RuneStart(tail[0]) {
			continue
		}
		if utf8.FullRune(tail) {
			return b
		}
		return b[:len(b)-n]
	}
	return b
}
