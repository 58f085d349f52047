package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/runagent/runagent/api"
	"github.com/runagent/runagent/bench/load"
)

const trivial = "def main():\n    return 1\n"

// The targets of sleeping agents.
const (
	serverTarget = 150 << 20
	wakeTarget   = 2 * time.Second
	wakers       = 16
)

// asleep deploys many agents, lets all sleep, and calls each once: at first
// those the platform has zygotes of, then, after a restart, those it has not.
func asleep(ctx context.Context, o options, talk io.Writer) error {
	args := []string{"--idle-timeout", "2s", "--max-memory", o.memory}
	h, err := newHost(ctx, args...)
	if err != nil {
		return err
	}
	defer h.close()
	began := time.Now()
	if err := h.deployMany(ctx, o.agents); err != nil {
		return err
	}
	fmt.Fprintf(talk, "%d agents deployed in %.0f s, 4 at a time\n", o.agents, time.Since(began).Seconds())
	errs := []error{h.wakeAll(ctx, o.agents, "after their deploys", talk)}
	if err := h.stop(); err != nil {
		return err
	}
	took, err := h.start(ctx, args...)
	if err != nil {
		return err
	}
	fmt.Fprintf(talk, "ready %.2f s after a restart\n", took.Seconds())
	errs = append(errs, h.wakeAll(ctx, o.agents, "after a restart", talk))
	return errors.Join(errs...)
}

func (h *host) deployMany(ctx context.Context, agents int) error {
	var group errgroup.Group
	group.SetLimit(4)
	for i := range agents {
		group.Go(func() error {
			name := fmt.Sprintf("agent-%04d", i)
			dir, err := h.agent(name, map[string]string{"main.py": trivial})
			if err == nil {
				_, err = h.deploy(ctx, name, dir)
			}
			return err
		})
	}
	return group.Wait()
}

// wakeAll waits until all agents sleep, reads what they cost, and wakes each.
func (h *host) wakeAll(ctx context.Context, agents int, when string, talk io.Writer) error {
	s, err := h.await(ctx, "all agents are asleep", func(s *api.PlatformStatus) bool { return s.Agents.Hot == 0 && s.Instances == 0 })
	if err != nil {
		return err
	}
	fmt.Fprintf(talk, "%s: %d warm, %d cold; server %s (target %s), agents %s in %d zygotes, %d frozen\n",
		when, s.Agents.Warm, s.Agents.Cold, mib(s.Memory.Server), mib(serverTarget), mib(s.Memory.Agents), s.Zygotes, s.Frozen)
	var errs []error
	if s.Memory.Server > serverTarget {
		errs = append(errs, fmt.Errorf("the server takes %s, more than %s", mib(s.Memory.Server), mib(serverTarget)))
	}
	var mu sync.Mutex // guards took and kinds
	var took []time.Duration
	kinds := map[string]int{}
	var next, failed atomic.Int64
	var wg sync.WaitGroup
	began := time.Now()
	for range wakers {
		wg.Go(func() {
			for i := next.Add(1) - 1; i < int64(agents) && ctx.Err() == nil; i = next.Add(1) - 1 {
				name := fmt.Sprintf("agent-%04d", i)
				kind, one, err := h.call(ctx, name)
				if err != nil {
					if failed.Add(1) <= 5 {
						fmt.Fprintf(talk, "%s: %v\n%s", name, err, h.lastWords(ctx, name))
					}
					continue
				}
				mu.Lock()
				took, kinds[kind] = append(took, one), kinds[kind]+1
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	fmt.Fprintf(talk, "%s: one call each, %d at a time, in %.0f s: %d failed; %v; %s\n", when, wakers, time.Since(began).Seconds(), failed.Load(), kinds, spread(took))
	if n := failed.Load(); n > 0 {
		errs = append(errs, fmt.Errorf("%d calls failed", n))
	}
	return errors.Join(append(errs, within("p99 of waking calls "+when, load.Percentile(took, 99), wakeTarget))...)
}
