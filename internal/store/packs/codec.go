package packs

import (
	"cmp"
	"encoding/binary"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/klauspost/compress/s2"

	"github.com/runagent/runagent/internal/invocation"
)

const (
	// version is the first byte of a pack's data; records follow, compressed.
	version = 1
	// largest is more than any pack is without compression.
	largest = 64 << 20
)

// errDamaged says that a pack's data is not what encode has written.
var errDamaged = errors.New("a pack of records is damaged")

// The texts and payloads of a record, by their place among those of the one
// before it: most are the same.
const (
	textFields    = 14
	payloadFields = 4
)

// encoder writes records one after the other. A text is its length and one
// more, then the text; 0 stands for that of the record before. Numbers are
// varints.
type encoder struct {
	out      []byte
	texts    [textFields]string
	payloads [payloadFields][]byte
	created  int64
}

// encode returns recs, in their order, as one pack's data.
func encode(recs []*invocation.Record) []byte {
	w := encoder{out: make([]byte, 0, len(recs)*320)}
	for _, r := range recs {
		w.record(r)
	}
	data := make([]byte, 1+s2.MaxEncodedLen(len(w.out)))
	data[0] = version
	return data[:1+len(s2.Encode(data[1:], w.out))]
}

func (w *encoder) record(r *invocation.Record) {
	for i, text := range [textFields]string{
		r.ID, r.ProjectID, r.NodeID, r.AgentID, r.Revision, r.Entrypoint, r.SessionID, string(r.Status),
		string(r.Start), r.Door, r.SDKType, r.Client, r.RequestID, digests(r),
	} {
		if text == w.texts[i] {
			w.out = append(w.out, 0)
			continue
		}
		w.out = append(binary.AppendUvarint(w.out, uint64(len(text)+1)), text...)
		w.texts[i] = text
	}
	for i, payload := range [payloadFields][]byte{r.Error, r.Usage, r.Input.JSON, r.Output.JSON} {
		if string(payload) == string(w.payloads[i]) {
			w.out = append(w.out, 0)
			continue
		}
		w.out = append(binary.AppendUvarint(w.out, uint64(len(payload)+1)), payload...)
		w.payloads[i] = payload
	}
	created := Micros(r.CreatedAt)
	for _, n := range [...]int64{
		created - w.created, Micros(r.FinishedAt) - created, int64(r.Attempt), int64(r.Chunks),
		int64(r.Timings.Queue), int64(r.Timings.Start), int64(r.Timings.Call), int64(r.Timings.Total), int64(r.Timings.FirstChunk),
		r.Input.Size - int64(len(r.Input.JSON)), r.Output.Size - int64(len(r.Output.JSON)),
	} {
		w.out = binary.AppendVarint(w.out, n)
	}
	w.created = created
}

// digests joins the digests of a record, which few records have.
func digests(r *invocation.Record) string {
	if r.Input.Digest == "" && r.Output.Digest == "" {
		return ""
	}
	return r.Input.Digest + "\n" + r.Output.Digest
}

// decoder reads what an encoder wrote. Once bad, it reads zeros.
type decoder struct {
	in       []byte
	bad      bool
	texts    [textFields]string
	payloads [payloadFields][]byte
	created  int64
}

// decode calls visit with each record of a pack's data, in order. The record is
// visit's own.
func decode(data []byte, visit func(*invocation.Record)) error {
	if len(data) == 0 || data[0] != version {
		return errDamaged
	}
	size, err := s2.DecodedLen(data[1:])
	if err != nil || size > largest {
		return errDamaged
	}
	plain, err := s2.Decode(nil, data[1:])
	if err != nil {
		return errDamaged
	}
	d := decoder{in: plain}
	for len(d.in) > 0 {
		r := d.record()
		if d.bad {
			return errDamaged
		}
		visit(r)
	}
	return nil
}

func (d *decoder) record() *invocation.Record {
	for i := range d.texts {
		if text, changed := d.bytes(); changed {
			d.texts[i] = string(text)
		}
	}
	for i := range d.payloads {
		if payload, changed := d.bytes(); changed {
			d.payloads[i] = payload
		}
	}
	t, p := &d.texts, &d.payloads
	r := &invocation.Record{
		ID: t[0], ProjectID: t[1], NodeID: t[2], AgentID: t[3], Revision: t[4], Entrypoint: t[5], SessionID: t[6],
		Status: invocation.Status(t[7]), Start: invocation.StartKind(t[8]),
		Door: t[9], SDKType: t[10], Client: t[11], RequestID: t[12],
		Error: own(p[0]), Usage: own(p[1]), Input: invocation.Payload{JSON: own(p[2])}, Output: invocation.Payload{JSON: own(p[3])},
	}
	r.Input.Digest, r.Output.Digest, _ = strings.Cut(t[13], "\n")
	d.created += d.number()
	r.CreatedAt, r.FinishedAt = FromMicros(d.created), FromMicros(d.created+d.number())
	r.Attempt, r.Chunks = int(d.number()), int(d.number())
	for _, stage := range []*time.Duration{
		&r.Timings.Queue, &r.Timings.Start, &r.Timings.Call, &r.Timings.Total, &r.Timings.FirstChunk,
	} {
		*stage = time.Duration(d.number())
	}
	for _, payload := range []*invocation.Payload{&r.Input, &r.Output} {
		beyond := d.number()
		payload.Size, payload.Truncated = int64(len(payload.JSON))+beyond, beyond > 0
	}
	return r
}

// bytes reads a text or payload, changed unless it is that of the record before.
func (d *decoder) bytes() (text []byte, changed bool) {
	size, n := binary.Uvarint(d.in)
	if n <= 0 || size > uint64(len(d.in)-n)+1 {
		d.bad, d.in = true, nil
		return nil, false
	}
	d.in = d.in[n:]
	if size == 0 {
		return nil, false
	}
	text, d.in = d.in[:size-1], d.in[size-1:]
	return text, true
}

func (d *decoder) number() int64 {
	v, n := binary.Varint(d.in)
	if n <= 0 {
		d.bad, d.in = true, nil
		return 0
	}
	d.in = d.in[n:]
	return v
}

// own returns a copy of a payload, nil for an empty one: a record must not keep
// its whole pack in memory.
func own(payload []byte) []byte {
	if len(payload) == 0 {
		return nil
	}
	return slices.Clone(payload)
}

// oldestFirst orders records as packs keep them.
func oldestFirst(a, b *invocation.Record) int {
	return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), strings.Compare(a.ID, b.ID))
}

// Micros returns t as the history has it: microseconds since 1970, 0 for none.
func Micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

// FromMicros returns the time that Micros has turned into us.
func FromMicros(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(us).UTC()
}
