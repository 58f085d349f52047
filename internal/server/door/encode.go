package door

import (
	"encoding/json"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/runagent/runagent/api"
	"github.com/runagent/runagent/internal/invocation"
)

// What is written on every call is written by hand: payloads are spliced in as
// they are. The golden messages hold it to the types of package api.

// AppendQuoted appends text as a JSON string.
func AppendQuoted[T string | []byte | json.RawMessage](dst []byte, text T) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	from := 0
	for i := 0; i < len(text); i++ {
		c := text[i]
		if c >= ' ' && c != '"' && c != '\\' && c < utf8.RuneSelf {
			continue
		}
		if c >= utf8.RuneSelf {
			r, size := utf8.DecodeRuneInString(string(text[i:min(i+utf8.UTFMax, len(text))]))
			if r != utf8.RuneError || size > 1 {
				i += size - 1
				continue
			}
			dst = append(append(dst, text[from:i]...), "\ufffd"...)
			from = i + 1
			continue
		}
		dst = append(dst, text[from:i]...)
		switch c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\n':
			dst = append(dst, '\\', 'n')
		case '\t':
			dst = append(dst, '\\', 't')
		case '\r':
			dst = append(dst, '\\', 'r')
		default:
			dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		}
		from = i + 1
	}
	return append(append(dst, text[from:]...), '"')
}

// AppendMetadata appends an api.Metadata.
func AppendMetadata(dst []byte, out *invocation.Outcome) []byte {
	version, revision := "", ""
	if out.Target != nil {
		version, revision = out.Target.AgentVersion, out.Target.Revision
	}
	dst = AppendQuoted(append(dst, `{"agent_version":`...), version)
	dst = AppendQuoted(append(dst, `,"revision":`...), revision)
	dst = AppendQuoted(append(dst, `,"start":`...), string(out.Result.Start))
	t := &out.Result.Timings
	dst = appendMS(append(dst, `,"timings_ms":{"queue":`...), t.Queue)
	dst = appendMS(append(dst, `,"start":`...), t.Start)
	dst = appendMS(append(dst, `,"call":`...), t.Call)
	if t.FirstChunk > 0 {
		dst = appendMS(append(dst, `,"first_chunk":`...), t.FirstChunk)
	}
	dst = append(appendMS(append(dst, `,"total":`...), t.Total), '}')
	if len(out.Result.Usage) > 0 {
		dst = append(append(dst, `,"usage":`...), out.Result.Usage...)
	}
	return append(dst, '}')
}

// appendMS appends a duration in Milliseconds.
func appendMS(dst []byte, d time.Duration) []byte {
	return strconv.AppendFloat(dst, Milliseconds(d), 'f', -1, 64)
}

// Milliseconds returns d in milliseconds, to the microsecond.
func Milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// WireTimings returns the stages of an invocation as the wire has them.
func WireTimings(t invocation.Timings) *api.Timings {
	return &api.Timings{
		Queue: Milliseconds(t.Queue), Start: Milliseconds(t.Start), Call: Milliseconds(t.Call),
		FirstChunk: Milliseconds(t.FirstChunk), Total: Milliseconds(t.Total),
	}
}

// AppendLine appends JSON on one line: line breaks between its tokens, the
// only place they can stand, become spaces.
func AppendLine(dst []byte, raw []byte) []byte {
	from := len(dst)
	dst = append(dst, raw...)
	for i := from; i < len(dst); i++ {
		if dst[i] == '\n' || dst[i] == '\r' {
			dst[i] = ' '
		}
	}
	return dst
}
