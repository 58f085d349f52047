package invocation

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"unicode/utf8"
)

// PayloadLimit is how many bytes of an input or output are kept unless
// something else is asked for. What is longer than any page shows costs the
// history more than it tells.
const PayloadLimit = 64 << 10

// NewPayload returns what is kept of raw: all of it up to limit bytes, beyond
// that its beginning, its size and its digest. A limit of 0 means PayloadLimit.
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
	sum := sha256.Sum256(raw)
	return Payload{
		JSON:      bytes.Clone(wholeRunes(raw[:limit])),
		Size:      int64(len(raw)),
		Digest:    "sha256:" + hex.EncodeToString(sum[:]),
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
