package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/runagent/runagent/api"
	"github.com/runagent/runagent/bench/load"
	"github.com/runagent/runagent/internal/bundle"
	"github.com/runagent/runagent/sdk/go/runagent"
)

// patience bounds what must come at last.
const patience = 2 * time.Minute

// host is a platform in a folder of its own.
type host struct {
	dir, program string
	key          string // of the administrator
	cmd          *exec.Cmd
	client       *runagent.Client
}

// newHost builds the program, makes the folder, which close removes, and starts
// the platform with args.
func newHost(ctx context.Context, args ...string) (*host, error) {
	dir, err := os.MkdirTemp("", "runagent-bench-*")
	if err != nil {
		return nil, err
	}
	h := &host{dir: dir, program: filepath.Join(dir, "runagent")}
	build := exec.CommandContext(ctx, "go", "build", "-o", h.program, "./cmd/runagent")
	if out, err := build.CombinedOutput(); err != nil {
		return nil, errors.Join(fmt.Errorf("build the program: %w\n%s", err, out), os.RemoveAll(dir))
	}
	if _, err := h.start(ctx, args...); err != nil {
		h.close()
		return nil, err
	}
	return h, nil
}

var readyLine = regexp.MustCompile(`^Platform at (http://\S+) `)

// start starts the platform and returns how long it took to be ready.
func (h *host) start(ctx context.Context, args ...string) (time.Duration, error) {
	key := filepath.Join(h.dir, "key")
	h.cmd = exec.Command(h.program, append([]string{"platform", "start", "--data", filepath.Join(h.dir, "data"),
		"--listen", "127.0.0.1:0", "--admin-key-file", key}, args...)...)
	log, err := os.OpenFile(filepath.Join(h.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return 0, err
	}
	defer log.Close()
	h.cmd.Stderr = log
	h.cmd.Env = append(os.Environ(), "HOME="+h.dir)
	began := time.Now()
	url, err := listen(h.cmd, readyLine)
	if err != nil {
		return 0, errors.Join(fmt.Errorf("the platform did not become ready: see %s", log.Name()), err, ctx.Err())
	}
	took := time.Since(began)
	text, err := os.ReadFile(key)
	if err != nil {
		return 0, err
	}
	h.key = strings.TrimSpace(string(text))
	h.client, err = runagent.New(url, runagent.Options{APIKey: h.key, UserAgent: "bench"})
	return took, err
}

// listen starts a server and returns its address, which stands in the first
// line of its output that fits ready.
func listen(cmd *exec.Cmd, ready *regexp.Regexp) (string, error) {
	out, err := cmd.StdoutPipe()
	if err != nil {
		return "", err
	}
	if err := cmd.Start(); err != nil {
		return "", err
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if found := ready.FindStringSubmatch(lines.Text()); found != nil {
			go func() { _, _ = io.Copy(io.Discard, out) }() // ends with the process
			return found[1], nil
		}
	}
	return "", errors.Join(errors.New("it ended before it told its address"), cmd.Wait())
}

// stop ends the platform.
func (h *host) stop() error {
	if h.cmd == nil {
		return nil
	}
	err := h.cmd.Process.Signal(syscall.SIGTERM)
	err = errors.Join(err, h.cmd.Wait())
	h.cmd = nil
	return err
}

// close ends the platform and removes all that is there of it.
func (h *host) close() { _ = errors.Join(h.stop(), os.RemoveAll(h.dir)) }

// agent writes the folder of an agent.
func (h *host) agent(name string, files map[string]string) (string, error) {
	dir := filepath.Join(h.dir, "agents", name)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	files["runagent.config.json"] = fmt.Sprintf(
		`{"agent_name": %q, "agent_architecture": {"entrypoints": [{"file": "main.py", "module": "main", "tag": "main"}]}}`, name)
	for file, text := range files {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
			return "", err
		}
	}
	return dir, nil
}

// deploy packs a folder, uploads it and waits until it serves, as the command
// line does.
func (h *host) deploy(ctx context.Context, name, dir string) (*api.Revision, error) {
	var packed bytes.Buffer
	sum, err := bundle.Pack(ctx, dir, &packed, bundle.PackOptions{})
	if err != nil {
		return nil, err
	}
	if _, err := h.client.Bundle(ctx, sum.Digest); runagent.HasCode(err, runagent.CodeNotFound) {
		_, err = h.client.UploadBundle(ctx, sum.Digest, bytes.NewReader(packed.Bytes()), sum.Packed)
		if err != nil {
			return nil, err
		}
	} else if err != nil {
		return nil, err
	}
	rev, err := h.client.Deploy(ctx, name, api.DeployRequest{Digest: sum.Digest})
	if err != nil {
		return nil, err
	}
	for event, err := range h.client.FollowDeploy(ctx, rev.AgentID, rev.ID) {
		if err != nil {
			return nil, err
		}
		if r := event.Revision; r != nil {
			if r.State != "ready" {
				return nil, fmt.Errorf("revision %d of %s is %s: %s", r.Number, name, r.State, r.Error)
			}
			return r, nil
		}
	}
	return nil, errors.New("the platform hung up")
}

// call calls an agent and returns how its instance was found.
func (h *host) call(ctx context.Context, name string) (start string, took time.Duration, err error) {
	began := time.Now()
	res, err := h.client.Invoke(ctx, runagent.Call{Agent: name})
	if err != nil {
		return "", 0, err
	}
	return res.Metadata.Start, time.Since(began), nil
}

// lastWords are the last lines that an agent logged.
func (h *host) lastWords(ctx context.Context, name string) string {
	var text strings.Builder
	for line, err := range h.client.Logs(ctx, name, runagent.LogQuery{Limit: 20}) {
		if err == nil {
			fmt.Fprintf(&text, "  %s %s\n", line.Instance, line.Text)
		}
	}
	return text.String()
}

// await asks for the status until it is as wanted.
func (h *host) await(ctx context.Context, what string, wanted func(*api.PlatformStatus) bool) (*api.PlatformStatus, error) {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for late := time.Now().Add(patience); ; {
		s, err := h.client.PlatformStatus(ctx)
		if err != nil || wanted(s) {
			return s, err
		}
		if time.Now().After(late) {
			return nil, fmt.Errorf("not within %v: %s", patience, what)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// disk is what the data folder takes, the records of calls left out: those grow
// up to their own bound.
func disk(s *api.PlatformStatus) int64 {
	return s.Disk.Bundles + s.Disk.Code + s.Disk.Environments + s.Disk.Data
}

func mib(n int64) string { return strconv.FormatFloat(float64(n)/(1<<20), 'f', 1, 64) + " MiB" }

// spread says what is in the middle and at the end.
func spread(took []time.Duration) string {
	slices.Sort(took)
	ms := func(p float64) float64 { return float64(load.Percentile(took, p).Microseconds()) / 1000 }
	return fmt.Sprintf("p50 %.1f ms, p95 %.1f ms, p99 %.1f ms, max %.1f ms", ms(50), ms(95), ms(99), ms(100))
}

// within returns an error when a target was missed.
func within(what string, got, target time.Duration) error {
	if got > target {
		return fmt.Errorf("%s: %v, more than %v", what, got.Round(time.Millisecond), target)
	}
	return nil
}
