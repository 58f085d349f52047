package e2e

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

const loadManifest = `{"agent_name": "Busy", "agent_architecture": {"entrypoints": [{"file": "main.py", "module": "main", "tag": "main"}]}}`

// TestDeploysLoseNoCall deploys one agent again and again, and rolls it back,
// while clients call it: every call is answered, by code that was deployed.
func TestDeploysLoseNoCall(t *testing.T) {
	t.Parallel()
	if ok, err := findPrograms().condition("python"); err != nil || !ok {
		t.Skip("no Python 3.9 or newer on PATH")
	}
	p := startPlatform(t)
	p.deploy(t, 0)
	ctx, cancel := context.WithCancel(t.Context())
	var callers sync.WaitGroup
	failures := make(chan error, 8)
	var calls [8]int
	for i := range calls {
		callers.Go(func() {
			for ctx.Err() == nil {
				if err := p.call(ctx); err != nil && ctx.Err() == nil {
					failures <- err
					return
				}
				calls[i]++
			}
		})
	}
	for n := 1; n <= 10; n++ {
		p.deploy(t, n)
		if n%5 == 0 {
			p.runagent(t, "rollback", "busy")
		}
	}
	cancel()
	callers.Wait()
	close(failures)
	for err := range failures {
		t.Error(err)
	}
	total := 0
	for _, n := range calls {
		total += n
	}
	if total < 100 {
		t.Errorf("%d calls were made: too few to tell", total)
	}
}

// platform is a running platform of one test.
type platform struct {
	dir, url, key string
	out           *output
	done          chan struct{} // closed when it has ended, with those that took over
}

func startPlatform(t *testing.T, args ...string) *platform {
	t.Helper()
	p := &platform{dir: t.TempDir()}
	p.start(t, "runagent", args...)
	return p
}

// start starts the given program as the platform.
func (p *platform) start(t *testing.T, program string, args ...string) {
	t.Helper()
	keyFile := filepath.Join(p.dir, "key")
	cmd := p.command(append([]string{"platform", "start", "--data", filepath.Join(p.dir, "data"), "--listen", "127.0.0.1:0",
		"--admin-key-file", keyFile, "--pid-file", p.pidFile()}, args...)...)
	if program != "runagent" {
		cmd.Path, cmd.Args[0], cmd.Err = program, program, nil
	}
	out := newOutput()
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = cmd.Wait()
	}()
	p.out, p.done = out, done
	t.Cleanup(func() {
		p.signal(t, syscall.SIGTERM)
		select {
		case <-done:
		case <-time.After(waitLimit):
			t.Error("the platform did not end")
		}
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		if text := out.String(); t.Failed() || strings.Contains(text, "DATA RACE") {
			t.Errorf("the platform printed:\n%s", text)
		}
	})
	found := out.wait(platformURL, done, waitLimit)
	if found == nil {
		t.Fatalf("the platform did not become ready; it printed:\n%s", out)
	}
	key, err := os.ReadFile(keyFile)
	if err != nil {
		t.Fatal(err)
	}
	p.url, p.key = found[1], strings.TrimSpace(string(key))
}

func (p *platform) pidFile() string { return filepath.Join(p.dir, "pid") }

// pid is the process that has the platform now.
func (p *platform) pid(t *testing.T) int {
	t.Helper()
	text, err := os.ReadFile(p.pidFile())
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	return pid
}

func (p *platform) signal(t *testing.T, sig syscall.Signal) {
	t.Helper()
	_ = syscall.Kill(p.pid(t), sig) // it may have ended
}

func (p *platform) command(args ...string) *exec.Cmd {
	cmd := exec.Command("runagent", args...)
	cmd.Env = append(os.Environ(), "HOME="+p.dir, "RUNAGENT_HOME="+filepath.Join(p.dir, "home"), "RUNAGENT_CACHE_DIR=",
		"NO_COLOR=1", "RUNAGENT_URL="+p.url, "RUNAGENT_API_KEY="+p.key)
	return cmd
}

func (p *platform) runagent(t *testing.T, args ...string) {
	t.Helper()
	if out, err := p.command(args...).CombinedOutput(); err != nil {
		t.Fatalf("runagent %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// deploy deploys code that answers with n.
func (p *platform) deploy(t *testing.T, n int) {
	t.Helper()
	p.deployFiles(t, map[string]string{"main.py": fmt.Sprintf("import time\n\ndef main():\n    time.sleep(0.005)\n    return %d\n", n)})
}

// deployFiles deploys an agent of these files beside the manifest.
func (p *platform) deployFiles(t *testing.T, files map[string]string) {
	t.Helper()
	dir := filepath.Join(p.dir, "agent")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	files["runagent.config.json"] = loadManifest
	writeFiles(t, dir, files)
	p.runagent(t, "deploy", dir)
}

func writeFiles(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func (p *platform) call(ctx context.Context) error { return p.callWith(ctx, "{}") }

func (p *platform) callWith(ctx context.Context, body string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.url+"/v1/agents/busy/invoke", strings.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+p.key)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", res.Status, answer)
	}
	return err
}
