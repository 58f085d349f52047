// Command soak calls one server for long, in many ways at once, kills its
// instances meanwhile, and then compares every call with its record and what
// the server holds with what it held at the beginning.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/runagent/runagent/bench/peer"
	"github.com/runagent/runagent/bench/proctree"
	"github.com/runagent/runagent/sdk/go/runagent"
)

// options of the command line.
type options struct {
	duration, burst, killEvery, think time.Duration
	clients                           int
	bench                             string
}

func main() {
	var o options
	flag.DurationVar(&o.duration, "duration", 30*time.Minute, "how long the mixed load lasts")
	flag.DurationVar(&o.burst, "burst", 10*time.Second, "how long calls come at full speed before")
	flag.DurationVar(&o.killEvery, "kill-every", 10*time.Second, "how often an instance is killed")
	flag.DurationVar(&o.think, "think", 20*time.Millisecond, "what a client waits between calls of the mixed load")
	flag.IntVar(&o.clients, "clients", 32, "how many clients call")
	flag.StringVar(&o.bench, "dir", "bench", "the folder bench of the repository")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := soak(ctx, o, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "soak:", err)
		os.Exit(1)
	}
}

// settleTime is what the server gets to write its last records and to rest.
const settleTime = 3 * time.Second

// soak is the whole story; its error names what was lost or grew.
func soak(ctx context.Context, o options, talk io.Writer) error {
	s, err := serve(ctx, o)
	if err != nil {
		return err
	}
	defer os.RemoveAll(s.Scratch)
	defer s.Stop()
	l := newLedger()
	c := newCrowd(s.Addr(), l)
	begin := time.Now()
	c.forDuration(ctx, o.burst, o.clients, "burst")
	took := time.Since(begin)
	fmt.Fprintf(talk, "burst: %d calls in %.1f s\n", len(l.calls), took.Seconds())
	c.client.CloseIdleConnections()
	pause(ctx, settleTime)
	start, err := proctree.ReadVitals(s.PID())
	if err != nil {
		return err
	}
	fmt.Fprintf(talk, "after the burst: %v\n", start)

	c.think = o.think
	kills := c.besideKills(ctx, o)
	c.client.CloseIdleConnections()
	pause(ctx, settleTime)
	end, err := proctree.ReadVitals(s.PID())
	if err != nil {
		return err
	}
	fmt.Fprintf(talk, "at the end:      %v\n", end)
	stored, err := l.compareAt(s.Addr())
	if err != nil {
		return err
	}
	fmt.Fprintf(talk, "%d calls: %d answered, %d refused by their function, %d lost to %d kills (their clients were told), %d left by their client; %d records\n",
		len(l.calls), l.counts[answered], l.counts[refused], l.counts[lost], kills, l.counts[left], stored)
	asleep, err := quit(s)
	if err != nil {
		return err
	}
	fmt.Fprintf(talk, "%d goroutines at rest\n", asleep)
	return verdict(l, grown(start, end), kills*o.clients, asleep)
}

// verdict is nil if nothing was lost and nothing grew.
func verdict(l *ledger, grown []string, mayLose, goroutines int) error {
	var errs []error
	if l.wrongs > 0 {
		errs = append(errs, fmt.Errorf("%d wrongs", l.wrongs))
	}
	for _, text := range append(l.told, grown...) {
		errs = append(errs, errors.New(text))
	}
	if l.counts[lost] > mayLose {
		errs = append(errs, fmt.Errorf("%d calls were lost, though kills can have met %d at most: %v", l.counts[lost], mayLose, l.why))
	}
	if goroutines > mostGoroutines {
		errs = append(errs, fmt.Errorf("%d goroutines at rest, %d are allowed", goroutines, mostGoroutines))
	}
	return errors.Join(errs...)
}

// serve builds the program, installs the environment and starts the server with
// two instances that keep all records.
func serve(ctx context.Context, o options) (*peer.Server, error) {
	dir, err := filepath.Abs(o.bench)
	if err != nil {
		return nil, err
	}
	cache := filepath.Join(dir, ".cache")
	for _, sub := range []string{"bin", "run"} {
		if err := os.MkdirAll(filepath.Join(cache, sub), 0o755); err != nil {
			return nil, err
		}
	}
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", filepath.Join(cache, "bin")+"/soaked-runagent", "./cmd/runagent")
	build.Dir = filepath.Dir(dir)
	if out, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build: %w: %s", err, out)
	}
	env, err := peer.Install(ctx, dir, cache, "runagent")
	if err != nil {
		return nil, err
	}
	scratch, err := os.MkdirTemp(filepath.Join(cache, "run"), "soak-")
	if err != nil {
		return nil, err
	}
	return peer.Start(row(), peer.Place{Bench: dir, Bin: filepath.Join(cache, "bin"), Env: env, Scratch: scratch, Workload: "soak"})
}

func row() *peer.Row {
	return &peer.Row{
		Name: "soak", About: "runagent serve with two instances, all records kept", Env: "runagent", Dialect: peer.Native{}, Ready: "/health/ready",
		Prepare: func(p peer.Place) error {
			for _, name := range []string{"soak.py", "runagent.config.json"} {
				text, err := os.ReadFile(filepath.Join(p.Bench, "soak", "agent", name))
				if err != nil {
					return fmt.Errorf("copy the agent: %w", err)
				}
				if err := os.WriteFile(filepath.Join(p.Agent, name), text, 0o644); err != nil {
					return fmt.Errorf("copy the agent: %w", err)
				}
			}
			return nil
		},
		Command: func(p peer.Place) peer.Command {
			return peer.Command{
				Args: []string{
					p.Bin + "/soaked-runagent", "serve", p.Agent, "--port", strconv.Itoa(p.Port),
					"--python", filepath.Join(p.Env, "bin", "python"), "--instances", "2", "--keep", "all",
				},
				Vars: []string{"RUNAGENT_HOME=" + p.Scratch + "/home"},
			}
		},
	}
}

func (c *crowd) forDuration(ctx context.Context, d time.Duration, clients int, name string) {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	c.run(ctx, clients, name)
}

// besideKills lets the crowd call for the whole duration and kills instances
// meanwhile, whichever answers when it is asked for its number.
func (c *crowd) besideKills(ctx context.Context, o options) (kills int) {
	ctx, cancel := context.WithTimeout(ctx, o.duration)
	defer cancel()
	done := make(chan struct{})
	go func() {
		defer close(done)
		c.run(ctx, o.clients, "mixed")
	}()
	for n := 0; ctx.Err() == nil; n++ {
		pause(ctx, o.killEvery*time.Duration(80+rand.IntN(40))/100)
		if ctx.Err() == nil && c.killOne(fmt.Sprintf("kill-%d", n)) {
			kills++
		}
	}
	<-done
	return kills
}

// killOne ends an instance without a warning; false: none said its number.
func (c *crowd) killOne(id string) bool {
	c.ledger.sent(id)
	body, status, err := c.post(kind{entrypoint: "pid", input: "{}"}, id)
	if err != nil || status != http.StatusOK {
		c.ledger.broken(id, string(body))
		return false
	}
	c.ledger.ended(id, answered)
	pid, err := resultNumber(body)
	if err != nil {
		c.ledger.wrong(id, err)
		return false
	}
	return syscall.Kill(pid, syscall.SIGKILL) == nil
}

// compareAt reads the records from the server at addr.
func (l *ledger) compareAt(addr string) (int, error) {
	client, err := runagent.New("http://"+addr, runagent.Options{})
	if err != nil {
		return 0, err
	}
	return l.compare(context.Background(), client)
}

// quit makes the server leave a dump of its goroutines, and counts them.
func quit(s *peer.Server) (int, error) {
	if err := syscall.Kill(s.PID(), syscall.SIGQUIT); err != nil {
		return 0, fmt.Errorf("ask for a dump: %w", err)
	}
	s.Stop()
	dump, err := os.ReadFile(filepath.Join(s.Scratch, "log.txt"))
	if err != nil {
		return 0, err
	}
	return proctree.Goroutines(string(dump)), nil
}
