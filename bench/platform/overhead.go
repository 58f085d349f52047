package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/runagent/runagent/bench/load"
)

const echo = "def main(message, n, tags):\n    return {\"message\": message, \"n\": n + 1, \"tags\": tags, \"ok\": True}\n"

const (
	echoInput  = `{"message":"hello","n":1,"tags":["a","b"]}`
	echoResult = `"result":{"message":"hello","n":2,"tags":["a","b"],"ok":true}`
)

const (
	echoClients = 16
	echoWarm    = 500 * time.Millisecond
	echoWindow  = 2 * time.Second
	// overheadTarget is the least part of serve's throughput that a platform has.
	overheadTarget = 0.85
)

// overhead loads the same agent on a platform, with a key, and on a server of its
// own, without one, in turns.
func overhead(ctx context.Context, o options, talk io.Writer) error {
	h, err := newHost(ctx, "--max-memory", o.memory)
	if err != nil {
		return err
	}
	defer h.close()
	if err := h.deployOne(ctx, "echo", echo); err != nil {
		return err
	}
	serve, stop, err := h.serve(ctx, filepath.Join(h.dir, "agents", "echo"))
	if err != nil {
		return err
	}
	platform := h.closedLoop(echoClients, echoWindow, always(h.shot("echo", echoInput, echoResult)))
	alone := closedLoop(serve, echoClients, echoWindow, always(shotAt(serve, "echo", echoInput, echoResult)))
	platform.Warm, alone.Warm = echoWarm, echoWarm
	ratios, err := compare(ctx, o.rounds, platform, alone, talk)
	if err := errors.Join(err, stop()); err != nil {
		return err
	}
	slices.Sort(ratios)
	middle := ratios[len(ratios)/2]
	fmt.Fprintf(talk, "echo of %d clients, platform beside serve, %d rounds: %.2f of its throughput, %.2f to %.2f (target %.2f)\n",
		echoClients, len(ratios), middle, ratios[0], ratios[len(ratios)-1], overheadTarget)
	if middle < overheadTarget {
		return fmt.Errorf("the platform has %.2f of serve's throughput, less than %.2f", middle, overheadTarget)
	}
	return nil
}

// compare runs a and b in turns and returns a's rate as a part of b's in each
// round. Who begins changes from round to round.
func compare(ctx context.Context, rounds int, a, b load.Options, talk io.Writer) ([]float64, error) {
	var ratios []float64
	for n := range max(1, rounds) {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		var of [2]load.Outcome
		for i := range of {
			which := (n + i) % 2
			of[which] = load.Run([]load.Options{a, b}[which])
			if err := of[which].Err; err != nil {
				return nil, fmt.Errorf("%d calls failed, such as: %w", of[which].Errors, err)
			}
		}
		p99 := func(o load.Outcome) float64 {
			return float64(load.Percentile(o.Latencies[""], 99).Microseconds()) / 1000
		}
		ratios = append(ratios, of[0].Rate/of[1].Rate)
		fmt.Fprintf(talk, "  round %d: platform %.0f calls/s, p99 %.1f ms; serve %.0f calls/s, p99 %.1f ms; %.2f\n",
			n+1, of[0].Rate, p99(of[0]), of[1].Rate, p99(of[1]), of[0].Rate/of[1].Rate)
	}
	return ratios, nil
}

var servingLine = regexp.MustCompile(`^Serving .* at http://(\S+) `)

// serve starts a server of the agent in dir alone. It returns its address, and
// what stops it.
func (h *host) serve(ctx context.Context, dir string) (addr string, stop func() error, err error) {
	cmd := exec.Command(h.program, "serve", dir, "--port", "0")
	cmd.Env = append(os.Environ(), "HOME="+h.dir, "RUNAGENT_HOME="+filepath.Join(h.dir, "home"), "NO_COLOR=1")
	var said strings.Builder
	cmd.Stderr = &said
	addr, err = listen(cmd, servingLine)
	if err != nil {
		return "", nil, errors.Join(fmt.Errorf("serve did not become ready: %w\n%s", err, said.String()), ctx.Err())
	}
	return addr, func() error { return errors.Join(cmd.Process.Signal(syscall.SIGTERM), cmd.Wait()) }, nil
}
