package instance

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// The frames of docs/protocol.md.
const (
	frameAdmit  = 1
	frameCall   = 2
	frameCredit = 3
	frameCancel = 4
	framePing   = 5
	frameStop   = 6

	frameHello  = 16
	frameReady  = 17
	frameFailed = 18
	frameChunk  = 19
	frameLog    = 20
	frameResult = 21
	frameError  = 22
	framePong   = 23
)

const (
	headerSize   = 12
	maxPayload   = 256 << 10
	callHeadSize = 24
	// wholeSize is how many bytes the first part of a split payload begins
	// with, to say how long the whole is.
	wholeSize = 4
	// maxBuffered is the longest payload that a frameReader reads into its own
	// buffer; of a longer one only what came with its header.
	maxBuffered = 64 << 10
)

// Flags of a frame: which part of a split payload it carries. The first part
// has flagMore, those between both, the last flagContinues.
const (
	flagMore      = 1
	flagContinues = 2
)

// Flags of a CALL.
const callTame = 1

// Reasons of a CANCEL frame.
const (
	cancelGone     = 1
	cancelDeadline = 2
	cancelEnding   = 3
)

// frame is one received frame. Its payload is payload and then rest more bytes,
// which are still to be read; it is valid until the next read.
type frame struct {
	kind    byte
	flags   byte
	call    uint32
	payload []byte
	rest    int
	// whole is the length of a split payload, said by its first part.
	whole int
}

// more reports whether another part of the frame's payload follows.
func (f *frame) more() bool { return f.flags&flagMore != 0 }

// size is the length of the frame's payload.
func (f *frame) size() int { return len(f.payload) + f.rest }

var (
	errFrameTooLong = errors.New("frame is longer than 256 KiB")
	errSplit        = errors.New("the parts of a split payload don't fit together")
)

// frameReader cuts a byte stream into frames.
type frameReader struct {
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

func newFrameReader(r io.Reader) *frameReader {
	fr := &frameReader{r: r, buf: make([]byte, 2*(headerSize+maxBuffered))}
	fr.ahead = len(fr.buf)
	return fr
}

// next returns the next frame. Errors: io.EOF between frames,
// io.ErrUnexpectedEOF inside one, errFrameTooLong, errSplit.
func (fr *frameReader) next() (frame, error) {
	if fr.rest > 0 { // nobody wanted it
		if err := fr.read(make([]byte, fr.rest)); err != nil {
			return frame{}, err
		}
	}
	if err := fr.fill(headerSize); err != nil {
		return frame{}, err
	}
	head := fr.buf[fr.start:]
	size := int64(binary.BigEndian.Uint32(head))
	if size > maxPayload {
		return frame{}, errFrameTooLong
	}
	f := frame{kind: head[4], flags: head[5], call: binary.BigEndian.Uint32(head[8:])}
	first := f.flags&(flagMore|flagContinues) == flagMore
	if first && size < wholeSize {
		return frame{}, errSplit
	}
	need := int(size)
	if size > maxBuffered {
		need = min(need, max(wholeSize, fr.end-fr.start-headerSize))
	}
	if err := fr.fill(headerSize + need); err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return frame{}, err
	}
	head = fr.buf[fr.start:]
	f.payload = head[headerSize : headerSize+need]
	f.rest = int(size) - need
	fr.start, fr.rest = fr.start+headerSize+need, f.rest
	if first {
		f.whole = int(binary.BigEndian.Uint32(f.payload))
		f.payload = f.payload[wholeSize:]
	}
	fr.ahead = len(fr.buf)
	if f.more() {
		fr.ahead = fewAhead
	}
	return f, nil
}

// take copies the payload of f, the last frame that next returned, to dst,
// which is as long.
func (fr *frameReader) take(f *frame, dst []byte) error {
	return fr.read(dst[copy(dst, f.payload):])
}

// read reads the rest of the last frame to dst, which is as long.
func (fr *frameReader) read(dst []byte) error {
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
func (fr *frameReader) fill(n int) error {
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

// callHead is the fixed part of a CALL.
type callHead struct {
	entrypoint  uint16
	flags       uint16
	deadlineMS  uint32
	creditItems uint32
	creditBytes uint32
}

func appendCallHead(b []byte, h callHead, metadata, args int) []byte {
	b = binary.BigEndian.AppendUint16(b, h.entrypoint)
	b = binary.BigEndian.AppendUint16(b, h.flags)
	b = binary.BigEndian.AppendUint32(b, h.deadlineMS)
	b = binary.BigEndian.AppendUint32(b, h.creditItems)
	b = binary.BigEndian.AppendUint32(b, h.creditBytes)
	b = binary.BigEndian.AppendUint32(b, uint32(metadata))
	return binary.BigEndian.AppendUint32(b, uint32(args))
}

func appendCredit(b []byte, call uint32, items, bytes int) []byte {
	b = appendHeader(b, frameCredit, 0, call, 8)
	b = binary.BigEndian.AppendUint32(b, uint32(items))
	return binary.BigEndian.AppendUint32(b, uint32(bytes))
}

// result is a decoded RESULT payload; its slices point into it.
type result struct {
	waitedMicros, ranMicros uint32
	meta, output            []byte
}

func parseResult(p []byte) (result, error) {
	if len(p) < 12 {
		return result{}, fmt.Errorf("RESULT frame of %d bytes", len(p))
	}
	m := binary.BigEndian.Uint32(p[8:])
	if uint64(m) > uint64(len(p)-12) {
		return result{}, fmt.Errorf("RESULT frame with metadata of %d bytes in %d", m, len(p))
	}
	return result{
		waitedMicros: binary.BigEndian.Uint32(p),
		ranMicros:    binary.BigEndian.Uint32(p[4:]),
		meta:         p[12 : 12+m],
		output:       p[12+m:],
	}, nil
}

// logFrame is a decoded LOG payload; its text points into it.
type logFrame struct {
	stream, level byte
	micros        int64
	text          []byte
}

func parseLog(p []byte) (logFrame, error) {
	if len(p) < 12 {
		return logFrame{}, fmt.Errorf("LOG frame of %d bytes", len(p))
	}
	return logFrame{p[0], p[1], int64(binary.BigEndian.Uint64(p[4:])), p[12:]}, nil
}
