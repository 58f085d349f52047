package invocation

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/cespare/xxhash/v2"
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
	digest := fmt.Sprintf("xxh64:%016x", xxhash.Sum64(raw))

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
	if got := NewPayload(make([]byte, PayloadLimit+1), 0); !got.Truncated || len(got.JSON) != Excerpt {
		t.Errorf("%d bytes: truncated=%v, kept %d, want a cut at %d", PayloadLimit+1, got.Truncated, len(got.JSON), Excerpt)
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

func TestInputPayloadIsOneObject(t *testing.T) {
	t.Parallel()
	long := json.RawMessage(`"` + strings.Repeat("x", PayloadLimit) + `"`)
	for _, tt := range []struct {
		args, kwargs json.RawMessage
		want         string
	}{
		{nil, nil, `{}`},
		{json.RawMessage(`[1]`), nil, `{"args":[1]}`},
		{nil, json.RawMessage(`{"a":2}`), `{"kwargs":{"a":2}}`},
		{json.RawMessage(`[1]`), json.RawMessage(`{"a":2}`), `{"args":[1],"kwargs":{"a":2}}`},
		{long, json.RawMessage(`{"a":2}`), `{"args":` + string(long) + `,"kwargs":{"a":2}}`},
		{json.RawMessage(`[1]`), long, `{"args":[1],"kwargs":` + string(long) + `}`},
	} {
		got := inputPayload(&Call{Args: tt.args, Kwargs: tt.kwargs})
		want := NewPayload([]byte(tt.want), 0)
		if !bytes.Equal(got.JSON, want.JSON) || got.Size != want.Size || got.Digest != want.Digest || got.Truncated != want.Truncated {
			t.Errorf("input of %.20s and %.20s: got %d bytes %.40s…, want %.40s…", tt.args, tt.kwargs, got.Size, got.JSON, want.JSON)
		}
	}
}
