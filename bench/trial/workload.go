package trial

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/runagent/runagent/bench/load"
	"github.com/runagent/runagent/bench/peer"
)

// Metrics is what one measurement gave, by the names in Columns.
type Metrics map[string]float64

// Column is one figure of a workload in the table.
type Column struct {
	Metric, Title string
	Digits        int
	// Less says that a smaller figure is the better one.
	Less bool
}

// Workload is one kind of work, measured at one server at a time.
type Workload struct {
	Name, About string
	Columns     []Column
	// Short workloads are in the five-minute run.
	Short bool
	// Alone: the server is started for each measurement, by Measure.
	Alone bool
	// Rows, if set, names the rows it is there for.
	Rows []string
	// Steady: the figures hardly vary, and one round is enough for a short run.
	Steady bool
	// Measure loads the server for a window, after a shorter one to warm up.
	Measure func(ctx context.Context, s *peer.Server, window time.Duration) (Metrics, error)
	// Solo measures with a server of its own; launch starts one.
	Solo func(ctx context.Context, launch Launch, window time.Duration) (Metrics, error)
}

// Launch starts a fresh server of the row that is measured.
type Launch func() (*peer.Server, error)

// All returns the workloads in the order of the table.
func All() []*Workload {
	return []*Workload{
		closed("echo1", "a small dict, one client", 1, echo, true,
			Column{"p50_ms", "echo 1: p50 ms", 3, true}),
		closed("echo16", "a small dict, 16 clients", 16, echo, true,
			Column{"rate", "echo 16: calls/s", 0, false}, Column{"cpu_us", "CPU µs per echo", 0, true}),
		closed("echo64", "a small dict, 64 clients", 64, echo, true,
			Column{"p99_ms", "echo 64: p99 ms", 2, true}, Column{"rate", "echo 64: calls/s", 0, false}),
		closed("stream", "50 chunks as fast as they are taken, 16 clients", 16,
			func(client int) *peer.Call { return stream("stream", client, chunks) }, true,
			Column{"chunks", "stream: chunks/s", 0, false}, Column{"cpu_chunk_us", "CPU µs per chunk", 1, true}),
		published(),
		closed("first_chunk", "the first of 10 chunks that come every 20 ms, 16 clients", 16,
			func(client int) *peer.Call { return stream("slow_stream", client, 10) }, true,
			Column{"first_p99_ms", "first chunk: p99 ms", 2, true}),
		closed("big", "1 MiB in and out, 4 clients", 4, big, true,
			Column{"rate", "1 MiB: calls/s", 0, false}),
		closed("sleep", "time.sleep(0.1), 64 clients; 640/s is ideal", 64,
			func(int) *peer.Call { return sleep("sleep") }, true,
			Column{"rate", "sleep: calls/s", 0, false}),
		closed("asleep", "await asyncio.sleep(0.1), 256 clients; 2,560/s is ideal", 256,
			func(int) *peer.Call { return sleep("asleep") }, true,
			Column{"rate", "asleep: calls/s", 0, false}),
		closed("cpu", "about 5 ms of Python, 16 clients", 16,
			func(int) *peer.Call { return cpu() }, true,
			Column{"rate", "cpu: calls/s", 0, false}),
		closed(peer.Graph, "a compiled LangGraph graph with an offline model and a tool, 8 clients", 8, graph, true,
			Column{"rate", "langgraph: calls/s", 0, false}, Column{"p50_ms", "langgraph: p50 ms", 1, true}),
		mixed(),
		abandon(),
		idle(),
		start(),
		memory(),
		reload(),
		records(),
	}
}

// published streams by the protocol of published clients. That asks for 10 ms or
// more before the last frame, which bound 16 clients, whatever serves them, to
// 80,000 chunks a second: so there are more clients.
func published() *Workload {
	w := closed("ws_stream", "50 chunks in the frames of published clients (runagent-ws: our own), 64 clients", 64,
		func(client int) *peer.Call { return stream("stream", client, chunks) }, true,
		Column{"chunks", "WebSocket stream: chunks/s", 0, false}, Column{"cpu_chunk_us", "CPU µs per chunk (WebSocket)", 1, true})
	w.Rows = []string{peer.RunAgentCompat, peer.RunAgentSocket, peer.Original}
	return w
}

// closed is a workload in which each client repeats one call.
func closed(name, about string, clients int, call func(client int) *peer.Call, short bool, columns ...Column) *Workload {
	return &Workload{
		Name: name, About: about, Short: short, Columns: columns,
		Measure: func(_ context.Context, s *peer.Server, window time.Duration) (Metrics, error) {
			shots, example := shotsOf(s, clients, call)
			return run(s, example, window, clients, func(client, _ int) *load.Shot { return shots[client] })
		},
	}
}

func shotsOf(s *peer.Server, clients int, call func(int) *peer.Call) ([]*load.Shot, *peer.Call) {
	shots := make([]*load.Shot, clients)
	var example *peer.Call
	for i := range shots {
		example = call(i)
		shots[i] = s.Row.Dialect.Shot(s.Addr(), example)
	}
	return shots, example
}

// run loads s and reads the usual figures.
func run(s *peer.Server, example *peer.Call, window time.Duration, clients int, shot func(client, n int) *load.Shot) (Metrics, error) {
	var before, after time.Duration
	out := load.Run(load.Options{
		Clients: clients, Warm: window / 3, Window: window, Shot: shot,
		Caller:  func(int) load.Caller { return s.Row.Dialect.Caller(s.Addr(), example) },
		Started: func() { before = s.CPU() },
		Ended:   func() { after = s.CPU() },
	})
	s.Sent += out.Sent
	if out.Errors > 0 {
		return nil, fmt.Errorf("%d wrong or missing answers, the first: %w", out.Errors, out.Err)
	}
	if out.Calls == 0 {
		return nil, errors.New("no call was answered")
	}
	cpu := float64((after - before).Microseconds()) / float64(out.Calls)
	all := out.Latencies[""]
	m := Metrics{
		"rate": out.Rate, "cpu_us": cpu, "p50_ms": millis(load.Percentile(all, 50)), "p99_ms": millis(load.Percentile(all, 99)),
	}
	if n := float64(len(example.Items)); n > 0 {
		m["chunks"], m["cpu_chunk_us"] = out.Rate*n, cpu/n
		m["first_p50_ms"], m["first_p99_ms"] = millis(load.Percentile(out.First, 50)), millis(load.Percentile(out.First, 99))
	}
	for label, l := range out.Latencies {
		if label != "" {
			m[label+"_p50_ms"], m[label+"_p99_ms"] = millis(load.Percentile(l, 50)), millis(load.Percentile(l, 99))
		}
	}
	return m, nil
}

func millis(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// mixed compares the fast calls of a function among which every tenth waits
// 200 ms with the same when none does.
func mixed() *Workload {
	const clients, slowShare = 16, 0.1
	return &Workload{
		Name: "mixed", About: "16 clients; a tenth of the calls of one function sleep 200 ms: p99 of the others, and without the tenth", Short: true,
		Columns: []Column{{"fast_p99_ms", "mixed: p99 ms of the fast", 2, true}, {"times_alone", "× their p99 alone", 2, true}},
		Measure: func(_ context.Context, s *peer.Server, window time.Duration) (Metrics, error) {
			fast, example := shotsOf(s, clients, func(i int) *peer.Call { return maybe(i, "0.0") })
			slow, _ := shotsOf(s, clients, func(i int) *peer.Call { return maybe(i, "0.2") })
			for i := range fast {
				fast[i].Label, slow[i].Label = "fast", "slow"
			}
			alone, err := run(s, example, window/2, clients, func(client, _ int) *load.Shot { return fast[client] })
			if err != nil {
				return nil, err
			}
			m, err := run(s, example, window, clients, func(client, _ int) *load.Shot {
				if rand.Float64() < slowShare {
					return slow[client]
				}
				return fast[client]
			})
			if err != nil {
				return nil, err
			}
			m["alone_p99_ms"] = alone["fast_p99_ms"]
			m["times_alone"] = m["fast_p99_ms"] / alone["fast_p99_ms"]
			return m, nil
		},
	}
}
