package instance

import (
	"bytes"
	"errors"
	"io"
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
	fr := newFrameReader(bytes.NewReader(wire))
	for {
		f, err := fr.next()
		if errors.Is(err, io.EOF) {
			return calls, kinds
		}
		if err != nil {
			t.Fatal(err)
		}
		calls, kinds = append(calls, f.call), append(kinds, f.kind)
	}
}

func TestOutboxLetsShortPayloadsPassLongOnes(t *testing.T) {
	t.Parallel()
	g := &gated{began: make(chan struct{}, 100), tokens: make(chan struct{}, 100)}
	o := outbox{w: g}
	var done sync.WaitGroup
	done.Go(func() { _ = o.payload(frameCall, 1, nil, make([]byte, 4*maxPayload)) })
	<-g.began // the first frame of 1 is being written
	_ = o.payload(frameCall, 2, nil, make([]byte, 2*maxPayload))
	_ = o.payload(frameCall, 3, []byte("short"))
	_ = o.after(2, func(b []byte) []byte { return append(appendHeader(b, frameCancel, 0, 2, 1), cancelGone) })
	_ = o.after(3, func(b []byte) []byte { return append(appendHeader(b, frameCancel, 0, 3, 1), cancelGone) })
	close(g.tokens)
	done.Wait()
	calls, kinds := sequence(t, g.got.Bytes())
	want := []uint32{1, 3, 3, 1, 2, 1, 2, 1, 2, 2, 1}
	at := map[uint32]int{}
	for i, call := range calls {
		if kinds[i] == frameCancel {
			at[call] = i
		} else if end, canceled := at[call]; canceled {
			t.Errorf("a frame of call %d at %d comes after its cancel at %d", call, i, end)
		}
	}
	if len(calls) < 3 || calls[0] != 1 || calls[1] != 3 {
		t.Errorf("calls came as %v, want like %v: the short one after the frame under way", calls, want)
	}
	if len(at) != 2 {
		t.Errorf("%d cancels came, want 2: calls %v, kinds %v", len(at), calls, kinds)
	}
	if calls[len(calls)-1] != 1 {
		t.Errorf("calls came as %v, want the long ones by turns", calls)
	}
}

func TestOutboxFailsForGood(t *testing.T) {
	t.Parallel()
	r, w := io.Pipe()
	_ = r.Close()
	o := outbox{w: w}
	for name, err := range map[string]error{
		"long":  o.payload(frameCall, 1, nil, make([]byte, 3*maxPayload)),
		"short": o.payload(frameCall, 1, nil, []byte("x")),
		"write": o.write(func(b []byte) []byte { return append(b, 'x') }),
		"after": o.after(1, func(b []byte) []byte { return append(b, 'x') }),
	} {
		if !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("%s: %v, want %v", name, err, io.ErrClosedPipe)
		}
	}
}
