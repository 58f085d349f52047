package invocation

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestNewPayloadKeepsWholeUpToLimit(t *testing.T) {
	t.Parallel()
	for _, raw := range [][]byte{nil, []byte(`{}`), []byte(`{"a":"b"}`)} {
		got := NewPayload(raw, 9)
		if !bytes.Equal(got.JSON, raw) || got.Size != int64(len(raw)) || got.Digest != "" || got.Truncated {
			t.Errorf("NewPayload(%q, 9) = %+v, want it whole", raw, got)
		}
	}
}

func TestNewPayloadCutsBeyondLimit(t *testing.T) {
	t.Parallel()
	raw := []byte(`{"text":"0123456789"}`)
	sum := sha256.Sum256(raw)
	digest := "sha256:" + hex.EncodeToString(sum[:])

	got := NewPayload(raw, 10)
	if string(got.JSON) != `{"text":"0` || got.Size != int64(len(raw)) || got.Digest != digest || !got.Truncated {
		t.Fatalf("NewPayload(%q, 10) = %+v, want 10 bytes, size %d, digest %s", raw, got, len(raw), digest)
	}
	raw[0] = 'X'
	if got.JSON[0] != '{' {
		t.Error("a cut payload shares the caller's memory, want a copy")
	}
}

func TestNewPayloadZeroLimitIsTheDefault(t *testing.T) {
	t.Parallel()
	if got := NewPayload(make([]byte, PayloadLimit), 0); got.Truncated {
		t.Errorf("%d bytes were cut, want them whole", PayloadLimit)
	}
	if got := NewPayload(make([]byte, PayloadLimit+1), 0); !got.Truncated || len(got.JSON) != PayloadLimit {
		t.Errorf("%d bytes: truncated=%v, kept %d, want a cut at %d", PayloadLimit+1, got.Truncated, len(got.JSON), PayloadLimit)
	}
}

func TestNewPayloadCutsBetweenCharacters(t *testing.T) {
	t.Parallel()
	for _, char := range []string{"a", "é", "€", "😀"} {
		raw := []byte(strings.Repeat(char, 8))
		for limit := 1; limit < len(raw); limit++ {
			got := NewPayload(raw, limit)
			if !utf8.Valid(got.JSON) {
				t.Errorf("%q cut at %d gives %q, want whole characters", char, limit, got.JSON)
			}
			if want := limit - limit%len(char); len(got.JSON) != want {
				t.Errorf("%q cut at %d keeps %d bytes, want %d", char, limit, len(got.JSON), want)
			}
		}
	}
	// Bytes that are no UTF-8 at all are kept as they are.
	bad := bytes.Repeat([]byte{0x80}, 8)
	if got := NewPayload(bad, 5); len(got.JSON) != 5 {
		t.Errorf("invalid UTF-8 cut at 5 keeps %d bytes, want 5", len(got.JSON))
	}
}
