package peer

import (
	"context"
	"fmt"
	"strconv"

	"github.com/runagent/runagent/internal/store"
)

// Names of rows that targets and the runner speak of.
const (
	RunAgent        = "runagent"
	RunAgentCompat  = "runagent-compat"
	RunAgentSocket  = "runagent-ws"
	RunAgentReader  = "runagent-sse"
	RunAgentTwo     = "runagent-2"
	Original        = "original"
	FastAPISync     = "fastapi-sync"
	FastAPIAsync    = "fastapi-async"
	FastAPISyncTwo  = "fastapi-sync-2"
	FastAPIAsyncTwo = "fastapi-async-2"
	Limit           = "limit"
	Floor           = "floor"
)

// Graph is the workload whose function needs a manifest, and imports, of its own.
const Graph = "langgraph"

// Records is the workload that looks at what RunAgent has kept of a run.
const Records = "records"

// Catalog returns all rows in the order of the table.
func Catalog() []*Row {
	rows := []*Row{
		{
			Name: RunAgent, About: "runagent serve, POST /v1/agents/bench/invoke, one instance",
			Env: "runagent", Dialect: Native{}, Command: serve(1), Ready: "/health/ready", Recorded: recorded, Short: true,
		},
		{
			Name: RunAgentTwo, About: "the same with --instances 2",
			Env: "runagent", Dialect: Native{}, Command: serve(2), Ready: "/health/ready", Recorded: recorded, Short: true,
			Only: []string{"echo16", "big", "cpu", "memory"},
		},
		{
			Name: RunAgentCompat, About: "the same server by the published clients' door: /api/v1, WebSocket streams",
			Env: "runagent", Dialect: Compat{}, Command: serve(1), Ready: "/health/ready", Recorded: recorded, Short: true,
			Only: []string{"echo1", "echo16", "echo64", "stream", "ws_stream", "abandon"},
		},
		{
			Name: RunAgentSocket, About: "the same server by its own WebSocket, one for each client",
			Env: "runagent", Dialect: NativeSocket{}, Command: serve(1), Ready: "/health/ready", Recorded: recorded,
			Only: []string{"echo1", "echo16", "echo64", "stream", "ws_stream", "first_chunk", "abandon", "idle"},
		},
		{
			Name: RunAgentReader, About: "the same server, idle connections being readers of the agent's log as SSE",
			Env: "runagent", Dialect: LogReaders{}, Command: serve(1), Ready: "/health/ready",
			Only: []string{"idle"},
		},
		{
			Name: Original, About: "runagent 0.1.49 from PyPI, `runagent serve`",
			Env: "original", Dialect: Compat{}, Prepare: registerOriginal, Command: original, Ready: "/api/v1/health", Short: true,
			Cannot: map[string]string{"reload": "its --reload restarts the command line tool, not the code of the agent"},
		},
		fastAPI(FastAPISync, "FastAPI on uvicorn (uvloop, httptools, no access log), plain functions, one process", "sync", 1),
		fastAPI(FastAPIAsync, "the same with coroutines", "async", 1),
		fastAPI(FastAPISyncTwo, "plain functions, two processes", "sync", 2),
		fastAPI(FastAPIAsyncTwo, "coroutines, two processes", "async", 2),
	}
	rows = append(rows, frameworks()...)
	return append(rows,
		&Row{
			Name: Limit, About: "the smallest Go HTTP server before one Python process (bench/limit)",
			Env: "runagent", Dialect: Plain{}, Ready: "/ready", Short: true,
			Cannot: map[string]string{"reload": "not built in"},
			Command: func(p Place) Command {
				c := Command{Args: []string{p.Bin + "/limit", "-listen", p.Addr(), "-python", p.bin("python"), "-script", p.Bench + "/limit/limit.py"}}
				if p.Workload == Graph {
					c.Vars = []string{"BENCH_GRAPH=1"}
				}
				return c
			},
		},
		&Row{
			Name: Floor, About: "the smallest Go HTTP server, without Python (bench/floor): what the load generator can do",
			Dialect: Mirror{}, Ready: "/ready", Short: true,
			Only: []string{"echo1", "echo16", "echo64", "stream", "big", "idle", "start", "memory"},
			Command: func(p Place) Command {
				return Command{Args: []string{p.Bin + "/floor", "-listen", p.Addr()}}
			},
		},
	)
}

// serve starts RunAgent as a user does; records, log capture, limits and
// request IDs are on.
func serve(instances int) func(Place) Command {
	return func(p Place) Command {
		args := []string{p.Bin + "/runagent", "serve", p.Agent, "--port", strconv.Itoa(p.Port), "--python", p.bin("python")}
		if p.Workload == Records {
			args = append(args, "--keep", "all")
		}
		if instances > 1 {
			args = append(args, "--instances", strconv.Itoa(instances))
		}
		return Command{Args: args, Vars: []string{"RUNAGENT_HOME=" + p.Scratch + "/home"}}
	}
}

// recorded counts the records of a server that has ended, those included that
// made way for newer ones.
func recorded(ctx context.Context, p Place) (int, error) {
	history, err := store.OpenHistory(p.Scratch+"/home/history.db", store.HistoryOptions{})
	if err != nil {
		return 0, err
	}
	defer history.Close()
	stats, err := history.Stats(ctx, "bench") // the agent's ID in its manifest
	if err == nil && stats.Running > 0 {
		err = fmt.Errorf("%d records say that their calls still run", stats.Running)
	}
	return int(stats.EverStored), err
}

func original(p Place) Command {
	return Command{Args: []string{p.bin("runagent"), "serve", p.Agent, "--port", strconv.Itoa(p.Port), "--no-animation"}}
}

// registerOriginal enters the agent into the original's database, without
// which it refuses to serve.
func registerOriginal(p Place) error {
	out, err := run(p, Command{Args: []string{p.bin("runagent"), "config", "--register-agent", "."}, Dir: p.Agent})
	if err != nil {
		return fmt.Errorf("register the agent: %w: %.500s", err, out)
	}
	return nil
}

func fastAPI(name, about, mode string, processes int) *Row {
	r := &Row{
		Name: name, About: about, Env: "fastapi", Dialect: Plain{}, Ready: "/ready", Short: true,
		Command: func(p Place) Command {
			args := []string{
				p.bin("uvicorn"), "app:app", "--app-dir", p.app("fastapi"), "--host", "127.0.0.1", "--port", strconv.Itoa(p.Port),
				"--no-access-log", "--log-level", "warning",
			}
			switch {
			case p.Workload == "reload":
				args = append(args, "--reload", "--reload-dir", p.Agent)
			case processes > 1:
				args = append(args, "--workers", strconv.Itoa(processes))
			}
			return Command{Args: args, Vars: []string{"BENCH_MODE=" + mode, "PYTHONPATH=" + p.Agent, p.functionVar()}}
		},
	}
	if processes > 1 {
		r.Only = []string{"echo16", "big", "cpu", "memory"}
	}
	return r
}
