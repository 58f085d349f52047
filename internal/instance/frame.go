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
	maxPayload   = 64 << 10
	flagMore     = 1
	callHeadSize = 24
)

// Reasons of a CANCEL frame.
const (
	cancelGone     = 1
	cancelDeadline = 2
	cancelEnding   = 3
)

// frame is one received frame; its payload is valid until the next read.
type frame struct {
	kind    byte
	more    bool
	call    uint32
	payload []byte
}

var errFrameTooLong = errors.New("frame is longer than 64 KiB")

// frameReader cuts a byte stream into frames.
type frameReader struct {
	r     io.Reader
	buf   []byte
	start int // first unread byte
	end   int // one past the last byte read
}

func newFrameReader(r io.Reader) *frameReader {
	return &frameReader{r: r, buf: make([]byte, 2*(headerSize+maxPayload))}
}

// next returns the next frame. Errors: io.EOF between frames,
// io.ErrUnexpectedEOF inside one, errFrameTooLong.
func (fr *frameReader) next() (frame, error) {
	if err := fr.fill(headerSize); err != nil {
		return frame{}, err
	}
	head := fr.buf[fr.start:]
	size := binary.BigEndian.Uint32(head)
	if size > maxPayload {
		return frame{}, errFrameTooLong
	}
	if err := fr.fill(headerSize + int(size)); err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return frame{}, err
	}
	head = fr.buf[fr.start:]
	f := frame{
		kind:    head[4],
		more:    head[5]&flagMore != 0,
		call:    binary.BigEndian.Uint32(head[8:]),
		payload: head[headerSize : headerSize+int(size)],
	}
	fr.start += headerSize + int(size)
	return f, nil
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
		m, err := fr.r.Read(fr.buf[fr.end:])
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
func appendHeader(b []byte, kind byte, more bool, call uint32, size int) []byte {
	var flags byte
	if more {
		flags = flagMore
	}
	b = binary.BigEndian.AppendUint32(b, uint32(size))
	b = append(b, kind, flags, 0, 0)
	return binary.BigEndian.AppendUint32(b, call)
}

// appendFrames appends the payload, the concatenation of parts, as one frame
// or as many as it needs.
func appendFrames(b []byte, kind byte, call uint32, parts ...[]byte) []byte {
	total := 0
	for _, p := range parts {
		total += len(p)
	}
	for total > maxPayload {
		b = appendHeader(b, kind, true, call, maxPayload)
		b, parts = appendParts(b, parts, maxPayload)
		total -= maxPayload
	}
	b = appendHeader(b, kind, false, call, total)
	b, _ = appendParts(b, parts, total)
	return b
}

// appendParts moves n bytes of parts to b and returns what is left.
func appendParts(b []byte, parts [][]byte, n int) ([]byte, [][]byte) {
	for n > 0 {
		p := parts[0]
		if len(p) > n {
			rest := append([][]byte{p[n:]}, parts[1:]...)
			return append(b, p[:n]...), rest
		}
		b = append(b, p...)
		n -= len(p)
		parts = parts[1:]
	}
	return b, parts
}

// callHead is the fixed part of a CALL.
type callHead struct {
	entrypoint  uint16
	deadlineMS  uint32
	creditItems uint32
	creditBytes uint32
}

func appendCallHead(b []byte, h callHead, metadata, args int) []byte {
	b = binary.BigEndian.AppendUint16(b, h.entrypoint)
	b = append(b, 0, 0)
	b = binary.BigEndian.AppendUint32(b, h.deadlineMS)
	b = binary.BigEndian.AppendUint32(b, h.creditItems)
	b = binary.BigEndian.AppendUint32(b, h.creditBytes)
	b = binary.BigEndian.AppendUint32(b, uint32(metadata))
	return binary.BigEndian.AppendUint32(b, uint32(args))
}

func appendCredit(b []byte, call uint32, items, bytes int) []byte {
	b = appendHeader(b, frameCredit, false, call, 8)
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
