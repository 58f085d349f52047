package agent

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"unicode"

	"github.com/google/uuid"
	"golang.org/x/text/unicode/norm"
)

// folderSpace is the UUID namespace of IDs that are derived from folders.
// Changing it would change the ID of every agent without one.
const folderSpace = "6f0c6c0b-6a1e-5d0c-9f0e-5d2b7e1f4a90"

// DeriveID returns the ID of an agent whose manifest gives none: the same one
// for the same absolute path, always.
func DeriveID(dir string) string {
	return uuid.NewSHA1(uuid.MustParse(folderSpace), []byte(dir)).String()
}

// missingID reports whether id stands for none: empty, or the all-zero UUID
// that many published templates carry.
func missingID(id string) bool {
	parsed, err := uuid.Parse(id)
	return strings.TrimSpace(id) == "" || err == nil && parsed == uuid.Nil
}

// Slug returns the lower-case form of a name for addresses: letters and digits
// of any script, Latin ones without accents, and single hyphens between.
func Slug(name string) string {
	var b strings.Builder
	gap := false
	for _, r := range norm.NFC.String(plainLatin(name)) {
		if !unicode.IsLetter(r) && !unicode.IsNumber(r) && !unicode.IsMark(r) {
			gap = true
			continue
		}
		if gap && b.Len() > 0 {
			b.WriteByte('-')
		}
		gap = false
		b.WriteRune(unicode.ToLower(r))
	}
	if b.Len() == 0 { // nothing but signs: still one slug for one name
		sum := sha256.Sum256([]byte(name))
		return "agent-" + hex.EncodeToString(sum[:4])
	}
	return b.String()
}

// plainLatin takes the accents off Latin letters and no others: elsewhere a
// mark can make another letter.
func plainLatin(name string) string {
	var b strings.Builder
	latin := false
	for _, r := range norm.NFD.String(name) {
		if unicode.Is(unicode.Mn, r) && latin {
			continue
		}
		latin = unicode.Is(unicode.Latin, r)
		b.WriteRune(r)
	}
	return b.String()
}
