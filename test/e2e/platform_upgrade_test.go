package e2e

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/runagent/runagent/internal/store/sqlite"
)

// crowd calls a platform 200 times a second on connections that are kept, and
// returns what says how many calls there were once it is told to end.
func (p *platform) crowd(t *testing.T) (answered func() int64, end func() int64) {
	t.Helper()
	const callers, every = 16, 80 * time.Millisecond
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	var calls atomic.Int64
	for i := range callers {
		wg.Go(func() {
			first := time.NewTimer(time.Duration(i) * every / callers)
			defer first.Stop()
			select {
			case <-first.C:
			case <-ctx.Done():
			}
			tick := time.NewTicker(every)
			defer tick.Stop()
			for ctx.Err() == nil {
				if err := p.call(ctx); err != nil && ctx.Err() == nil {
					t.Error(err)
					return
				}
				calls.Add(1)
				select {
				case <-tick.C:
				case <-ctx.Done():
				}
			}
		})
	}
	return calls.Load, func() int64 {
		cancel()
		wg.Wait()
		return calls.Load()
	}
}

// await returns when ok does, asking often.
func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	late := time.NewTimer(waitLimit)
	defer late.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-late.C:
			t.Fatalf("not in time: %s", what)
		}
	}
}

var ready = regexp.MustCompile(`(?m)^Platform at .* \(ready in`)

// TestUpgradesLoseNoCall replaces the process of a platform twice under load.
func TestUpgradesLoseNoCall(t *testing.T) {
	t.Parallel()
	if ok, err := findPrograms().condition("python"); err != nil || !ok {
		t.Skip("no Python 3.9 or newer on PATH")
	}
	p := startPlatform(t)
	p.deploy(t, 1)
	answered, end := p.crowd(t)
	for n := 1; n <= 2; n++ {
		before, pid := answered(), p.pid(t)
		await(t, "calls", func() bool { return answered() > before+100 })
		p.signal(t, syscall.SIGHUP)
		await(t, "the new process is ready", func() bool { return len(ready.FindAllString(p.out.String(), -1)) == n+1 })
		if p.pid(t) == pid {
			t.Errorf("the platform is still process %d", pid)
		}
		before = answered()
		await(t, "calls", func() bool { return answered() > before+100 })
		await(t, "the old process ends", func() bool { return gone(pid) })
	}
	t.Logf("%d calls", end())
}

// gone reports whether a process has ended; a zombie has.
func gone(pid int) bool {
	stat, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	return err != nil || strings.Contains(string(stat), ") Z ")
}

// program is a copy of the program that can be replaced, as an installer does it.
type program struct {
	path string
	good []byte // what it was copied from
}

// startCopy starts a platform from such a copy, with one deploy.
func startCopy(t *testing.T) (*platform, *program) {
	t.Helper()
	needsPython(t)
	p := &platform{dir: t.TempDir()}
	good, err := os.ReadFile(p.command().Path)
	if err != nil {
		t.Fatal(err)
	}
	c := &program{filepath.Join(p.dir, "program"), good}
	c.put(t, good)
	p.start(t, c.path)
	p.deploy(t, 1)
	return p, c
}

// put replaces it: what runs keeps its file.
func (c *program) put(t *testing.T, text []byte) {
	t.Helper()
	if err := os.WriteFile(c.path+".new", text, 0o700); err != nil { //nolint:gosec // it must be a program
		t.Fatal(err)
	}
	if err := os.Rename(c.path+".new", c.path); err != nil {
		t.Fatal(err)
	}
}

const refusal = "no new process took over; this one goes on"

// TestAProgramThatDoesNotStartTakesNothingOver replaces the program's file.
func TestAProgramThatDoesNotStartTakesNothingOver(t *testing.T) {
	t.Parallel()
	p, program := startCopy(t)
	pid := p.pid(t)
	program.put(t, []byte("#!/bin/sh\nexit 3\n"))
	p.signal(t, syscall.SIGHUP)
	await(t, "the refusal", func() bool { return strings.Contains(p.out.String(), refusal) })
	if err := p.call(t.Context()); err != nil || p.pid(t) != pid {
		t.Errorf("afterwards process %d answers with %v, want %d", p.pid(t), err, pid)
	}
	program.put(t, program.good)
	p.signal(t, syscall.SIGHUP)
	await(t, "the old process ends", func() bool { return gone(pid) })
	if err := p.call(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestAnUpgradeCutsNoLongCall has one that takes longer than a stop would wait:
// the process that is replaced sees it to its end, on its code as it was, while
// the new one answers all others and deploys.
func TestAnUpgradeCutsNoLongCall(t *testing.T) {
	t.Parallel()
	needsPython(t)
	p := startPlatform(t, "--shutdown-timeout", "100ms")
	p.deployFiles(t, map[string]string{
		"late.py": "ANSWER = 7\n",
		"main.py": `import os, time

def main(until=None):
    if until:
        open(until + ".began", "w").close()
        while not os.path.exists(until):
            time.sleep(0.01)
        import late
        return late.ANSWER
    return 1
`,
	})
	until := filepath.Join(p.dir, "until")
	long := make(chan error, 1)
	go func() { long <- p.callWith(t.Context(), `{"input":{"until":"`+until+`"}}`) }()
	await(t, "the long call", func() bool {
		_, err := os.Stat(until + ".began")
		return err == nil
	})
	pid := p.pid(t)
	p.signal(t, syscall.SIGHUP)
	await(t, "the new process is ready", func() bool { return len(ready.FindAllString(p.out.String(), -1)) == 2 })
	next := p.pid(t)
	if err := p.call(t.Context()); err != nil || next == pid {
		t.Errorf("process %d, after %d, answers with %v", next, pid, err)
	}
	for n := range 2 { // the code that the long call runs on serves no more
		p.deploy(t, n)
	}
	p.signal(t, syscall.SIGHUP) // not while the first one has calls
	await(t, "the refusal", func() bool { return strings.Contains(p.out.String(), "still has calls in flight") })
	select {
	case err := <-long:
		t.Fatalf("the long call ended with %v", err)
	default:
	}
	if gone(pid) {
		t.Error("the old process ended before its call")
	}
	if err := os.WriteFile(until, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := <-long; err != nil {
		t.Errorf("the long call: %v", err)
	}
	await(t, "the old process ends", func() bool { return gone(pid) })
	await(t, "the code goes that nobody runs", func() bool {
		left, err := os.ReadDir(filepath.Join(p.dir, "data", "code"))
		return err == nil && len(left) == 1
	})
	if err := p.call(t.Context()); err != nil || p.pid(t) != next {
		t.Errorf("afterwards process %d answers with %v, want %d", p.pid(t), err, next)
	}
}

// TestAProcessThatCouldNotGoOnTakesNothingOver makes unusable what the process
// that runs has opened long ago.
func TestAProcessThatCouldNotGoOnTakesNothingOver(t *testing.T) {
	t.Parallel()
	needsPython(t)
	newer := func(path string) error {
		db, err := sqlite.Open(path)
		if err != nil {
			return err
		}
		_, err = db.ExecContext(t.Context(), `INSERT INTO schema_migrations (version, name, applied_at) VALUES (9999, 'later', 0)`)
		return errors.Join(err, db.Close())
	}
	for file, spoil := range map[string]func(path string) error{
		"master.key": func(path string) error { return os.Chmod(path, 0o644) }, //nolint:gosec // that is what is wrong
		"state.db":   newer,
		"history.db": newer,
	} {
		t.Run(file, func(t *testing.T) {
			t.Parallel()
			p := startPlatform(t)
			p.deploy(t, 1)
			pid := p.pid(t)
			if err := spoil(filepath.Join(p.dir, "data", file)); err != nil {
				t.Fatal(err)
			}
			p.signal(t, syscall.SIGHUP)
			await(t, "the refusal", func() bool { return strings.Contains(p.out.String(), refusal) || gone(pid) })
			if err := p.call(t.Context()); err != nil || p.pid(t) != pid {
				t.Errorf("afterwards process %d answers with %v, want %d", p.pid(t), err, pid)
			}
		})
	}
}

// TestAStopDoesNotWaitForASuccessor has one that never says whether it will do.
func TestAStopDoesNotWaitForASuccessor(t *testing.T) {
	t.Parallel()
	p, program := startCopy(t)
	mark := filepath.Join(p.dir, "hanging")
	program.put(t, []byte("#!/bin/sh\n: > "+mark+"\nexec sleep 1000\n"))
	p.signal(t, syscall.SIGHUP)
	await(t, "the successor", func() bool {
		_, err := os.Stat(mark)
		return err == nil
	})
	began := time.Now()
	p.signal(t, syscall.SIGTERM)
	<-p.done
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("it ended after %v", took)
	}
}
