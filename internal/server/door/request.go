package door

import (
	"math/rand/v2"
	"net/http"
	"strings"

	"github.com/runagent/runagent/internal/server/envelope"
)

// RequestIDHeader is in canonical form, for writing past textproto's own work.
const RequestIDHeader = "X-Request-Id"

// RevisionHeader names the revision that a call is for, in canonical form.
const RevisionHeader = "X-Runagent-Revision"

// RequestID returns the ID of the request that w answers.
func RequestID(w http.ResponseWriter) string {
	if id := w.Header()[RequestIDHeader]; len(id) > 0 {
		return id[0]
	}
	return ""
}

// SaneID reports whether a client's own request ID may stand in headers and logs.
func SaneID(id string) bool {
	if id == "" || len(id) > 128 {
		return false
	}
	for i := range len(id) {
		c := id[i]
		switch {
		case '0' <= c && c <= '9', 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', strings.IndexByte("-_.:", c) >= 0:
		default:
			return false
		}
	}
	return true
}

// NewRequestID returns a random UUID (version 4). It guards nothing, so the
// fast generator does, which takes no lock.
func NewRequestID() string {
	const hex = "0123456789abcdef"
	hi, lo := rand.Uint64(), rand.Uint64() //nolint:gosec // an ID to find log lines by, not a secret
	hi = hi&^0xf000 | 0x4000
	lo = lo&^(3<<62) | 1<<63
	var id [36]byte
	at := 0
	for i := range 32 {
		if i == 8 || i == 12 || i == 16 || i == 20 {
			id[at] = '-'
			at++
		}
		word := hi
		if i >= 16 {
			word = lo
		}
		id[at] = hex[word>>(60-4*(i%16))&15]
		at++
	}
	return string(id[:])
}

// Caller says who calls: the client library's name, and where it runs.
func Caller(r *http.Request) (sdk, client string) {
	agent := envelope.Clip(r.UserAgent(), 128)
	sdk, _, _ = strings.Cut(agent, "/")
	return sdk, r.RemoteAddr + " " + agent
}
