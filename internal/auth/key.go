// Package auth knows who calls: API keys, of which only hashes are kept.
package auth

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"strings"
)

// A key is "ra_", 26 random characters (130 bits), and 8 that are their
// checksum: a key that was cut while it was copied is told from one that is
// not valid, and scanners find lost ones.
const (
	keyPrefix   = "ra_"
	randomChars = 26
	sumChars    = 8
)

// NewKey returns a new API key.
func NewKey() string {
	random := strings.ToLower(rand.Text())[:randomChars]
	return keyPrefix + random + checksum(random)
}

func checksum(text string) string { return fmt.Sprintf("%08x", crc32.ChecksumIEEE([]byte(text))) }

// WellFormed reports whether text can be a key at all.
func WellFormed(text string) bool {
	rest, ok := strings.CutPrefix(text, keyPrefix)
	if !ok || len(rest) != randomChars+sumChars {
		return false
	}
	return checksum(rest[:randomChars]) == rest[randomChars:]
}

// Hash is what is kept of a key. A key is random enough that no slow hash is
// needed to keep it from being guessed.
func Hash(key string) string {
	sum := sha256.Sum256([]byte(key))
	return hex.EncodeToString(sum[:])
}
