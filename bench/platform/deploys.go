package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/runagent/runagent/api"
)

const (
	callers = 16
	// mayGrow is what the server may take more at the end than when half of the
	// deploys were made, agentMayGrow its agents.
	mayGrow, agentMayGrow = 24 << 20, 32 << 20
	diskMayGrow           = 1 << 20
)

// deploys deploys one agent again and again while it is called.
func deploys(ctx context.Context, o options, talk io.Writer) error {
	h, err := newHost(ctx, "--max-memory", o.memory)
	if err != nil {
		return err
	}
	defer h.close()
	deploy := func(n int) (*api.Revision, error) {
		dir, err := h.agent("busy", map[string]string{"main.py": fmt.Sprintf("def main():\n    return %d\n", n)})
		if err != nil {
			return nil, err
		}
		return h.deploy(ctx, "busy", dir)
	}
	if _, err := deploy(0); err != nil {
		return err
	}
	crowd := h.crowd(ctx, o.rate)
	var took []time.Duration
	var start *api.PlatformStatus
	began := time.Now()
	for n := 1; n <= o.deploys && ctx.Err() == nil; n++ {
		one := time.Now()
		if _, err := deploy(n); err != nil {
			return fmt.Errorf("deploy %d: %w", n, err)
		}
		took = append(took, time.Since(one))
		if n == (o.deploys+1)/2 {
			if start, err = h.client.PlatformStatus(ctx); err != nil {
				return err
			}
		}
	}
	all := time.Since(began)
	calls, failed, lat := crowd()
	// The last replaced revision lingers a moment.
	end, err := h.await(ctx, "one instance is left", func(s *api.PlatformStatus) bool { return s.Instances == 1 })
	if err != nil {
		return err
	}
	fmt.Fprintf(talk, "%d deploys in %.0f s: %s\n", o.deploys, all.Seconds(), spread(took))
	fmt.Fprintf(talk, "%d calls meanwhile (%.0f a second), %d failed: %s\n", calls, float64(calls)/all.Seconds(), len(failed), spread(lat))
	fmt.Fprintf(talk, "from the half to the end: server %s → %s, agents %s → %s, disk without records %s → %s\n", mib(start.Memory.Server), mib(end.Memory.Server),
		mib(start.Memory.Agents), mib(end.Memory.Agents), mib(disk(start)), mib(disk(end)))
	errs := failed[:min(5, len(failed))]
	for what, grown := range map[string][2]int64{
		"the server": {end.Memory.Server - start.Memory.Server, mayGrow}, "agents": {end.Memory.Agents - start.Memory.Agents, agentMayGrow},
		"the disk": {disk(end) - disk(start), diskMayGrow},
	} {
		if grown[0] > grown[1] {
			errs = append(errs, fmt.Errorf("%s grew by %s", what, mib(grown[0])))
		}
	}
	return errors.Join(errs...)
}

// crowd calls the busy agent so many times a second until what it returns is
// called.
func (h *host) crowd(ctx context.Context, rate int) (end func() (calls int, failed []error, took []time.Duration)) {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	var mu sync.Mutex // guards failed and took
	var failed []error
	var took []time.Duration
	var calls atomic.Int64
	every := callers * time.Second / time.Duration(rate)
	for i := range callers {
		wg.Go(func() {
			pause(ctx, time.Duration(i)*every/callers)
			tick := time.NewTicker(every)
			defer tick.Stop()
			for ctx.Err() == nil {
				_, one, err := h.call(context.WithoutCancel(ctx), "busy")
				calls.Add(1)
				mu.Lock()
				if err != nil {
					failed = append(failed, err)
				} else {
					took = append(took, one)
				}
				mu.Unlock()
				select {
				case <-tick.C:
				case <-ctx.Done():
				}
			}
		})
	}
	return func() (int, []error, []time.Duration) {
		cancel()
		wg.Wait()
		return int(calls.Load()), failed, took
	}
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
