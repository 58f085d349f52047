package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/runagent/runagent/api"
	"github.com/runagent/runagent/bench/load"
)

// warm lets a trivial agent sleep and wakes it, again and again, and starts it
// from nothing after restarts.
func warm(ctx context.Context, o options, talk io.Writer) error {
	h, err := newHost(ctx, "--idle-timeout", "200ms")
	if err != nil {
		return err
	}
	defer h.close()
	dir, err := h.agent("sleepy", map[string]string{"main.py": trivial})
	if err != nil {
		return err
	}
	if _, err := h.deploy(ctx, "sleepy", dir); err != nil {
		return err
	}
	frozen := 0
	var took []time.Duration
	for range o.calls {
		s, err := h.await(ctx, "the agent is warm", func(s *api.PlatformStatus) bool { return s.Agents.Warm == 1 && s.Instances == 0 })
		if err != nil {
			return err
		}
		frozen += s.Frozen
		kind, one, err := h.call(ctx, "sleepy")
		if err != nil {
			return err
		}
		if kind != "warm" {
			return fmt.Errorf("a start was %s, not warm", kind)
		}
		took = append(took, one)
	}
	fmt.Fprintf(talk, "%d warm starts, %d of a frozen zygote, call to answer: %s (targets: p50 100 ms, p99 250 ms)\n", o.calls, frozen, spread(took))
	return errors.Join(within("p50 of warm starts", load.Percentile(took, 50), 100*time.Millisecond),
		within("p99 of warm starts", load.Percentile(took, 99), 250*time.Millisecond))
}

// deployTimes deploys a trivial agent again, and a heavy one with packages that
// the installer has in its cache.
func deployTimes(ctx context.Context, o options, talk io.Writer) error {
	h, err := newHost(ctx)
	if err != nil {
		return err
	}
	defer h.close()
	var took []time.Duration
	for n := range 10 {
		dir, err := h.agent("light", map[string]string{"main.py": fmt.Sprintf("def main():\n    return %d\n", n)})
		if err != nil {
			return err
		}
		one := time.Now()
		if _, err := h.deploy(ctx, "light", dir); err != nil {
			return err
		}
		if n > 0 {
			took = append(took, time.Since(one))
		}
	}
	fmt.Fprintf(talk, "deploys of a trivial agent, requirements unchanged, folder → serving: %s (target 1 s)\n", spread(took))
	errs := []error{within("such a deploy", load.Percentile(took, 100), time.Second)}
	if o.requirements == "" {
		return errors.Join(errs...)
	}
	return errors.Join(append(errs, h.deployHeavy(ctx, o, talk))...)
}

// deployHeavy fills the installer's cache by one deploy, then makes the same
// environment anew.
func (h *host) deployHeavy(ctx context.Context, o options, talk io.Writer) error {
	source := "import " + strings.ReplaceAll(o.imports, " ", ", ") + "\n\n\n" + trivial
	var rev *api.Revision
	var took time.Duration
	for range 2 {
		dir, err := h.agent("heavy", map[string]string{"main.py": source, "requirements.txt": strings.ReplaceAll(o.requirements, " ", "\n") + "\n"})
		if err != nil {
			return err
		}
		// As on another machine that has the same cache.
		if err := errors.Join(h.stop(), os.RemoveAll(filepath.Join(h.dir, "data", "envs"))); err != nil {
			return err
		}
		if _, err := h.start(ctx); err != nil {
			return err
		}
		began := time.Now()
		if rev, err = h.deploy(ctx, "heavy", dir); err != nil {
			return err
		}
		took = time.Since(began)
	}
	imports, err := h.imports(ctx, o)
	if err != nil {
		return err
	}
	fmt.Fprintf(talk, "deploy of %s with a warm cache: %.1f s (build %.1f s, start %.1f s); its imports alone: %.1f s (target: them + 5 s)\n",
		o.requirements, took.Seconds(), rev.Timings.Build/1000, rev.Timings.Start/1000, imports.Seconds())
	return within("the deploy of the heavy agent", took, imports+5*time.Second)
}

// imports is how long the heavy agent's imports take in its environment.
func (h *host) imports(ctx context.Context, o options) (time.Duration, error) {
	found, err := filepath.Glob(filepath.Join(h.dir, "data", "envs", "*", "bin", "python"))
	if err != nil || len(found) != 1 {
		return 0, fmt.Errorf("%d environments were found, %w", len(found), err)
	}
	began := time.Now()
	out, err := exec.CommandContext(ctx, found[0], "-I", "-c", "import "+strings.ReplaceAll(o.imports, " ", ", ")).CombinedOutput()
	if err != nil {
		return 0, fmt.Errorf("import: %w\n%s", err, out)
	}
	return time.Since(began), nil
}
