package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/runagent/runagent/api"
	"github.com/runagent/runagent/bench/load"
)

// waits is an agent whose calls take 100 ms, most of them waiting.
const waits = "import time\n\n\ndef main():\n    time.sleep(0.1)\n    return 1\n"

// What is asked of an agent whose load jumps.
const (
	spikeMost    = 10 // instances
	spikeSteady  = 5 * time.Second
	spikeLasts   = 20 * time.Second
	spikeSettles = 15 * time.Second
	// spikeTimes is how many times the steady p95 is the most afterwards.
	spikeTimes = 2
)

// spike calls an agent by one client, then by many at once. No call may fail,
// and the second from which p95 stays as before must come soon.
func spike(ctx context.Context, o options, talk io.Writer) error {
	h, err := newHost(ctx, "--max-memory", o.memory)
	if err != nil {
		return err
	}
	defer h.close()
	if err := h.deployOne(ctx, "busy", waits); err != nil {
		return err
	}
	most := spikeMost
	if _, err := h.client.SetScale(ctx, "busy", api.ScaleRequest{MaxInstances: &most}); err != nil {
		return err
	}
	shot := h.shot("busy", "{}", `"result":1`)
	steady := load.Run(h.closedLoop(1, spikeSteady, func() *load.Shot { return shot }))
	if steady.Err != nil {
		return fmt.Errorf("%d calls of one client failed, such as: %w", steady.Errors, steady.Err)
	}
	limit := spikeTimes * load.Percentile(steady.Latencies[""], 95)
	fmt.Fprintf(talk, "one client, %d calls: %s\n", steady.Calls, spread(steady.Latencies[""]))

	seen := h.watchSizes(ctx, "busy")
	rush, seconds := h.rush(o.clients, shot)
	sizes, unseen := seen()
	settled := settledAfter(seconds, limit)
	for i, s := range seconds {
		fmt.Fprintf(talk, "  second %2d: %4d calls begun, p95 %.1f ms\n", i+1, s.calls, float64(s.p95.Microseconds())/1000)
	}
	fmt.Fprintf(talk, "%d clients at once for %v: %d calls, %d failed; instances %v, %d allowed\n",
		o.clients, spikeLasts, rush.Calls, rush.Errors, sizes, spikeMost)
	fmt.Fprintf(talk, "p95 stays within %d × the one client's, %v, from %d s on (target: no failed call, %v)\n",
		spikeTimes, limit.Round(time.Millisecond), settled, spikeSettles)
	errs := []error{unseen, within("time until p95 is back", time.Duration(settled)*time.Second, spikeSettles)}
	if rush.Errors > 0 {
		errs = append(errs, fmt.Errorf("%d calls failed, such as: %w", rush.Errors, rush.Err))
	}
	if len(sizes) < 2 {
		errs = append(errs, fmt.Errorf("no instance followed: there were %v", sizes))
	}
	return errors.Join(errs...)
}

// second is how the calls went that began in one second.
type second struct {
	calls int
	p95   time.Duration
}

// settledAfter is how many seconds it took until p95 was within limit and stayed
// so. A second in which no call began is one in which all were waiting.
func settledAfter(seconds []second, limit time.Duration) int {
	after := len(seconds)
	for after > 0 && seconds[after-1].calls > 0 && seconds[after-1].p95 <= limit {
		after--
	}
	return after
}

// rush lets that many clients call at once, and says how each second went.
func (h *host) rush(clients int, shot *load.Shot) (load.Outcome, []second) {
	shots := make([]*load.Shot, spikeLasts/time.Second)
	for i := range shots {
		labeled := *shot
		labeled.Label = fmt.Sprint(i)
		shots[i] = &labeled
	}
	began := time.Now()
	out := load.Run(h.closedLoop(clients, spikeLasts, func() *load.Shot {
		return shots[min(len(shots)-1, int(time.Since(began)/time.Second))]
	}))
	seconds := make([]second, len(shots))
	for i, s := range shots {
		took := out.Latencies[s.Label]
		seconds[i] = second{len(took), load.Percentile(took, 95)}
	}
	return out, seconds
}

// watchSizes notes how many instances an agent has, whenever that changes,
// until what it returns is called.
func (h *host) watchSizes(ctx context.Context, name string) (end func() ([]int, error)) {
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	var sizes []int
	var failed error
	go func() {
		defer close(ended)
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for {
			s, err := h.client.Scale(ctx, name)
			switch {
			case ctx.Err() != nil:
				return
			case err != nil:
				failed = fmt.Errorf("ask how many instances there are: %w", err)
				return
			}
			n := 0
			for _, r := range s.Revisions {
				n += r.Instances
			}
			if len(sizes) == 0 || sizes[len(sizes)-1] != n {
				sizes = append(sizes, n)
			}
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
		}
	}()
	return func() ([]int, error) {
		cancel()
		<-ended
		return sizes, failed
	}
}
