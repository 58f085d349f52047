package instance

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/runagent/runagent/internal/fault"
	"github.com/runagent/runagent/internal/instance/instancetest"
	"github.com/runagent/runagent/internal/instance/wire"
	"github.com/runagent/runagent/internal/invocation"
	"github.com/runagent/runagent/internal/sandbox"
	"github.com/runagent/runagent/internal/slab"
)

const (
	plainEntrypoint  = `[{"tag":"main","type":"generic"}]`
	streamEntrypoint = `[{"tag":"main","type":"generic_stream","streams":true}]`
)

func startPool(t *testing.T, l *instancetest.Launcher, change func(*Spec)) *Pool {
	t.Helper()
	s := Spec{Revision: "r1", Launcher: l, Grace: 50 * time.Millisecond, Admission: Admission{AgentID: "a"}}
	if change != nil {
		change(&s)
	}
	p, err := newPool(t.Context(), s)
	if err != nil {
		t.Fatalf("start pool: %v", err)
	}
	stopAtEnd(t, p)
	return p
}

// stopAtEnd stops the pool when the test is over.
func stopAtEnd(t testing.TB, p *Pool) {
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		p.Stop(ctx)
	})
}

func aCall(kwargs string) invocation.Call {
	return invocation.Call{ID: "i-1", Entrypoint: "main", Kwargs: json.RawMessage(kwargs)}
}

func discard(invocation.Event) error { return nil }

// within fails the test when nothing comes from c in time.
func within[T any](t *testing.T, c <-chan T, what string) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(10 * time.Second):
		t.Fatalf("%s did not happen within 10 s", what)
		panic("unreachable")
	}
}

func TestPoolCarriesPayloadsUntouched(t *testing.T) {
	t.Parallel()
	for _, size := range []int{1, wire.MaxPayload - 100, wire.MaxPayload, 3*wire.MaxPayload + 17, 2 << 20} {
		l := &instancetest.Launcher{Entrypoints: plainEntrypoint, OnCall: func(s *instancetest.Shim, c *instancetest.Call) {
			s.Result(c.ID, string(c.Kwargs))
		}}
		p := startPool(t, l, nil)
		in := `{"x":"` + strings.Repeat("é", size/2) + `"}`
		res, err := p.Invoke(t.Context(), aCall(in), discard)
		if err != nil {
			t.Fatalf("%d bytes: %v", size, err)
		}
		if string(res.Output) != in {
			t.Errorf("%d bytes: output differs from input", size)
		}
	}
}

// TestPoolLeavesMemoryToItsCaller uses the memory of inputs and results again as
// soon as Invoke allows it: what still referred to it would send or see others'.
func TestPoolLeavesMemoryToItsCaller(t *testing.T) {
	t.Parallel()
	l := &instancetest.Launcher{Entrypoints: plainEntrypoint, OnCall: func(s *instancetest.Shim, c *instancetest.Call) {
		s.Result(c.ID, string(c.Kwargs))
	}}
	p := startPool(t, l, nil)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			want := `"` + strings.Repeat(string(rune('a'+i)), wire.MaxPayload+i) + `"`
			for range 20 {
				in := append(slab.Get(len(want)), want...)
				res, err := p.Invoke(t.Context(), invocation.Call{ID: "i", Entrypoint: "main", Kwargs: in}, discard)
				if err != nil {
					t.Error(err)
					return
				}
				slab.Put(in)
				if string(res.Output) != want {
					t.Errorf("call %d got another's bytes", i)
				}
				slab.Put(res.Memory)
			}
		})
	}
	wg.Wait()
}

func TestPoolPassesUsageOnWhateverTheEnd(t *testing.T) {
	t.Parallel()
	const used = `{"input_tokens":1,"output_tokens":2,"total_tokens":3,"model":"m"}`
	l := &instancetest.Launcher{Entrypoints: plainEntrypoint, OnCall: func(s *instancetest.Shim, c *instancetest.Call) {
		if strings.Contains(string(c.Kwargs), "fail") {
			s.Send(instancetest.Error, c.ID, []byte(`{"code":"EXECUTION_ERROR","type":"E","message":"m","usage":`+used+`}`))
			return
		}
		meta := `{"usage":` + used + `}`
		head := make([]byte, 12)
		head[11] = byte(len(meta))
		s.Send(instancetest.Result, c.ID, append(append(head, meta...), `"done"`...))
	}}
	p := startPool(t, l, nil)
	res, err := p.Invoke(t.Context(), aCall(`{}`), discard)
	if err != nil || string(res.Usage) != used || string(res.Output) != `"done"` {
		t.Errorf("success: got %s, usage %s, %v", res.Output, res.Usage, err)
	}
	res, err = p.Invoke(t.Context(), aCall(`{"fail":1}`), discard)
	if err == nil || string(res.Usage) != used {
		t.Errorf("failure: got usage %s, %v", res.Usage, err)
	}
}

func TestPoolGivesChunksInOrderAndReturnsCredit(t *testing.T) {
	t.Parallel()
	const n = 10_000
	l := &instancetest.Launcher{Entrypoints: streamEntrypoint, OnCall: func(s *instancetest.Shim, c *instancetest.Call) {
		items := c.CreditItems
		for i := range n {
			for items == 0 {
				items += (<-c.Credit)[0]
			}
			s.Send(instancetest.Chunk, c.ID, fmt.Appendf(nil, "%d", i))
			items--
		}
		s.Result(c.ID, "")
	}}
	p := startPool(t, l, nil)
	next := 0
	_, err := p.Invoke(t.Context(), aCall(`{}`), func(e invocation.Event) error {
		if string(e.Data) != fmt.Sprint(next) {
			return fmt.Errorf("chunk %d is %s", next, e.Data)
		}
		next++
		return nil
	})
	if err != nil || next != n {
		t.Fatalf("got %d chunks and error %v, want %d", next, err, n)
	}
}

// TestPoolTakesManyChunksFromOneFrame: the events are those of single frames,
// and the items are credited one by one, without what stands between them.
func TestPoolTakesManyChunksFromOneFrame(t *testing.T) {
	t.Parallel()
	const frames, each = 300, 40
	tally := make(chan [2]int, 1)
	l := &instancetest.Launcher{Entrypoints: streamEntrypoint, OnCall: func(s *instancetest.Shim, c *instancetest.Call) {
		var credited [2]int
		items := c.CreditItems
		for f := range frames {
			for items < each+1 {
				got := <-c.Credit
				items += got[0]
				credited[0], credited[1] = credited[0]+got[0], credited[1]+got[1]
			}
			var lines [][]byte
			for i := range each {
				lines = append(lines, fmt.Appendf(nil, "%d", f*(each+1)+i))
			}
			s.Send(instancetest.Chunks, c.ID, bytes.Join(lines, []byte("\n")))
			s.Send(instancetest.Log, c.ID, append(make([]byte, 12), "between"...))
			s.Send(instancetest.Chunk, c.ID, fmt.Appendf(nil, "%d", f*(each+1)+each))
			items -= each + 1
		}
		tally <- credited
		s.Result(c.ID, "")
	}}
	p := startPool(t, l, nil)
	next, logs, size := 0, 0, 0
	_, err := p.Invoke(t.Context(), aCall(`{}`), func(e invocation.Event) error {
		if e.Kind == invocation.Log {
			if logs++; next%(each+1) != each {
				return fmt.Errorf("the line came after chunk %d", next)
			}
			return nil
		}
		if string(e.Data) != fmt.Sprint(next) {
			return fmt.Errorf("chunk %d is %s", next, e.Data)
		}
		if next%(each+1) < each-1 && !e.More {
			return fmt.Errorf("chunk %d does not say that others follow", next)
		}
		size += len(e.Data)
		next++
		return nil
	})
	if err != nil || next != frames*(each+1) || logs != frames {
		t.Fatalf("got %d chunks, %d lines and error %v, want %d and %d", next, logs, err, frames*(each+1), frames)
	}
	credited := <-tally
	if credited[0] == 0 || credited[0] > next || credited[1] > size {
		t.Errorf("credited %v of %d items and %d bytes", credited, next, size)
	}
}

func TestPoolCancelsAtTheEndOfContext(t *testing.T) {
	t.Parallel()
	canceled := make(chan struct{})
	began := make(chan struct{})
	l := &instancetest.Launcher{Entrypoints: plainEntrypoint, OnCall: func(s *instancetest.Shim, c *instancetest.Call) {
		close(began)
		<-c.Canceled
		close(canceled)
		s.Send(instancetest.Error, c.ID, []byte(`{"code":"CANCELED"}`))
	}}
	p := startPool(t, l, func(s *Spec) { s.Grace = 10 * time.Second })
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-began; cancel() }()
	if _, err := p.Invoke(ctx, aCall(`{}`), discard); err == nil {
		t.Error("a canceled call succeeded")
	}
	within(t, canceled, "CANCEL")
}

func TestPoolReplacesAnInstanceWhoseCallIsStuck(t *testing.T) {
	t.Parallel()
	for _, mute := range []bool{false, true} {
		t.Run(fmt.Sprintf("mute=%v", mute), func(t *testing.T) {
			t.Parallel()
			var calls atomic.Int32
			l := &instancetest.Launcher{Entrypoints: plainEntrypoint, Mute: mute, OnCall: func(s *instancetest.Shim, c *instancetest.Call) {
				if calls.Add(1) > 1 {
					s.Result(c.ID, "2")
				}
			}}
			p := startPool(t, l, nil)
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
			defer cancel()
			if _, err := p.Invoke(ctx, aCall(`{}`), discard); err == nil {
				t.Fatal("the stuck call succeeded")
			}
			within(t, l.Shims()[0].Proc.Done(), "the end of the stuck instance")
			res, err := p.Invoke(t.Context(), aCall(`{}`), discard)
			if err != nil || string(res.Output) != "2" {
				t.Errorf("next call: %s, %v", res.Output, err)
			}
		})
	}
}

// TestPoolSparesCallsAnInstanceThatHangs calls again at once: the call waits
// for the instance to answer, or for the one that replaces it.
func TestPoolSparesCallsAnInstanceThatHangs(t *testing.T) {
	t.Parallel()
	for _, mute := range []bool{false, true} {
		t.Run(fmt.Sprintf("mute=%v", mute), func(t *testing.T) {
			t.Parallel()
			l := &instancetest.Launcher{Entrypoints: plainEntrypoint, Mute: mute, OnCall: func(s *instancetest.Shim, c *instancetest.Call) {
				if string(c.Kwargs) == "{}" {
					s.Result(c.ID, "true")
				}
			}}
			p := startPool(t, l, nil)
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
			defer cancel()
			if _, err := p.Invoke(ctx, aCall(`{"stuck":1}`), discard); err == nil {
				t.Fatal("the stuck call succeeded")
			}
			if _, err := p.Invoke(t.Context(), aCall(`{}`), discard); err != nil {
				t.Errorf("next call: %v", err)
			}
			if shims := len(l.Shims()); mute && shims != 2 || !mute && shims > 2 {
				t.Errorf("%d instances were started", shims)
			}
		})
	}
}

func TestPoolSaysHowAnInstanceDied(t *testing.T) {
	t.Parallel()
	tests := []struct {
		how  sandbox.Exit
		want string
	}{
		{sandbox.Exit{Known: true, Code: 3}, "exited with code 3"},
		{sandbox.Exit{Known: true, Signal: syscall.SIGSEGV}, "signal 11"},
		{sandbox.Exit{Known: true, Signal: syscall.SIGKILL, OOM: true}, "out of memory"},
	}
	for _, tt := range tests {
		var calls atomic.Int32
		l := &instancetest.Launcher{Entrypoints: plainEntrypoint, OnCall: func(s *instancetest.Shim, c *instancetest.Call) {
			if calls.Add(1) == 1 {
				s.Die(tt.how)
				return
			}
			s.Result(c.ID, "true")
		}}
		p := startPool(t, l, nil)
		_, err := p.Invoke(t.Context(), aCall(`{}`), discard)
		if fault.CodeOf(err) != fault.Execution || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("got %v, want EXECUTION_ERROR with %q", err, tt.want)
		}
		if _, err := p.Invoke(t.Context(), aCall(`{}`), discard); err != nil {
			t.Errorf("call after the death: %v", err)
		}
	}
}

func TestPoolEndsAnInstanceThatBreaksTheProtocol(t *testing.T) {
	t.Parallel()
	for _, bad := range [][]byte{
		{0xff, 0xff, 0xff, 0xff, 19, 0, 0, 0, 0, 0, 0, 1},
		{0, 0, 0, 0, 19, 0, 0, 0, 0, 0, 0, 99},
		{0, 0, 0, 1, 21, 0, 0, 0, 0, 0, 0, 1, 0},
		{0, 0, 0, 9, 19, 0},
	} {
		l := &instancetest.Launcher{Entrypoints: plainEntrypoint, OnCall: func(s *instancetest.Shim, c *instancetest.Call) {
			s.Raw(bad)
			if len(bad) < 12 {
				s.Die(sandbox.Exit{Known: true, Code: 1})
			}
		}}
		p := startPool(t, l, nil)
		if _, err := p.Invoke(t.Context(), aCall(`{}`), discard); fault.CodeOf(err) != fault.Execution {
			t.Errorf("% x: got %v, want EXECUTION_ERROR", bad, err)
		}
	}
}

func TestPoolBoundsItsQueue(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	l := &instancetest.Launcher{Entrypoints: plainEntrypoint, OnCall: func(s *instancetest.Shim, c *instancetest.Call) {
		<-release
		s.Result(c.ID, string(c.Kwargs))
	}}
	p := startPool(t, l, func(s *Spec) { s.SyncSlots, s.Queue = 2, 3 })
	var ok, overloaded atomic.Int32
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() {
			in := fmt.Sprintf(`{"n":%d}`, i)
			res, err := p.Invoke(t.Context(), aCall(in), discard)
			switch {
			case err == nil && string(res.Output) == in:
				ok.Add(1)
			case fault.CodeOf(err) == fault.Overloaded && fault.As(err).RetryAfter > 0:
				if overloaded.Add(1) == 45 {
					close(release)
				}
			default:
				t.Errorf("call %d: %s, %v", i, res.Output, err)
			}
		})
	}
	wg.Wait()
	if ok.Load() != 5 || overloaded.Load() != 45 {
		t.Errorf("%d answered and %d refused, want 5 and 45", ok.Load(), overloaded.Load())
	}
}

func TestPoolReportsImportErrors(t *testing.T) {
	t.Parallel()
	l := &instancetest.Launcher{Entrypoints: plainEntrypoint, FailStart: func() string {
		return `{"type":"NameError","message":"name 'x' is not defined","file":"/a/agent.py","line":7,"traceback":"…"}`
	}}
	_, err := newPool(t.Context(), Spec{Launcher: l})
	if err == nil || err.Error() != "/a/agent.py:7: NameError: name 'x' is not defined" {
		t.Errorf("got %v", err)
	}
}

// stuck is a launcher whose processes never come.
type stuck struct{}

func (stuck) Launch(ctx context.Context, _ string, _, _, _ *os.File) (sandbox.Process, invocation.StartKind, error) {
	<-ctx.Done()
	return nil, "", fmt.Errorf("read: %w", ctx.Err())
}

func TestPoolSaysThatAStartTookTooLong(t *testing.T) {
	t.Parallel()
	_, err := newPool(t.Context(), Spec{Launcher: stuck{}, ReadyWithin: time.Millisecond})
	if err == nil || !strings.HasPrefix(err.Error(), "the instance was not ready within 1ms") {
		t.Errorf("got %v", err)
	}
	ended, end := context.WithCancel(t.Context())
	end()
	if _, err := newPool(ended, Spec{Launcher: stuck{}, ReadyWithin: time.Hour}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestPoolStopWaitsForCallsInFlight(t *testing.T) {
	t.Parallel()
	began, release := make(chan struct{}), make(chan struct{})
	l := &instancetest.Launcher{Entrypoints: plainEntrypoint, OnCall: func(s *instancetest.Shim, c *instancetest.Call) {
		close(began)
		<-release
		s.Result(c.ID, "1")
	}}
	p := startPool(t, l, nil)
	answered := make(chan error, 1)
	go func() {
		_, err := p.Invoke(context.Background(), aCall(`{}`), discard)
		answered <- err
	}()
	<-began
	stopped := make(chan struct{})
	go func() { p.Stop(context.Background()); close(stopped) }()
	close(release)
	if err := within(t, answered, "the answer"); err != nil {
		t.Errorf("call in flight: %v", err)
	}
	within(t, stopped, "the stop")
}

// TestPoolSaysWhyItEndsCalls stops a pool that waits no longer for a call.
func TestPoolSaysWhyItEndsCalls(t *testing.T) {
	t.Parallel()
	began := make(chan struct{})
	l := &instancetest.Launcher{Entrypoints: plainEntrypoint, OnCall: func(*instancetest.Shim, *instancetest.Call) { close(began) }}
	p := startPool(t, l, nil)
	answered := make(chan error, 1)
	go func() {
		_, err := p.Invoke(context.Background(), aCall(`{}`), discard)
		answered <- err
	}()
	<-began
	ended, end := context.WithCancel(t.Context())
	end()
	p.Stop(ended)
	if err := within(t, answered, "the answer"); fault.CodeOf(err) != fault.Execution || !strings.Contains(err.Error(), "its revision gets no more calls") {
		t.Errorf("got %v", err)
	}
}
