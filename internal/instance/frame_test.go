package instance

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"testing"
	"testing/iotest"
)

// framed returns a payload as an outbox writes it.
func framed(t testing.TB, kind byte, call uint32, head []byte, parts ...[]byte) []byte {
	t.Helper()
	var b bytes.Buffer
	o := outbox{w: &b}
	if err := o.payload(kind, call, head, parts...); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// received is what the payloads of a byte stream join to, by call.
func received(r io.Reader, limit int) (map[uint32][]byte, error) {
	fr := newFrameReader(r)
	joints, got := map[uint32]*joint{}, map[uint32][]byte{}
	for {
		f, err := fr.next()
		if err != nil {
			return got, err
		}
		if joints[f.call] == nil {
			joints[f.call] = &joint{}
		}
		payload, ok, err := joints[f.call].add(fr, &f, limit)
		if err != nil {
			return got, err
		}
		if ok {
			got[f.call] = append(got[f.call], payload...)
		}
	}
}

func TestFramesSurviveAnyReadBoundary(t *testing.T) {
	t.Parallel()
	big := bytes.Repeat([]byte("0123456789abcdef"), 3*maxPayload/16+5)
	var wire []byte
	wire = append(wire, framed(t, frameChunk, 7, []byte("one"))...)
	wire = append(wire, framed(t, frameChunk, 8, big[:100], big[100:])...)
	wire = append(wire, framed(t, frameResult, 9, nil)...)
	wire = append(wire, framed(t, frameResult, 10, nil, big[:maxPayload])...)
	wire = append(wire, framed(t, frameResult, 11, []byte("x"), nil, big[:maxPayload], []byte("y"))...)
	for name, r := range map[string]io.Reader{
		"whole":    bytes.NewReader(wire),
		"one byte": iotest.OneByteReader(bytes.NewReader(wire)),
		"halves":   iotest.HalfReader(bytes.NewReader(wire)),
	} {
		got, err := received(r, maxResult)
		if !errors.Is(err, io.EOF) {
			t.Fatalf("%s: %v", name, err)
		}
		want := "x" + string(big[:maxPayload]) + "y"
		if string(got[7]) != "one" || !bytes.Equal(got[8], big) || len(got[9]) != 0 || !bytes.Equal(got[10], big[:maxPayload]) || string(got[11]) != want {
			t.Errorf("%s: payloads differ", name)
		}
	}
}

func TestFrameReaderRefusesBrokenStreams(t *testing.T) {
	t.Parallel()
	whole := framed(t, frameChunk, 1, []byte("abc"))
	for cut := 1; cut < len(whole); cut++ {
		if _, err := newFrameReader(bytes.NewReader(whole[:cut])).next(); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("cut at %d: %v", cut, err)
		}
	}
	long := appendHeader(nil, frameChunk, 0, 1, maxPayload+1)
	if _, err := newFrameReader(bytes.NewReader(long)).next(); !errors.Is(err, errFrameTooLong) {
		t.Errorf("long frame: %v", err)
	}
	big := framed(t, frameChunk, 1, nil, make([]byte, 3*maxPayload))
	for _, cut := range []int{headerSize + 2, maxBuffered * 3 / 2, maxPayload + 5, len(big) - 1} {
		if _, err := received(bytes.NewReader(big[:cut]), maxResult); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("a split payload cut at %d: %v", cut, err)
		}
	}
}

func TestPartsMustFitTogether(t *testing.T) {
	t.Parallel()
	part := func(flags byte, whole int, text string) []byte {
		b := appendHeader(nil, frameChunk, flags, 1, len(text)+map[bool]int{true: wholeSize}[whole >= 0])
		if whole >= 0 {
			b = binary.BigEndian.AppendUint32(b, uint32(whole))
		}
		return append(b, text...)
	}
	first, middle, last := func(whole int) []byte { return part(1, whole, "abc") }, part(3, -1, "de"), part(2, -1, "f")
	for name, parts := range map[string][][]byte{
		"more than announced":   {first(5), middle, last},
		"less than announced":   {first(7), middle, last},
		"a first part twice":    {first(6), first(6)},
		"no first part":         {middle},
		"only a last part":      {last},
		"a whole one between":   {first(6), part(0, -1, "x")},
		"no room for the whole": {part(1, -1, "abc")},
		"an empty last part":    {part(2, -1, "")},
	} {
		if _, err := received(bytes.NewReader(bytes.Join(parts, nil)), maxResult); !errors.Is(err, errSplit) {
			t.Errorf("%s: %v, want %v", name, err, errSplit)
		}
	}
	if got, err := received(bytes.NewReader(bytes.Join([][]byte{first(6), middle, last}, nil)), maxResult); string(got[1]) != "abcdef" || !errors.Is(err, io.EOF) {
		t.Errorf("got %q, %v", got[1], err)
	}
	if _, err := received(bytes.NewReader(first(101)), 100); err == nil || errors.Is(err, io.EOF) {
		t.Errorf("a payload over the limit is announced: %v, want an error at once", err)
	}
}

func TestFrameReaderSkipsWhatNobodyTakes(t *testing.T) {
	t.Parallel()
	wire := append(framed(t, 99, 1, nil, make([]byte, maxPayload)), framed(t, frameChunk, 2, []byte("here"))...)
	fr := newFrameReader(iotest.HalfReader(bytes.NewReader(wire)))
	if f, err := fr.next(); err != nil || f.kind != 99 {
		t.Fatalf("got %d, %v", f.kind, err)
	}
	if f, err := fr.next(); err != nil || string(f.payload) != "here" {
		t.Errorf("after it: %q, %v", f.payload, err)
	}
}

func FuzzFrames(f *testing.F) {
	f.Add(framed(f, frameChunk, 7, []byte("one")))
	f.Add(framed(f, frameResult, 7, make([]byte, 12), []byte(`{"a":1}`)))
	f.Add(framed(f, frameResult, 7, make([]byte, 12), make([]byte, maxPayload)))
	f.Add(framed(f, frameLog, 0, append([]byte{1, 20}, make([]byte, 14)...)))
	f.Fuzz(func(t *testing.T, wire []byte) {
		fr := newFrameReader(iotest.HalfReader(bytes.NewReader(wire)))
		var parts joint
		read := 0
		for {
			fm, err := fr.next()
			if err != nil {
				break
			}
			read += headerSize + fm.size()
			switch fm.kind {
			case frameResult:
				payload, ok, err := parts.add(fr, &fm, 1<<20)
				if err != nil || !ok {
					continue
				}
				if r, err := parseResult(payload); err == nil && len(r.meta)+len(r.output)+12 != len(payload) {
					t.Errorf("RESULT parts don't add up: %d + %d of %d", len(r.meta), len(r.output), len(payload))
				}
			case frameLog:
				_, _ = parseLog(fm.payload)
			}
		}
		if read > len(wire)+maxPayload {
			t.Errorf("read %d bytes of %d", read, len(wire))
		}
	})
}
