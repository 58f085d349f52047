package door

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strings"

	"github.com/runagent/runagent/internal/fault"

	"github.com/runagent/runagent/internal/server/envelope"
	"github.com/runagent/runagent/internal/slab"
)

// FirstRead bounds what is set aside for a body before its bytes have come:
// a client must not get 10 MiB for an announcement.
const FirstRead = 64 << 10

// growth is how many times larger the room for a body gets at once.
const growth = 4

// discardFactor times the limit is how much of a body that is too large is read
// and thrown away. A client that only listens once it has sent everything
// would otherwise see a broken connection instead of the answer.
const discardFactor = 2

// jsonType is shared by all answers; nothing may change it.
var jsonType = []string{"application/json"}

// ReadBody returns the whole body of a call. It is read to its end, for only
// then does net/http watch for the client's going away. Its memory may be given
// to slab.Put by who knows that nothing refers to it any more.
func (d *Door) ReadBody(r *http.Request) ([]byte, error) {
	if err := checkContentType(r.Header); err != nil {
		return nil, err
	}
	limit := d.MaxBytes
	if r.ContentLength > limit {
		d.discard(r)
		return nil, tooLarge(limit)
	}
	body := firstRoom(r.ContentLength)
	for {
		n, err := r.Body.Read(body[len(body):cap(body)])
		body = body[:len(body)+n]
		switch {
		case err == io.EOF:
			return body, nil
		case err != nil:
			return nil, bodyError(err, len(body))
		case int64(len(body)) > limit:
			d.discard(r)
			return nil, tooLarge(limit)
		case len(body) == cap(body):
			body = grow(body, r.ContentLength, limit)
		}
	}
}

// firstRoom is the room for a body of which nothing has come. It is one byte
// more than announced, so that the read of the end needs no growth.
func firstRoom(announced int64) []byte {
	if announced < 0 {
		return make([]byte, 0, bytes.MinRead)
	}
	if announced >= FirstRead {
		// What was used before costs nothing new.
		if spare := slab.Spare(int(announced) + 1); spare != nil {
			return spare
		}
	}
	return make([]byte, 0, min(announced, FirstRead)+1)
}

// grow makes more room for a body: growth times as much, up to what was
// announced or is allowed. A body that was announced is copied seldom so, and
// costs no more than growth times what has come of it.
func grow(body []byte, announced, limit int64) []byte {
	size := min(int64(cap(body))*growth, limit+1)
	if announced >= int64(len(body)) {
		size = min(size, announced+1)
	}
	larger := append(slab.Get(int(max(size, int64(len(body))+1))), body...)
	slab.Put(body)
	return larger
}

// discard throws away what a client still sends, as far as that is reasonable.
// The server's read timeout bounds it in time.
func (d *Door) discard(r *http.Request) {
	if r.ContentLength > discardFactor*d.MaxBytes || r.Header.Get("Expect") != "" {
		return
	}
	_, _ = io.CopyN(io.Discard, r.Body, discardFactor*d.MaxBytes)
}

func tooLarge(limit int64) error {
	return fault.New(fault.PayloadTooLarge, "the body is larger than the limit of %d bytes", limit)
}

// bodyError says what kept a body from arriving.
func bodyError(err error, got int) error {
	var netErr net.Error
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded), errors.As(err, &netErr) && netErr.Timeout():
		return fault.New(fault.RequestTimeout, "the body did not arrive in time: %d bytes came", got)
	case errors.Is(err, io.ErrUnexpectedEOF):
		return fault.New(fault.Validation, "the body ended after %d bytes, before the announced length", got)
	}
	return fault.New(fault.Validation, "the body can't be read: it broke off after %d bytes", got)
}

// checkContentType lets JSON pass. A body without a type is taken for JSON.
func checkContentType(h http.Header) error {
	if enc := h.Get("Content-Encoding"); enc != "" && !strings.EqualFold(enc, "identity") {
		return fault.New(fault.UnsupportedMedia, "a body encoded as %q is not accepted; send it as it is", envelope.Clip(enc, 32))
	}
	full := h.Get("Content-Type")
	if full == "" || full == jsonType[0] {
		return nil
	}
	kind, params, _ := strings.Cut(full, ";")
	kind = strings.ToLower(strings.TrimSpace(kind))
	if kind != jsonType[0] && (!strings.HasPrefix(kind, "application/") || !strings.HasSuffix(kind, "+json")) {
		return fault.New(fault.UnsupportedMedia, "a body of type %q is not accepted; send Content-Type: application/json", envelope.Clip(full, 64))
	}
	for param := range strings.SplitSeq(params, ";") {
		name, value, _ := strings.Cut(strings.ToLower(strings.TrimSpace(param)), "=")
		if name == "charset" && strings.Trim(value, `"`) != "utf-8" {
			return fault.New(fault.UnsupportedMedia, "a body in the character set %q is not accepted; JSON is UTF-8", envelope.Clip(value, 32))
		}
	}
	return nil
}
