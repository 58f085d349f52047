// Command bench measures RunAgent beside the servers that a user would pick
// instead, in one run, and prints one table. See README.md.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/runagent/runagent/bench/peer"
	"github.com/runagent/runagent/bench/report"
	"github.com/runagent/runagent/bench/trial"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := bench(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// flags of the command line.
type flags struct {
	set             string
	rows, workloads string
	rounds          int
	window          time.Duration
	dir, note       string
}

func parse(args []string) (flags, error) {
	var f flags
	fs := flag.NewFlagSet("bench", flag.ContinueOnError)
	fs.StringVar(&f.set, "set", "short", "short, full or check")
	fs.StringVar(&f.rows, "rows", "", "only these rows, by comma")
	fs.StringVar(&f.workloads, "workloads", "", "only these workloads, by comma")
	fs.IntVar(&f.rounds, "rounds", 0, "rounds; 0: 3")
	fs.DurationVar(&f.window, "window", 0, "length of a measurement; 0: 700ms, 1s of the full set")
	fs.StringVar(&f.note, "note", "", "a sentence to keep with the results: what else ran on the machine")
	fs.StringVar(&f.dir, "dir", "bench", "the folder bench of the repository")
	if err := fs.Parse(args); err != nil {
		return f, err
	}
	if !slices.Contains([]string{"short", "full", "check"}, f.set) {
		return f, fmt.Errorf("-set %q: it is short, full or check", f.set)
	}
	if f.rounds == 0 {
		f.rounds = map[string]int{"short": 3, "full": 3, "check": 3}[f.set]
	}
	if f.window == 0 {
		f.window = map[string]time.Duration{"short": 700 * time.Millisecond, "full": time.Second, "check": time.Second}[f.set]
	}
	return f, nil
}

func bench(ctx context.Context, args []string) error {
	f, err := parse(args)
	if err != nil {
		return err
	}
	rows, workloads, err := choose(f)
	if err != nil {
		return err
	}
	r, err := newRunner(ctx, f, rows)
	if err != nil {
		return err
	}
	fmt.Fprintf(r.talk, "%d rows, %d workloads, %d rounds of %v\n", len(rows), len(workloads), f.rounds, f.window)
	r.install(ctx, rows)
	for _, w := range workloads {
		if err := r.workload(ctx, w, rows); err != nil {
			return err
		}
		if err := r.keep(f, workloads); err != nil {
			return err
		}
	}
	return r.finish(f, workloads)
}

// What floors.json compares.
const (
	checkRows      = "runagent,fastapi-sync,fastapi-async,limit"
	checkWorkloads = "echo1,echo16,stream,big,sleep"
)

// choose picks rows and workloads by the flags.
func choose(f flags) ([]*peer.Row, []*trial.Workload, error) {
	if f.set == "check" && f.rows == "" && f.workloads == "" {
		f.rows, f.workloads = checkRows, checkWorkloads
	}
	rows, err := pick(peer.Catalog(), f.rows, func(r *peer.Row) (string, bool) { return r.Name, f.set == "full" || r.Short })
	if err != nil {
		return nil, nil, err
	}
	workloads, err := pick(trial.All(), f.workloads, func(w *trial.Workload) (string, bool) { return w.Name, f.set == "full" || w.Short })
	return rows, workloads, err
}

func pick[T any](all []T, names string, about func(T) (name string, usual bool)) ([]T, error) {
	var out []T
	var known []string
	wanted := strings.FieldsFunc(names, func(c rune) bool { return c == ',' })
	for _, item := range all {
		name, usual := about(item)
		known = append(known, name)
		if slices.Contains(wanted, name) || (len(wanted) == 0 && usual) {
			out = append(out, item)
		}
	}
	for _, name := range wanted {
		if !slices.Contains(known, name) {
			return nil, fmt.Errorf("there is no %q; there are %s", name, strings.Join(known, ", "))
		}
	}
	return out, nil
}

func newRunner(ctx context.Context, f flags, rows []*peer.Row) (*runner, error) {
	dir, err := filepath.Abs(f.dir)
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(filepath.Join(dir, "agent", "work.py")); err != nil {
		return nil, fmt.Errorf("%s is not the folder bench of the repository (-dir names it): %w", dir, err)
	}
	r := &runner{
		bench: dir, cache: filepath.Join(dir, ".cache"), bin: filepath.Join(dir, ".cache", "bin"),
		rounds: f.rounds, window: f.window, talk: os.Stderr,
	}
	for _, sub := range []string{"bin", "run"} {
		if err := os.MkdirAll(filepath.Join(r.cache, sub), 0o755); err != nil {
			return nil, err
		}
	}
	if err := build(ctx, filepath.Dir(dir), r.bin); err != nil {
		return nil, err
	}
	r.results = &report.Results{
		Date: time.Now().UTC().Format("2006-01-02"), Set: f.set, Commit: commit(ctx, dir), Machine: machine(), Window: f.window.String(),
	}
	if f.note != "" {
		r.results.Notes = append(r.results.Notes, f.note)
	}
	for _, row := range rows {
		r.results.Rows = append(r.results.Rows, &report.Row{Name: row.Name, About: row.About, Cells: map[string]*report.Cell{}})
	}
	return r, nil
}

// build compiles what is measured, as `make build` does.
func build(ctx context.Context, root, bin string) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", bin+"/", "./cmd/runagent", "./bench/floor", "./bench/limit")
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build: %w: %s", err, out)
	}
	return nil
}

func (r *runner) finish(f flags, workloads []*trial.Workload) error {
	fmt.Fprintf(os.Stdout, "\n%s\n", r.results.Text(workloads))
	if r.results.Audited > 0 {
		fmt.Fprintln(os.Stdout, r.results.Audit())
	}
	for _, v := range r.results.Judge(report.Targets()) {
		if v.Known {
			fmt.Fprintln(os.Stdout, v)
		}
	}
	if f.set == "check" {
		return r.check()
	}
	if base := r.base(f); base != "" {
		fmt.Fprintf(os.Stdout, "\nsaved as %s.json and .md\n", base)
	}
	return nil
}

// base names the files of a whole run; empty: a look at a part, not a run to keep.
func (r *runner) base(f flags) string {
	if f.set == "check" || f.rows != "" || f.workloads != "" {
		return ""
	}
	return filepath.Join(r.bench, "results", r.results.Date+"-"+f.set)
}

// keep saves what there is so far, so that a run that is cut short is not lost.
func (r *runner) keep(f flags, workloads []*trial.Workload) error {
	base := r.base(f)
	if base == "" {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(base), 0o755); err != nil {
		return err
	}
	return r.results.Write(base, workloads)
}

// check compares the ratios with the committed floors.
func (r *runner) check() error {
	floors, err := report.ReadFloors(filepath.Join(r.bench, "floors.json"))
	if err != nil {
		return err
	}
	lost := r.results.Lost(floors)
	for _, line := range lost {
		fmt.Fprintln(os.Stdout, "lost:", line)
	}
	if len(lost) > 0 {
		return fmt.Errorf("%d of %d ratios are worse than bench/floors.json allows; run again on a quiet machine, then look for the change", len(lost), len(floors))
	}
	fmt.Fprintf(os.Stdout, "all %d ratios hold\n", len(floors))
	return nil
}

func commit(ctx context.Context, dir string) string {
	cmd := exec.CommandContext(ctx, "git", "describe", "--tags", "--always", "--dirty")
	cmd.Dir = dir
	out, err := cmd.Output()
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(out))
}

// machine says on what the figures were got.
func machine() string {
	model := "an unknown processor"
	if text, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(text)) {
			if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
				model = strings.TrimSpace(value)
				break
			}
		}
	}
	load := "unknown"
	if text, err := os.ReadFile("/proc/loadavg"); err == nil {
		load, _, _ = strings.Cut(string(text), " ")
	}
	return fmt.Sprintf("%d cores of %s, %s/%s, %s; load average at the start %s.",
		runtime.NumCPU(), model, runtime.GOOS, runtime.GOARCH, runtime.Version(), load)
}
