package envelope

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"
)

// jsonCorpus holds texts at the edges of the grammar.
var jsonCorpus = []string{
	``, ` `, `{}`, `[]`, `null`, `true`, `false`, `nul`, `truex`, `0`, `-0`, `01`, `-`, `1.`, `.5`, `1e`, `1e+`, `1E-9`,
	`1.5e10`, `"a"`, `"a`, `"\u12"`, `"\u12aF"`, `"\x"`, `"` + "\n" + `"`, `"\ud800"`, `{"a":1}`, `{"a":1,}`, `{,}`,
	`{"a"}`, `{"a":}`, `{a:1}`, `[1,2]`, `[1,]`, `[,1]`, `[1 2]`, `{} {}`, `{}x`, "\ufeff{}", ` { "a" : [ 1 , { } ] } `,
	`{"a":{"b":[true,null,"x\"y"]}}`, `+1`, `NaN`, `Infinity`, "\"\xff\"", `"\`, `"\u`, `{"a":1 "b":2}`, `]`, `}`, "[\v]",
	"\x00", `"\u00g0"`, `1e5.5`, `--1`, `{"":0}`, "[1]\n", `tru`, `{"a":tru}`, "\"\u2028\"",
}

func TestScannerAgreesWithEncodingJSON(t *testing.T) {
	t.Parallel()
	for _, text := range jsonCorpus {
		checkAgainstEncodingJSON(t, []byte(text))
	}
}

func TestScannerSeesEveryByteOfAString(t *testing.T) {
	t.Parallel()
	for length := range 40 {
		for at := range length {
			for c := range 256 {
				text := []byte(`["` + strings.Repeat("a", length) + `",1]`)
				text[2+at] = byte(c)
				checkAgainstEncodingJSON(t, text)
			}
		}
	}
}

func checkAgainstEncodingJSON(t *testing.T, text []byte) {
	t.Helper()
	s := scanner{text: text}
	got := s.valid()
	want := json.Valid(text) && utf8.Valid(text)
	if got != want && !s.deep {
		t.Errorf("valid(%q) = %v, encoding/json says %v", text, got, want)
	}
	if s.deep && nesting(text) <= maxDepth {
		t.Errorf("valid(%q) calls a nesting of %d too deep", text, nesting(text))
	}
}

// nesting is an upper bound of the depth of text: brackets in strings count too.
func nesting(text []byte) int {
	deepest, depth := 0, 0
	for _, c := range text {
		switch c {
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		}
		deepest = max(deepest, depth)
	}
	return deepest
}

func TestScannerBoundsTheDepth(t *testing.T) {
	t.Parallel()
	nest := func(n int) []byte {
		return []byte(strings.Repeat(`[{"a":`, n/2) + "1" + strings.Repeat(`}]`, n/2))
	}
	if s := (scanner{text: nest(maxDepth)}); !s.valid() {
		t.Errorf("%d levels are refused", maxDepth)
	}
	s := scanner{text: nest(maxDepth + 2)}
	if s.valid() || !s.deep {
		t.Errorf("%d levels: valid, or not called deep", maxDepth+2)
	}
}

func FuzzScanner(f *testing.F) {
	for _, text := range jsonCorpus {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) { checkAgainstEncodingJSON(t, text) })
}

func BenchmarkScanner(b *testing.B) {
	text := []byte(`{"input":{"prompt":"` + strings.Repeat("a word ", 100) + `","list":[1,2.5,true,null]}}`)
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		if s := (scanner{text: text}); !s.valid() {
			b.Fatal("not valid")
		}
	}
}

func BenchmarkScannerLongString(b *testing.B) {
	text := []byte(`{"input":{"data":"` + strings.Repeat("a", 1<<20) + `"}}`)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		if s := (scanner{text: text}); !s.valid() {
			b.Fatal("not valid")
		}
	}
}
