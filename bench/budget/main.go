// Command budget measures what serve may take to start, to follow a save and to
// hold in memory, and says of each figure whether it is within its limit.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"github.com/runagent/runagent/bench/peer"
)

// options of the command line.
type options struct {
	bench, only string
	calls       int
}

func main() {
	var o options
	flag.StringVar(&o.bench, "dir", "bench", "the folder bench of the repository")
	flag.StringVar(&o.only, "only", "", "only the figures of these: size, function, graph, openai, load; by comma")
	flag.IntVar(&o.calls, "calls", 50_000, "how many calls the load makes")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := budget(ctx, o, os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "budget:", err)
		os.Exit(1)
	}
}

// figure is one line of the table.
type figure struct {
	what, unit string
	got, most  float64
	note       string
}

func (f figure) met() bool { return f.got <= f.most }

// errMissed says that all was measured and some of it is too much.
var errMissed = errors.New("not all figures are within their limits")

// budget measures everything that was asked for and prints the table.
func budget(ctx context.Context, o options, out, talk io.Writer) error {
	m, err := newMachine(ctx, o.bench)
	if err != nil {
		return err
	}
	defer m.close()
	var all []figure
	for _, part := range []struct {
		name    string
		measure func(context.Context) ([]figure, error)
	}{
		{"size", m.size},
		{"function", m.function},
		{"graph", m.graph},
		{"openai", m.openai},
		{"load", func(ctx context.Context) ([]figure, error) { return m.load(ctx, o.calls) }},
	} {
		if o.only != "" && !strings.Contains(","+o.only+",", ","+part.name+",") {
			continue
		}
		fmt.Fprintf(talk, "measuring: %s\n", part.name)
		found, err := part.measure(ctx)
		if err != nil {
			return fmt.Errorf("%s: %w", part.name, err)
		}
		all = append(all, found...)
	}
	return report(out, all)
}

// report prints the table; errMissed if a figure is too large.
func report(out io.Writer, all []figure) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "WHAT\tGOT\tAT MOST\t\tNOTE")
	missed := 0
	for _, f := range all {
		verdict := "met"
		if !f.met() {
			verdict = "missed"
			missed++
		}
		fmt.Fprintf(w, "%s\t%.3g %s\t%.3g %s\t%s\t%s\n", f.what, f.got, f.unit, f.most, f.unit, verdict, f.note)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if missed > 0 {
		return fmt.Errorf("%w: %d of %d", errMissed, missed, len(all))
	}
	return nil
}

// machine is what all measurements share: the program, a Python, and a folder.
type machine struct {
	bench, program, python, scratch string
}

// newMachine builds the program as `make build` does and installs the environment.
func newMachine(ctx context.Context, bench string) (*machine, error) {
	dir, err := filepath.Abs(bench)
	if err != nil {
		return nil, err
	}
	cache := filepath.Join(dir, ".cache")
	m := &machine{bench: dir, program: filepath.Join(cache, "bin", "budget-runagent")}
	for _, sub := range []string{"bin", "run"} {
		if err := os.MkdirAll(filepath.Join(cache, sub), 0o755); err != nil {
			return nil, err
		}
	}
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", m.program, "./cmd/runagent")
	build.Dir, build.Env = filepath.Dir(dir), append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build: %w: %s", err, out)
	}
	env, err := peer.Install(ctx, dir, cache, "budget")
	if err != nil {
		return nil, err
	}
	m.python = filepath.Join(env, "bin", "python")
	m.scratch, err = os.MkdirTemp(filepath.Join(cache, "run"), "budget-")
	return m, err
}

func (m *machine) close() { _ = os.RemoveAll(m.scratch) }

// size is that of the program on the disk.
func (m *machine) size(context.Context) ([]figure, error) {
	info, err := os.Stat(m.program)
	if err != nil {
		return nil, err
	}
	return []figure{{what: "bin/runagent", unit: "MiB", got: float64(info.Size()) / (1 << 20), most: 40}}, nil
}
