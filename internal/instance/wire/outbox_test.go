package wire

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"sync"
	"testing"
)

// gated lets one write through for each token.
type gated struct {
	began, tokens chan struct{}
	mu            sync.Mutex
	got           bytes.Buffer
}

func (g *gated) Write(b []byte) (int, error) {
	g.began <- struct{}{}
	<-g.tokens
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.got.Write(b)
}

// sequence is "call:flags" of each frame in order.
func sequence(t *testing.T, wire []byte) (calls []uint32, kinds []byte) {
	t.Helper()
	fr := NewReader(bytes.NewReader(wire))
	for {
		f, err := fr.Next()
		if errors.Is(err, io.EOF) {
			return calls, kinds
		}
		if err != nil {
			t.Fatal(err)
		}
		calls, kinds = append(calls, f.Call), append(kinds, f.Kind)
	}
}

func TestOutboxLetsShortPayloadsPassLongOnes(t *testing.T) {
	t.Parallel()
	g := &gated{began: make(chan struct{}, 100), tokens: make(chan struct{}, 100)}
	o := Outbox{w: g}
	var done sync.WaitGroup
	done.Go(func() { _, _ = o.Payload(Call, 1, nil, make([]byte, 4*MaxPayload)) })
	<-g.began // the first frame of 1 is being written
	sent, _ := o.Payload(Call, 2, nil, make([]byte, 2*MaxPayload))
	select {
	case <-sent:
		t.Error("a payload that waits is called sent")
	default:
	}
	_, _ = o.Payload(Call, 3, []byte("short"))
	_ = o.After(2, func(b []byte) []byte { return append(appendHeader(b, Cancel, 0, 2, 1), CancelGone) })
	_ = o.After(3, func(b []byte) []byte { return append(appendHeader(b, Cancel, 0, 3, 1), CancelGone) })
	close(g.tokens)
	<-sent
	done.Wait()
	calls, kinds := sequence(t, g.got.Bytes())
	want := []uint32{1, 3, 3, 1, 1, 1, 1, 2, 2, 2, 2}
	at := map[uint32]int{}
	for i, call := range calls {
		if kinds[i] == Cancel {
			at[call] = i
		} else if end, canceled := at[call]; canceled {
			t.Errorf("a frame of call %d at %d comes after its cancel at %d", call, i, end)
		}
	}
	if !slices.Equal(calls, want) {
		t.Errorf("calls came as %v, want %v: the short one after the frame under way, the long ones in order", calls, want)
	}
	if len(at) != 2 {
		t.Errorf("%d cancels came, want 2: calls %v, kinds %v", len(at), calls, kinds)
	}
}

func TestOutboxFailsForGood(t *testing.T) {
	t.Parallel()
	r, w := io.Pipe()
	_ = r.Close()
	o := Outbox{w: w}
	sent, long := o.Payload(Call, 1, nil, make([]byte, 3*MaxPayload))
	<-sent // also when it never will be
	_, short := o.Payload(Call, 1, nil, []byte("x"))
	for name, err := range map[string]error{
		"long":  long,
		"short": short,
		"write": o.Write(func(b []byte) []byte { return append(b, 'x') }),
		"after": o.After(1, func(b []byte) []byte { return append(b, 'x') }),
	} {
		if !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("%s: %v, want %v", name, err, io.ErrClosedPipe)
		}
	}
}
