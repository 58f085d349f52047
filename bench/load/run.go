package load

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Options says how to load a server: a closed loop of clients, each of which
// calls again as soon as it has its answer.
type Options struct {
	Clients int
	Warm    time.Duration
	Window  time.Duration
	// Caller returns the client with the given number, from 0.
	Caller func(client int) Caller
	// Shot returns what a client sends at its n-th call.
	Shot func(client, n int) *Shot
	// Started and Ended are called around the window, when no call is in flight.
	Started, Ended func()
}

// Outcome is what one window of load gave.
type Outcome struct {
	Calls  int
	Errors int
	// Sent counts all calls that were made, before the window too.
	Sent int
	Err  error // the first
	// Rate is calls per second: the sum over the clients of calls by time taken,
	// so that the edges of the window don't count.
	Rate float64
	// Latencies by Shot.Label, sorted, and the times to the first item.
	Latencies map[string][]time.Duration
	First     []time.Duration
}

// Percentile returns the p-th percentile (0–100) of sorted; 0 without any.
func Percentile(sorted []time.Duration, p float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(len(sorted)-1, int(p/100*float64(len(sorted))))]
}

// client is one closed loop and what it saw.
type client struct {
	number int
	caller Caller
	next   int
	stop   *atomic.Bool
	out    Outcome
}

// Run loads a server as o says. Callers are closed at the end.
func Run(o Options) Outcome {
	clients := make([]*client, o.Clients)
	for i := range clients {
		clients[i] = &client{number: i, caller: o.Caller(i)}
		defer clients[i].caller.Close()
	}
	if o.Warm > 0 {
		phase(clients, o, o.Warm)
	}
	warm := merge(clients)
	for _, c := range clients {
		c.out = Outcome{}
	}
	if o.Started != nil {
		o.Started()
	}
	phase(clients, o, o.Window)
	if o.Ended != nil {
		o.Ended()
	}
	out := merge(clients)
	out.Sent += warm.Sent
	// A wrong answer is one whenever it comes.
	out.Errors += warm.Errors
	if out.Err == nil {
		out.Err = warm.Err
	}
	return out
}

// phase lets all clients call for d, and waits until they have their answers.
func phase(clients []*client, o Options, d time.Duration) {
	var stop atomic.Bool
	timer := time.AfterFunc(d, func() { stop.Store(true) })
	defer timer.Stop()
	var wg sync.WaitGroup
	for _, c := range clients {
		c.stop = &stop
		wg.Go(func() { c.loop(o.Shot) })
	}
	wg.Wait()
}

// giveUp ends a client that only gets errors.
const giveUp = 20

func (c *client) loop(shot func(client, n int) *Shot) {
	c.out.Latencies = map[string][]time.Duration{}
	began := time.Now()
	last := began
	for !c.stop.Load() && c.out.Errors < giveUp {
		s := shot(c.number, c.next)
		c.next++
		c.out.Sent++
		start := time.Now()
		body, timing, err := c.caller.Call(s)
		last = time.Now()
		if err == nil {
			err = s.Check(body)
		}
		if err != nil {
			c.fail(err)
			continue
		}
		c.out.Calls++
		c.out.Latencies[s.Label] = append(c.out.Latencies[s.Label], last.Sub(start))
		if !timing.First.IsZero() {
			c.out.First = append(c.out.First, timing.First.Sub(start))
		}
	}
	if span := last.Sub(began); span > 0 {
		c.out.Rate = float64(c.out.Calls) / span.Seconds()
	}
}

func (c *client) fail(err error) {
	c.out.Errors++
	if c.out.Err == nil {
		c.out.Err = err
	}
}

func merge(clients []*client) Outcome {
	all := Outcome{Latencies: map[string][]time.Duration{}}
	for _, c := range clients {
		all.Calls += c.out.Calls
		all.Errors += c.out.Errors
		all.Sent += c.out.Sent
		all.Rate += c.out.Rate
		if all.Err == nil {
			all.Err = c.out.Err
		}
		for label, l := range c.out.Latencies {
			all.Latencies[label] = append(all.Latencies[label], l...)
		}
		all.First = append(all.First, c.out.First...)
	}
	for _, l := range all.Latencies {
		slices.Sort(l)
	}
	slices.Sort(all.First)
	return all
}
