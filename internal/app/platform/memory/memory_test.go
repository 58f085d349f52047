package memory

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/runagent/runagent/internal/fault"
)

const gib = 1 << 30

// box is a machine with things that can go.
type box struct {
	used, spare int64
	asked       []int64
}

func (b *box) UsedMemory() int64 { return b.used }

func (b *box) MakeRoom(_ context.Context, bytes int64) int64 {
	b.asked = append(b.asked, bytes)
	freed := min(bytes, b.spare)
	b.used, b.spare = b.used-freed, b.spare-freed
	return freed
}

func TestRoomIsMadeBeforeStartsAreRefused(t *testing.T) {
	t.Parallel()
	b := &box{used: 8 * gib, spare: 3 * gib}
	left := int64(20 * gib)
	w := NewWatch(Options{
		Machine: b, Limit: 10 * gib, Log: slog.New(slog.DiscardHandler),
		Free: func() (int64, int64) { return left, 40 * gib },
	})
	look := func(want string) {
		t.Helper()
		b.asked = nil
		done, err := w.Admit(t.Context())
		got := "admits"
		if err == nil {
			done()
		}
		if len(b.asked) > 0 {
			got = "makes room and admits"
		}
		if err != nil {
			got = "refuses"
			if f := fault.As(err); f == nil || f.Code != fault.Overloaded || f.RetryAfter == 0 {
				t.Errorf("it refuses with %v", err)
			}
		}
		if got != want || w.Used() == 0 {
			t.Errorf("at %d bytes it %s, want %s (asked for %d)", b.used, got, want, b.asked)
		}
	}
	look("admits")
	b.used = 9*gib + 1
	look("makes room and admits")
	if b.used > 8*gib {
		t.Errorf("%d bytes are in use after room was made", b.used)
	}
	b.used, b.spare = 11*gib, 1*gib
	look("refuses")
	b.used = 5 * gib
	look("admits")
	left = 1 * gib // others fill the machine
	look("refuses")
	b.spare = 2 * gib
	look("makes room and admits")
}

func TestStartsThatCanNotBeSeenYetCount(t *testing.T) {
	t.Parallel()
	b := &box{used: 8 * gib, spare: 8 * gib}
	w := NewWatch(Options{
		Machine: b, Limit: 10 * gib, Log: slog.New(slog.DiscardHandler),
		Free: func() (int64, int64) { return 0, 0 },
	})
	// There are 1,024 MiB up to where room is made, for 21 starts of 48.
	var ends []func()
	for n := range 21 {
		done, err := w.Admit(t.Context())
		if err != nil || len(b.asked) > 0 {
			t.Fatalf("start %d: %v, asked for %d", n+1, err, b.asked)
		}
		ends = append(ends, done)
	}
	// The next makes room; without any it waits for one of them.
	if done, err := w.Admit(t.Context()); err != nil || len(b.asked) != 1 {
		t.Errorf("the next start: %v, asked for %d", err, b.asked)
	} else {
		done()
	}
	b.used, b.spare = 8*gib, 0
	admitted := make(chan error, 1)
	go func() {
		done, err := w.Admit(t.Context())
		if err == nil {
			done()
		}
		admitted <- err
	}()
	select {
	case err := <-admitted:
		t.Errorf("it did not wait: %v", err)
	default:
	}
	ends[0]()
	if err := <-admitted; err != nil {
		t.Error(err)
	}
}

func TestParseLimit(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int64{
		"80%": 8 * gib, "12.5%": 10 * gib / 8, "100%": 10 * gib, "2GiB": 2 * gib, "512MB": 512e6,
		"0%": -1, "101%": -1, "%": -1, "much": -1, "": -1, "NaN%": -1,
	} {
		got, err := ParseLimit(text, 10*gib)
		if want < 0 != (err != nil) || err == nil && got != want {
			t.Errorf("%q is %d, %v, want %d", text, got, err, want)
		}
	}
}

func TestAContainerHasLessThanItsMachine(t *testing.T) {
	t.Parallel()
	for file, bounds := range map[string]map[string]int64{
		"memory.max":                   {"2147483648\n": 2 * gib, "max\n": 8 * gib},
		"memory/memory.limit_in_bytes": {"1073741824\n": gib, "9223372036854771712\n": 8 * gib},
	} {
		for text, want := range bounds {
			groups := t.TempDir()
			path := filepath.Join(groups, file)
			if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			if got := contained(groups, 8*gib); got != want {
				t.Errorf("%s of %q: %d, want %d", file, text, got, want)
			}
		}
	}
	if got := contained(t.TempDir(), 8*gib); got != 8*gib {
		t.Errorf("without groups: %d", got)
	}
}

// slow is a box that takes its time, of a clock that is the test's.
type slow struct {
	box
	looks, makes time.Duration // how long these take
	looked       int
}

func (s *slow) UsedMemory() int64 {
	s.looked++
	<-time.After(s.looks)
	return s.box.UsedMemory()
}

func (s *slow) MakeRoom(ctx context.Context, bytes int64) int64 {
	<-time.After(s.makes)
	return s.box.MakeRoom(ctx, bytes)
}

func TestAMachineIsSoonLookedAtAgainAfterRoomWasMade(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &slow{box: box{used: 10 * gib, spare: 10 * gib}, makes: 10 * time.Second}
		w := NewWatch(Options{Machine: s, Limit: 10 * gib, Log: slog.New(slog.DiscardHandler), Free: func() (int64, int64) { return 0, 0 }})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- w.Run(ctx) }()
		<-time.After(s.makes + lookEvery + time.Millisecond)
		synctest.Wait()
		if s.looked != 2 {
			t.Errorf("a second after room was made it was looked %d times, want 2", s.looked)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

func TestStartsAreCountedWhereALookIsDear(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &slow{box: box{used: 8 * gib, spare: 8 * gib}, looks: time.Second}
		w := NewWatch(Options{Machine: s, Limit: 10 * gib, Log: slog.New(slog.DiscardHandler), Free: func() (int64, int64) { return 0, 0 }})
		start := func() {
			t.Helper()
			done, err := w.Admit(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			s.used += startTakes
			done()
		}
		w.Look(t.Context())
		// There are 1,024 MiB up to where room is made, for 21 starts of 48.
		for range 21 {
			start()
		}
		if s.looked != 1 || len(s.asked) > 0 {
			t.Errorf("it was looked %d times and asked for %d, want one look", s.looked, s.asked)
		}
		start()
		if s.looked != 2 || len(s.asked) != 1 {
			t.Errorf("it was looked %d times and asked for %d, want a look that makes room", s.looked, s.asked)
		}
	})
}
