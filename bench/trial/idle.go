package trial

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/runagent/runagent/bench/load"
	"github.com/runagent/runagent/bench/peer"
)

const (
	idleConnections = 10_000
	// openAtOnce keeps the queue of the listening socket from overflowing.
	openAtOnce = 64
	openLimit  = 30 * time.Second
)

// idle opens 10,000 connections that do nothing, reads what each costs, and
// compares calls beside them with calls without.
func idle() *Workload {
	return &Workload{
		Name: "idle", About: "10,000 idle connections: memory of each, and p99 of 4 clients' calls beside them by that without them", Alone: true, Steady: true,
		Columns: []Column{{"kib_each", "10,000 idle: KiB each", 1, true}, {"beside_p99_ms", "p99 ms beside them", 2, true}, {"times_alone", "× p99 without them", 2, true}},
		Solo: func(ctx context.Context, launch Launch, window time.Duration) (Metrics, error) {
			s, err := launch()
			if err != nil {
				return nil, err
			}
			defer s.Stop()
			return besideIdle(ctx, s, window)
		},
	}
}

func besideIdle(ctx context.Context, s *peer.Server, window time.Duration) (Metrics, error) {
	const clients = 4
	shots, example := shotsOf(s, clients, echo)
	calls := func() (Metrics, error) {
		return run(s, example, window, clients, func(client, _ int) *load.Shot { return shots[client] })
	}
	alone, err := calls()
	if err != nil {
		return nil, err
	}
	before, err := settled(ctx, s)
	if err != nil {
		return nil, err
	}
	held, err := openIdle(ctx, s, example, shots[0])
	defer closeAll(held)
	if err != nil {
		return nil, err
	}
	after, err := settled(ctx, s)
	if err != nil {
		return nil, err
	}
	beside, err := calls()
	if err != nil {
		return nil, err
	}
	if err := stillOpen(held); err != nil {
		return nil, err
	}
	return Metrics{
		"kib_each":      (after - before) * 1024 / idleConnections,
		"alone_p99_ms":  alone["p99_ms"],
		"beside_p99_ms": beside["p99_ms"],
		"times_alone":   beside["p99_ms"] / alone["p99_ms"],
	}, nil
}

// connection is a client that holds its connection between calls.
type connection interface {
	load.Caller
	Send(wire, marker []byte) error
	// Alive returns an error if the server has closed the connection.
	Alive() error
}

// openIdle returns clients that have made a call, or wait for the answer to one.
func openIdle(ctx context.Context, s *peer.Server, example *peer.Call, shot *load.Shot) ([]connection, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, openLimit, fmt.Errorf("its calls are too slow to open %d connections within %v", idleConnections, openLimit))
	defer cancel()
	held := make([]connection, idleConnections)
	failed := make([]error, openAtOnce)
	var wg sync.WaitGroup
	for worker := range openAtOnce {
		wg.Go(func() {
			for i := worker; i < len(held) && failed[worker] == nil && ctx.Err() == nil; i += openAtOnce {
				held[i], failed[worker] = openOne(s, example, shot)
			}
		})
	}
	wg.Wait()
	return held, errors.Join(append(failed, context.Cause(ctx))...)
}

func openOne(s *peer.Server, example *peer.Call, shot *load.Shot) (connection, error) {
	c, ok := s.Row.Dialect.Caller(s.Addr(), example).(connection)
	if !ok {
		return nil, errors.New("its client holds no connection")
	}
	if waiting, ok := s.Row.Dialect.(peer.Waiting); ok {
		return c, c.Send(waiting.Wait(s.Addr()))
	}
	body, _, err := c.Call(shot)
	if err != nil {
		return c, err
	}
	return c, shot.Check(body)
}

// stillOpen makes sure that the connections were there all the time.
func stillOpen(held []connection) error {
	lost := 0
	for _, c := range held {
		if c.Alive() != nil {
			lost++
		}
	}
	if lost > 0 {
		return fmt.Errorf("the server closed %d of %d idle connections", lost, len(held))
	}
	return nil
}

func closeAll(held []connection) {
	for _, c := range held {
		if c != nil {
			_ = c.Close()
		}
	}
}
