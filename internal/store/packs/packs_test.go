package packs

import (
	"reflect"
	"testing"
	"time"

	"github.com/runagent/runagent/internal/invocation"
)

func records() []*invocation.Record {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	one := &invocation.Record{
		ID: "i1", ProjectID: "default", NodeID: "local", Attempt: 1, AgentID: "a1", Revision: "r1", Entrypoint: "main",
		Status: invocation.Succeeded, Start: invocation.Hot, Door: "v1", SDKType: "python", Client: "127.0.0.1 httpx", RequestID: "q1",
		CreatedAt: at, FinishedAt: at.Add(time.Millisecond),
		Input: invocation.NewPayload([]byte(`{"kwargs":{}}`), 0), Output: invocation.NewPayload([]byte(`1`), 0),
		Timings: invocation.Timings{Queue: 1, Start: 20, Call: 300, Total: 321, FirstChunk: 7},
	}
	two := *one
	two.ID, two.SessionID, two.Status, two.Chunks = "i2", "s1", invocation.FailedS, 4
	two.CreatedAt, two.FinishedAt = at.Add(-time.Hour), at
	two.Error, two.Usage = []byte(`{"code":"X"}`), []byte(`{"total_tokens":1}`)
	two.Output = invocation.Payload{JSON: []byte(`[1,`), Size: 900, Digest: "xxh64:00", Truncated: true}
	three := *one
	three.ID, three.Output, three.FinishedAt = "", invocation.Payload{}, time.Time{}
	return []*invocation.Record{one, &two, &three, one}
}

func TestDecodeReadsWhatEncodeWrote(t *testing.T) {
	t.Parallel()
	want := records()
	var got []*invocation.Record
	if err := decode(encode(want), func(r *invocation.Record) { got = append(got, r) }); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("decoded:\n got %+v\nwant %+v", got, want)
	}
}

// A damaged pack is an error, whatever it holds.
func FuzzDecode(f *testing.F) {
	whole := encode(records())
	f.Add(whole)
	f.Add(whole[:len(whole)-3])
	f.Add([]byte{version, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1})
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, data []byte) {
		var got []*invocation.Record
		if err := decode(data, func(r *invocation.Record) { got = append(got, r) }); err != nil {
			return
		}
		if len(got) == 0 {
			return
		}
		again := 0
		if err := decode(encode(got), func(*invocation.Record) { again++ }); err != nil || again != len(got) {
			t.Errorf("%d records out of %d, %v", again, len(got), err)
		}
	})
}

func TestDecodeRefusesWhatIsCut(t *testing.T) {
	t.Parallel()
	whole := encode(records())
	for _, data := range [][]byte{nil, {version + 1}, whole[:len(whole)-1]} {
		if err := decode(data, func(*invocation.Record) {}); err == nil {
			t.Errorf("decode of %d bytes gives no error", len(data))
		}
	}
}
