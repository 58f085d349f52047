package peer

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Rows of servers made for agents and models.
const (
	LangGraph = "langgraph-dev"
	LitServe  = "litserve"
	BentoML   = "bentoml"
	AgentCore = "agentcore"
	ADK       = "adk"
)

const noReload = "it does not reload code"

// frameworks are the rows of the full run that are started as the documentation
// of each says. They take long to start, hence their limit.
func frameworks() []*Row {
	rows := []*Row{
		{
			Name: LangGraph, About: "langgraph dev (langgraph-cli[inmem]), a graph of one node, 256 jobs at once",
			Env: "langgraph", Dialect: LangGraphAPI{}, Ready: "/ok",
			Command: langGraphDev,
		},
		{
			Name: LitServe, About: "LitServe, a LitAPI of the function, one worker",
			Env: "litserve", Dialect: Plain{}, Ready: "/health",
			Cannot:  map[string]string{"reload": noReload},
			Command: script("app.py"),
		},
		{
			Name: BentoML, About: "bentoml serve, a service of plain methods on 64 threads, one worker",
			Env: "bentoml", Dialect: Plain{}, Ready: "/readyz",
			Command: bentoServe,
		},
		{
			Name: AgentCore, About: "the AgentCore runtime SDK (bedrock-agentcore), app.run()",
			Env: "agentcore", Dialect: AgentCoreAPI{}, Ready: "/ping",
			Cannot:  map[string]string{"reload": noReload},
			Command: script("app.py"),
		},
		{
			Name: ADK, About: "Google ADK, adk api_server, a BaseAgent of the function, a new session in memory for each call",
			Env: "adk", Dialect: ADKAPI{}, Ready: "/health",
			Command: adkServer,
		},
	}
	for _, r := range rows {
		r.Prepare, r.StartLimit, r.Once = beside(r.Env), 60*time.Second, true
	}
	return rows
}

// beside copies the files of a row's folder to the agent's, where the row's
// server watches them.
func beside(env string) func(Place) error {
	return func(p Place) error {
		files, err := os.ReadDir(p.app(env))
		if err != nil {
			return fmt.Errorf("read the files of %s: %w", env, err)
		}
		for _, file := range files {
			if strings.HasPrefix(file.Name(), "requirements.") || file.IsDir() {
				continue
			}
			text, err := os.ReadFile(filepath.Join(p.app(env), file.Name()))
			if err != nil {
				return fmt.Errorf("copy %s: %w", file.Name(), err)
			}
			if err := os.WriteFile(filepath.Join(p.Agent, file.Name()), text, 0o644); err != nil {
				return fmt.Errorf("copy %s: %w", file.Name(), err)
			}
		}
		return nil
	}
}

// script starts a file of the agent's folder with the port as its argument.
func script(name string) func(Place) Command {
	return func(p Place) Command {
		return Command{
			Args: []string{p.bin("python"), filepath.Join(p.Agent, name), strconv.Itoa(p.Port)},
			Vars: []string{p.functionVar()}, Dir: p.Agent,
		}
	}
}

func langGraphDev(p Place) Command {
	args := []string{
		p.bin("langgraph"), "dev", "--host", "127.0.0.1", "--port", strconv.Itoa(p.Port), "--no-browser",
		"--n-jobs-per-worker", "256", "--server-log-level", "WARNING",
	}
	if p.Workload != "reload" {
		args = append(args, "--no-reload")
	}
	return Command{
		Args: args, Dir: p.Agent,
		Vars: []string{p.functionVar(), "LANGSMITH_TRACING=false", "LANGGRAPH_CLI_NO_ANALYTICS=1", "PYTHONPATH=" + p.Agent},
	}
}

func bentoServe(p Place) Command {
	args := []string{p.bin("bentoml"), "serve", "service:Bench", "--working-dir", p.Agent, "--host", "127.0.0.1", "--port", strconv.Itoa(p.Port), "-q"}
	if p.Workload == "reload" {
		args = append(args, "--reload")
	}
	return Command{Args: args, Dir: p.Agent, Vars: []string{p.functionVar(), "BENTOML_DO_NOT_TRACK=True", "BENTOML_HOME=" + p.Scratch + "/bentoml"}}
}

// adkServer serves the folder above the agent's: an agent is a folder there.
func adkServer(p Place) Command {
	args := []string{
		p.bin("adk"), "api_server", "--host", "127.0.0.1", "--port", strconv.Itoa(p.Port), "--log_level", "error",
		"--session_service_uri", "memory://", "--artifact_service_uri", "memory://", "--auto_create_session", "--no-reload",
	}
	if p.Workload == "reload" {
		args = append(args, "--reload_agents")
	}
	return Command{Args: append(args, p.Scratch), Vars: []string{p.functionVar(), "OTEL_SDK_DISABLED=true"}}
}

// functionVar tells a server that is built around one function which it is.
func (p Place) functionVar() string { return "BENCH_FUNCTION=" + function(p.Workload) }

// function returns the function of bench/agent that a workload calls.
func function(workload string) string {
	switch workload {
	case "stream", "big", "sleep", "asleep", "cpu":
		return workload
	case "first_chunk":
		return "slow_stream"
	case "ws_stream":
		return "stream"
	case "mixed":
		return "maybe"
	case "abandon":
		return "endless"
	case Graph:
		return "graph"
	}
	return "echo"
}
