// Package wire is the frames of docs/protocol.md: it cuts the byte stream of an
// instance's socket into them, joins what was split, and writes them, long
// payloads from where they lie.
package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// The types of frames.
const (
	Admit  = 1
	Call   = 2
	Credit = 3
	Cancel = 4
	Ping   = 5
	Stop   = 6

	Hello   = 16
	Ready   = 17
	Failed  = 18
	Chunk   = 19
	Log     = 20
	Result  = 21
	Error   = 22
	Pong    = 23
	Chunks  = 24
	Modules = 25
)

const (
	// MaxPayload is the longest payload of one frame.
	MaxPayload = 256 << 10
	// CallHeadSize is the length of the fixed part of a CALL.
	CallHeadSize = 24
	headerSize   = 12
	// wholeSize is how many bytes the first part of a split payload begins
	// with, to say how long the whole is.
	wholeSize = 4
	// maxBuffered is the longest payload that a Reader reads into its own
	// buffer; of a longer one only what came with its header.
	maxBuffered = 64 << 10
)

// Flags of a frame: which part of a split payload it carries. The first part
// has flagMore, those between both, the last flagContinues.
const (
	flagMore      = 1
	flagContinues = 2
)

// CallTame is the flag TAME of a CALL.
const CallTame = 1

// Reasons of a CANCEL.
const (
	CancelGone     = 1
	CancelDeadline = 2
	CancelEnding   = 3
)

// Frame is one received frame. Its payload is Payload and then rest more bytes,
// which are still to be read; it is valid until the next read.
type Frame struct {
	Kind    byte
	flags   byte
	Call    uint32
	Payload []byte
	rest    int
	// whole is the length of a split payload, said by its first part.
	whole int
}

// more reports whether another part of the frame's payload follows.
func (f *Frame) more() bool { return f.flags&flagMore != 0 }

// size is the length of the frame's payload.
func (f *Frame) size() int { return len(f.Payload) + f.rest }

var (
	errFrameTooLong = errors.New("frame is longer than 256 KiB")
	errSplit        = errors.New("the parts of a split payload don't fit together")
)

// Reader cuts a byte stream into frames.
type Reader struct {
	r     io.Reader
	buf   []byte
	start int // first unread byte
	end   int // one past the last byte read
	rest  int // bytes of the last frame that are not in buf
	// ahead bounds what is read beside what is needed. It is small between the
	// parts of a split payload, most of which is then read right to its place.
	ahead int
}

// fewAhead is ahead between the parts of a split payload.
const fewAhead = 4 << 10

// NewReader returns a Reader of what r reads.
func NewReader(r io.Reader) *Reader {
	fr := &Reader{r: r, buf: make([]byte, 2*(headerSize+maxBuffered))}
	fr.ahead = len(fr.buf)
	return fr
}

// Next returns the next frame. Errors: io.EOF between frames,
// io.ErrUnexpectedEOF inside one, errFrameTooLong, errSplit.
func (fr *Reader) Next() (Frame, error) {
	if fr.rest > 0 { // nobody wanted it
		if err := fr.read(make([]byte, fr.rest)); err != nil {
			return Frame{}, err
		}
	}
	if err := fr.fill(headerSize); err != nil {
		return Frame{}, err
	}
	head := fr.buf[fr.start:]
	size := int64(binary.BigEndian.Uint32(head))
	if size > MaxPayload {
		return Frame{}, errFrameTooLong
	}
	f := Frame{Kind: head[4], flags: head[5], Call: binary.BigEndian.Uint32(head[8:])}
	first := f.flags&(flagMore|flagContinues) == flagMore
	if first && size < wholeSize {
		return Frame{}, errSplit
	}
	need := int(size)
	if size > maxBuffered {
		need = min(need, max(wholeSize, fr.end-fr.start-headerSize))
	}
	if err := fr.fill(headerSize + need); err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return Frame{}, err
	}
	head = fr.buf[fr.start:]
	f.Payload = head[headerSize : headerSize+need]
	f.rest = int(size) - need
	fr.start, fr.rest = fr.start+headerSize+need, f.rest
	if first {
		f.whole = int(binary.BigEndian.Uint32(f.Payload))
		f.Payload = f.Payload[wholeSize:]
	}
	fr.ahead = len(fr.buf)
	if f.more() {
		fr.ahead = fewAhead
	}
	return f, nil
}

// take copies the payload of f, the last frame that Next returned, to dst,
// which is as long.
func (fr *Reader) take(f *Frame, dst []byte) error {
	return fr.read(dst[copy(dst, f.Payload):])
}

// read reads the rest of the last frame to dst, which is as long.
func (fr *Reader) read(dst []byte) error {
	fr.rest = 0
	if len(dst) == 0 {
		return nil
	}
	if _, err := io.ReadFull(fr.r, dst); errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	} else if err != nil {
		return err
	}
	return nil
}

// fill reads until n bytes are buffered.
func (fr *Reader) fill(n int) error {
	if fr.end-fr.start >= n {
		return nil
	}
	if fr.start+n > len(fr.buf) || fr.start == fr.end {
		copy(fr.buf, fr.buf[fr.start:fr.end])
		fr.end -= fr.start
		fr.start = 0
	}
	for fr.end-fr.start < n {
		m, err := fr.r.Read(fr.buf[fr.end:min(len(fr.buf), fr.start+n+fr.ahead)])
		fr.end += m
		if fr.end-fr.start >= n {
			return nil
		}
		if err != nil {
			if errors.Is(err, io.EOF) && fr.end > fr.start {
				err = io.ErrUnexpectedEOF
			}
			return err
		}
	}
	return nil
}

// appendHeader appends a frame's header.
func appendHeader(b []byte, kind, flags byte, call uint32, size int) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(size))
	b = append(b, kind, flags, 0, 0)
	return binary.BigEndian.AppendUint32(b, call)
}

// CallHead is the fixed part of a CALL.
type CallHead struct {
	Entrypoint  uint16
	Flags       uint16
	DeadlineMS  uint32
	CreditItems uint32
	CreditBytes uint32
}

// AppendCallHead appends the fixed part of a CALL whose metadata and positional
// arguments are so long.
func AppendCallHead(b []byte, h CallHead, metadata, args int) []byte {
	b = binary.BigEndian.AppendUint16(b, h.Entrypoint)
	b = binary.BigEndian.AppendUint16(b, h.Flags)
	b = binary.BigEndian.AppendUint32(b, h.DeadlineMS)
	b = binary.BigEndian.AppendUint32(b, h.CreditItems)
	b = binary.BigEndian.AppendUint32(b, h.CreditBytes)
	b = binary.BigEndian.AppendUint32(b, uint32(metadata))
	return binary.BigEndian.AppendUint32(b, uint32(args))
}

// AppendFrame appends a frame with a short payload.
func AppendFrame(b []byte, kind byte, call uint32, payload ...byte) []byte {
	return append(appendHeader(b, kind, 0, call, len(payload)), payload...)
}

// AppendCredit appends a CREDIT frame.
func AppendCredit(b []byte, call uint32, items, bytes int) []byte {
	b = appendHeader(b, Credit, 0, call, 8)
	b = binary.BigEndian.AppendUint32(b, uint32(items))
	return binary.BigEndian.AppendUint32(b, uint32(bytes))
}

// Answer is a decoded RESULT payload; its slices point into it.
type Answer struct {
	WaitedMicros, RanMicros uint32
	Meta, Output            []byte
}

// ParseResult reads the payload of a RESULT.
func ParseResult(p []byte) (Answer, error) {
	if len(p) < 12 {
		return Answer{}, fmt.Errorf("RESULT frame of %d bytes", len(p))
	}
	m := binary.BigEndian.Uint32(p[8:])
	if uint64(m) > uint64(len(p)-12) {
		return Answer{}, fmt.Errorf("RESULT frame with metadata of %d bytes in %d", m, len(p))
	}
	return Answer{
		WaitedMicros: binary.BigEndian.Uint32(p),
		RanMicros:    binary.BigEndian.Uint32(p[4:]),
		Meta:         p[12 : 12+m],
		Output:       p[12+m:],
	}, nil
}

// Line is a decoded LOG payload; its text points into it.
type Line struct {
	Stream, Level byte
	Micros        int64
	Text          []byte
}

// ParseLog reads the payload of a LOG, which is never so long that only a part
// of it has come.
func ParseLog(f *Frame) (Line, error) {
	p := f.Payload
	if f.rest > 0 || len(p) < 12 {
		return Line{}, fmt.Errorf("LOG frame of %d bytes", f.size())
	}
	return Line{p[0], p[1], int64(binary.BigEndian.Uint64(p[4:])), p[12:]}, nil
}
