// Command platform measures a platform as its operator meets it: many deploys
// in a row under load, many agents that sleep, starts, what a deploy takes, load
// that jumps, and what the platform costs beside a server of one agent. It
// builds the program, and needs nothing but Python.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"sort"
	"strings"
	"time"
)

// options of the command line.
type options struct {
	agents, deploys, calls, rate int
	clients, rounds              int
	memory                       string
	requirements, imports        string
}

// measurements by name; each returns an error when a target was missed.
var measurements = map[string]func(context.Context, options, io.Writer) error{
	"deploys":  deploys,
	"asleep":   asleep,
	"warm":     warm,
	"deploy":   deployTimes,
	"spike":    spike,
	"overhead": overhead,
}

func main() {
	var o options
	flags := flag.NewFlagSet("platform", flag.ExitOnError)
	flags.IntVar(&o.agents, "agents", 1000, "asleep: how many agents are deployed")
	flags.IntVar(&o.deploys, "deploys", 500, "deploys: how many in a row")
	flags.IntVar(&o.rate, "rate", 200, "deploys: calls per second meanwhile")
	flags.IntVar(&o.calls, "calls", 50, "warm: how many starts")
	flags.IntVar(&o.clients, "clients", 200, "spike: how many at once")
	flags.IntVar(&o.rounds, "rounds", 9, "overhead: how many windows of each server")
	flags.StringVar(&o.memory, "max-memory", "80%", "what agents may take")
	flags.StringVar(&o.requirements, "requirements", "langgraph langchain-openai", "deploy: the packages of the heavy agent")
	flags.StringVar(&o.imports, "imports", "langgraph.graph langchain_openai", "deploy: what it imports")
	var names []string
	for name := range measurements {
		names = append(names, name)
	}
	sort.Strings(names)
	if len(os.Args) < 2 || measurements[os.Args[1]] == nil {
		fmt.Fprintf(os.Stderr, "usage: go run ./bench/platform %s [flags]\n", strings.Join(names, "|"))
		flags.PrintDefaults()
		os.Exit(2)
	}
	_ = flags.Parse(os.Args[2:]) // exits by itself
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	began := time.Now()
	if err := measurements[os.Args[1]](ctx, o, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "platform:", err)
		stop()
		os.Exit(1)
	}
	fmt.Fprintf(os.Stdout, "all targets met, in %.0f s\n", time.Since(began).Seconds())
}
