package wire

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"testing"
	"testing/iotest"
)

// framed returns a payload as an Outbox writes it.
func framed(t testing.TB, kind byte, call uint32, head []byte, parts ...[]byte) []byte {
	t.Helper()
	var b bytes.Buffer
	o := Outbox{w: &b}
	if _, err := o.Payload(kind, call, head, parts...); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// received is what the payloads of a byte stream join to, by call.
func received(r io.Reader, limit int) (map[uint32][]byte, error) {
	fr := NewReader(r)
	joints, got := map[uint32]*Joint{}, map[uint32][]byte{}
	for {
		f, err := fr.Next()
		if err != nil {
			return got, err
		}
		if joints[f.Call] == nil {
			joints[f.Call] = &Joint{}
		}
		payload, ok, err := joints[f.Call].Add(fr, &f, limit)
		if err != nil {
			return got, err
		}
		if ok {
			got[f.Call] = append(got[f.Call], payload...)
		}
	}
}

func TestFramesSurviveAnyReadBoundary(t *testing.T) {
	t.Parallel()
	big := bytes.Repeat([]byte("0123456789abcdef"), 3*MaxPayload/16+5)
	var wire []byte
	wire = append(wire, framed(t, Chunk, 7, []byte("one"))...)
	wire = append(wire, framed(t, Chunk, 8, big[:100], big[100:])...)
	wire = append(wire, framed(t, Result, 9, nil)...)
	wire = append(wire, framed(t, Result, 10, nil, big[:MaxPayload])...)
	wire = append(wire, framed(t, Result, 11, []byte("x"), nil, big[:MaxPayload], []byte("y"))...)
	for name, r := range map[string]io.Reader{
		"whole":    bytes.NewReader(wire),
		"one byte": iotest.OneByteReader(bytes.NewReader(wire)),
		"halves":   iotest.HalfReader(bytes.NewReader(wire)),
	} {
		got, err := received(r, 1<<30)
		if !errors.Is(err, io.EOF) {
			t.Fatalf("%s: %v", name, err)
		}
		want := "x" + string(big[:MaxPayload]) + "y"
		if string(got[7]) != "one" || !bytes.Equal(got[8], big) || len(got[9]) != 0 || !bytes.Equal(got[10], big[:MaxPayload]) || string(got[11]) != want {
			t.Errorf("%s: payloads differ", name)
		}
	}
}

func TestFrameReaderRefusesBrokenStreams(t *testing.T) {
	t.Parallel()
	whole := framed(t, Chunk, 1, []byte("abc"))
	for cut := 1; cut < len(whole); cut++ {
		if _, err := NewReader(bytes.NewReader(whole[:cut])).Next(); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("cut at %d: %v", cut, err)
		}
	}
	long := appendHeader(nil, Chunk, 0, 1, MaxPayload+1)
	if _, err := NewReader(bytes.NewReader(long)).Next(); !errors.Is(err, errFrameTooLong) {
		t.Errorf("long frame: %v", err)
	}
	big := framed(t, Chunk, 1, nil, make([]byte, 3*MaxPayload))
	for _, cut := range []int{headerSize + 2, maxBuffered * 3 / 2, MaxPayload + 5, len(big) - 1} {
		if _, err := received(bytes.NewReader(big[:cut]), 1<<30); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("a split payload cut at %d: %v", cut, err)
		}
	}
}

func TestPartsMustFitTogether(t *testing.T) {
	t.Parallel()
	part := func(flags byte, whole int, text string) []byte {
		b := appendHeader(nil, Chunk, flags, 1, len(text)+map[bool]int{true: wholeSize}[whole >= 0])
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
		if _, err := received(bytes.NewReader(bytes.Join(parts, nil)), 1<<30); !errors.Is(err, errSplit) {
			t.Errorf("%s: %v, want %v", name, err, errSplit)
		}
	}
	if got, err := received(bytes.NewReader(bytes.Join([][]byte{first(6), middle, last}, nil)), 1<<30); string(got[1]) != "abcdef" || !errors.Is(err, io.EOF) {
		t.Errorf("got %q, %v", got[1], err)
	}
	if _, err := received(bytes.NewReader(first(101)), 100); err == nil || errors.Is(err, io.EOF) {
		t.Errorf("a payload over the limit is announced: %v, want an error at once", err)
	}
}

func TestFrameReaderSkipsWhatNobodyTakes(t *testing.T) {
	t.Parallel()
	wire := append(framed(t, 99, 1, nil, make([]byte, MaxPayload)), framed(t, Chunk, 2, []byte("here"))...)
	fr := NewReader(iotest.HalfReader(bytes.NewReader(wire)))
	if f, err := fr.Next(); err != nil || f.Kind != 99 {
		t.Fatalf("got %d, %v", f.Kind, err)
	}
	if f, err := fr.Next(); err != nil || string(f.Payload) != "here" {
		t.Errorf("after it: %q, %v", f.Payload, err)
	}
}

func FuzzFrames(f *testing.F) {
	f.Add(framed(f, Chunk, 7, []byte("one")))
	f.Add(framed(f, Result, 7, make([]byte, 12), []byte(`{"a":1}`)))
	f.Add(framed(f, Result, 7, make([]byte, 12), make([]byte, MaxPayload)))
	f.Add(framed(f, Log, 0, append([]byte{1, 20}, make([]byte, 14)...)))
	f.Fuzz(func(t *testing.T, wire []byte) {
		fr := NewReader(iotest.HalfReader(bytes.NewReader(wire)))
		var parts Joint
		read := 0
		for {
			fm, err := fr.Next()
			if err != nil {
				break
			}
			read += headerSize + fm.size()
			switch fm.Kind {
			case Result:
				payload, ok, err := parts.Add(fr, &fm, 1<<20)
				if err != nil || !ok {
					continue
				}
				if r, err := ParseResult(payload); err == nil && len(r.Meta)+len(r.Output)+12 != len(payload) {
					t.Errorf("RESULT parts don't add up: %d + %d of %d", len(r.Meta), len(r.Output), len(payload))
				}
			case Log:
				_, _ = ParseLog(&fm)
			}
		}
		if read > len(wire)+MaxPayload {
			t.Errorf("read %d bytes of %d", read, len(wire))
		}
	})
}
