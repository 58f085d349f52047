package instance

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"testing/iotest"
)

func TestFramesSurviveAnyReadBoundary(t *testing.T) {
	t.Parallel()
	big := bytes.Repeat([]byte("0123456789abcdef"), 3*maxPayload/16+5)
	var wire []byte
	wire = appendFrames(wire, frameChunk, 7, []byte("one"))
	wire = appendFrames(wire, frameChunk, 8, big[:100], big[100:])
	wire = appendFrames(wire, frameResult, 9)
	for name, r := range map[string]io.Reader{
		"whole":    bytes.NewReader(wire),
		"one byte": iotest.OneByteReader(bytes.NewReader(wire)),
		"halves":   iotest.HalfReader(bytes.NewReader(wire)),
	} {
		fr := newFrameReader(r)
		got := map[uint32][]byte{}
		for {
			f, err := fr.next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			got[f.call] = append(got[f.call], f.payload...)
		}
		if string(got[7]) != "one" || !bytes.Equal(got[8], big) || len(got[9]) != 0 {
			t.Errorf("%s: payloads differ", name)
		}
	}
}

func TestFrameReaderRefusesBrokenStreams(t *testing.T) {
	t.Parallel()
	whole := appendFrames(nil, frameChunk, 1, []byte("abc"))
	for cut := 1; cut < len(whole); cut++ {
		if _, err := newFrameReader(bytes.NewReader(whole[:cut])).next(); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("cut at %d: %v", cut, err)
		}
	}
	long := appendHeader(nil, frameChunk, false, 1, maxPayload+1)
	if _, err := newFrameReader(bytes.NewReader(long)).next(); !errors.Is(err, errFrameTooLong) {
		t.Errorf("long frame: %v", err)
	}
}

func FuzzFrames(f *testing.F) {
	f.Add(appendFrames(nil, frameChunk, 7, []byte("one")))
	f.Add(appendFrames(nil, frameResult, 7, make([]byte, 12), []byte(`{"a":1}`)))
	f.Add(appendFrames(nil, frameLog, 0, append([]byte{1, 20}, make([]byte, 14)...)))
	f.Fuzz(func(t *testing.T, wire []byte) {
		fr := newFrameReader(iotest.HalfReader(bytes.NewReader(wire)))
		read := 0
		for {
			fm, err := fr.next()
			if err != nil {
				break
			}
			read += headerSize + len(fm.payload)
			switch fm.kind {
			case frameResult:
				if r, err := parseResult(fm.payload); err == nil && len(r.meta)+len(r.output)+12 != len(fm.payload) {
					t.Errorf("RESULT parts don't add up: %d + %d of %d", len(r.meta), len(r.output), len(fm.payload))
				}
			case frameLog:
				_, _ = parseLog(fm.payload)
			}
		}
		if read > len(wire) {
			t.Errorf("read %d bytes of %d", read, len(wire))
		}
	})
}
