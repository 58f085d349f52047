package trial

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/runagent/runagent/bench/load"
	"github.com/runagent/runagent/bench/peer"
)

// abandonLimit is how long a generator may stay open before it counts as never closed.
const abandonLimit = 2 * time.Second

// abandon measures how soon a generator is closed when its reader leaves.
func abandon() *Workload {
	return &Workload{
		Name: "abandon", About: "a reader leaves in mid-stream: ms until the generator is closed; -1: not within 2 s", Short: true,
		Columns: []Column{{"closed_ms", "abandon: closed after ms", 1, true}},
		Measure: func(ctx context.Context, s *peer.Server, _ time.Duration) (Metrics, error) {
			path := filepath.Join(s.Scratch, fmt.Sprintf("closed-%d", time.Now().UnixNano()))
			c := &peer.Call{Function: "endless", Args: fmt.Sprintf(`{"path":%q,"wait":0.01}`, path), Items: []string{`{"i":0}`}}
			shot := s.Row.Dialect.Shot(s.Addr(), c)
			caller, ok := s.Row.Dialect.Caller(s.Addr(), c).(interface {
				load.Caller
				Send(wire, marker []byte) error
			})
			if !ok {
				return nil, errors.New("its client can't leave in mid-stream")
			}
			s.Sent++
			if err := caller.Send(shot.Wire, shot.First); err != nil {
				return nil, err
			}
			left := time.Now()
			if err := caller.Close(); err != nil {
				return nil, err
			}
			closed, err := readWhen(ctx, path, abandonLimit)
			if err != nil {
				return Metrics{"closed_ms": -1}, nil //nolint:nilerr // that it was not closed is the figure
			}
			return Metrics{"closed_ms": max(0, millis(closed.Sub(left)))}, nil
		},
	}
}

// readWhen waits for a file with a time in seconds since 1970.
func readWhen(ctx context.Context, path string, limit time.Duration) (time.Time, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		if text, err := os.ReadFile(path); err == nil && len(text) > 0 {
			seconds, err := strconv.ParseFloat(string(text), 64)
			if err != nil {
				return time.Time{}, fmt.Errorf("read %s: %w", path, err)
			}
			return time.UnixMicro(int64(seconds * 1e6)), nil
		}
		select {
		case <-ctx.Done():
			return time.Time{}, ctx.Err()
		case <-tick.C:
		}
	}
}

// start measures from the start of the process to the first 200.
func start() *Workload {
	return &Workload{
		Name: "start", About: "process start to the first 200, trivial agent", Short: true, Alone: true,
		Columns: []Column{{"seconds", "start: s", 2, true}},
		Solo: func(_ context.Context, launch Launch, _ time.Duration) (Metrics, error) {
			s, err := launch()
			if err != nil {
				return nil, err
			}
			defer s.Stop()
			return Metrics{"seconds": s.Took.Seconds()}, nil
		},
	}
}

// settleTime is how long a server is left alone before its memory is read.
const settleTime = 2 * time.Second

// memory reads the PSS of the whole tree, idle and after load.
func memory() *Workload {
	return &Workload{
		Name: "memory", About: "PSS of the whole process tree: idle after one call, and after 16 clients' load", Short: true, Alone: true, Steady: true,
		Columns: []Column{{"idle_mib", "idle MiB", 1, true}, {"loaded_mib", "after load MiB", 1, true}},
		Solo: func(ctx context.Context, launch Launch, window time.Duration) (Metrics, error) {
			s, err := launch()
			if err != nil {
				return nil, err
			}
			defer s.Stop()
			shots, example := shotsOf(s, 16, echo)
			if err := once(s, example, shots[0]); err != nil {
				return nil, err
			}
			idle, err := settled(ctx, s)
			if err != nil {
				return nil, err
			}
			if _, err := run(s, example, window, 16, func(client, _ int) *load.Shot { return shots[client] }); err != nil {
				return nil, err
			}
			loaded, err := settled(ctx, s)
			if err != nil {
				return nil, err
			}
			return Metrics{"idle_mib": idle, "loaded_mib": loaded}, nil
		},
	}
}

func settled(ctx context.Context, s *peer.Server) (mib float64, err error) {
	if err := pause(ctx, settleTime); err != nil {
		return 0, err
	}
	u, err := s.Usage()
	return float64(u.PSS) / (1 << 20), err
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

func once(s *peer.Server, c *peer.Call, shot *load.Shot) error {
	caller := s.Row.Dialect.Caller(s.Addr(), c)
	defer caller.Close()
	s.Sent++
	body, _, err := caller.Call(shot)
	if err != nil {
		return err
	}
	return shot.Check(body)
}

const reloadLimit = 15 * time.Second

// reload measures from the save of a file to the first answer of its new code.
func reload() *Workload {
	return &Workload{
		Name: "reload", About: "save to first answer of the new code, heavy imports (langgraph, pydantic, httpx)", Alone: true,
		Columns: []Column{{"seconds", "reload: s", 2, true}},
		Solo: func(ctx context.Context, launch Launch, _ time.Duration) (Metrics, error) {
			s, err := launch()
			if err != nil {
				return nil, err
			}
			defer s.Stop()
			c := &peer.Call{Function: "echo", Args: `{"message":"m","n":1,"tags":[]}`, Want: `{"message":"m","n":2,"tags":[],"ok":true}`}
			if err := once(s, c, s.Row.Dialect.Shot(s.Addr(), c)); err != nil {
				return nil, err
			}
			// What watches may take a moment to have settled.
			if err := pause(ctx, settleTime); err != nil {
				return nil, err
			}
			return saveAndWait(ctx, s)
		},
	}
}

func saveAndWait(ctx context.Context, s *peer.Server) (Metrics, error) {
	path := filepath.Join(s.Agent, "work.py")
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	changed := strings.Replace(string(text), `"n": n + 1`, `"n": n + 1000`, 1)
	saved := time.Now()
	if err := os.WriteFile(path, []byte(changed), 0o644); err != nil {
		return nil, err
	}
	c := &peer.Call{Function: "echo", Args: `{"message":"m","n":1,"tags":[]}`, Want: `{"message":"m","n":1001,"tags":[],"ok":true}`}
	shot := s.Row.Dialect.Shot(s.Addr(), c)
	for time.Since(saved) < reloadLimit {
		if once(s, c, shot) == nil {
			return Metrics{"seconds": time.Since(saved).Seconds()}, nil
		}
		if err := pause(ctx, 2*time.Millisecond); err != nil {
			return nil, err
		}
	}
	return nil, fmt.Errorf("the old code still answered after %v", reloadLimit)
}
