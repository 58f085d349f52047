package e2e

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

func needsPython(t *testing.T) {
	t.Helper()
	if ok, err := findPrograms().condition("python"); err != nil || !ok {
		t.Skip("no Python 3.9 or newer on PATH")
	}
}

// try runs a command of the program and returns all that it says.
func (p *platform) try(args ...string) (string, error) {
	out, err := p.command(args...).CombinedOutput()
	return string(out), err
}

// write writes the agent, whose code answers with n.
func (p *platform) write(t *testing.T, n int) string {
	t.Helper()
	dir := filepath.Join(p.dir, "agent")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"runagent.config.json": loadManifest, "main.py": fmt.Sprintf("def main():\n    return %d\n", n),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// names are the entries of a folder of the data folder.
func (p *platform) names(t *testing.T, folder string) []string {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(p.dir, "data", folder))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// TestKillsInTheMiddleOfDeploys kills the platform at one moment of a deploy
// after the other: afterwards one whole revision serves, the deploy has an end,
// and nothing of it is left over.
func TestKillsInTheMiddleOfDeploys(t *testing.T) {
	t.Parallel()
	needsPython(t)
	p := startPlatform(t)
	p.deploy(t, 0)
	for n := 1; n <= 12; n++ {
		dir := p.write(t, n)
		ctx, cancel := context.WithCancel(t.Context())
		deployed := make(chan struct{})
		go func() {
			defer close(deployed)
			_, _ = p.try("deploy", dir) // it may see the end of its server
		}()
		// The moments spread over all steps, on machines of any speed.
		pause(ctx, time.Duration(n)*60*time.Millisecond)
		p.signal(t, syscall.SIGKILL)
		<-p.done
		<-deployed
		cancel()
		p.start(t, "runagent")
		if err := p.call(t.Context()); err != nil {
			t.Fatalf("after kill %d: %v", n, err)
		}
		out, err := p.try("revisions", "busy")
		if err != nil || regexp.MustCompile(`(?m)^\d+ +(pending|building|starting) `).MatchString(out) {
			t.Fatalf("after kill %d: %v\n%s", n, err, out)
		}
		if code := p.names(t, "code"); len(code) != 1 || strings.Contains(code[0], ".") {
			t.Errorf("after kill %d there is the code of %q", n, code)
		}
	}
	p.deploy(t, 100)
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// TestAFullDiskFailsTheDeployAlone fills the disk of a platform: deploys fail
// and say why, in whichever step they meet it; what serves goes on; with room
// again all is well.
func TestAFullDiskFailsTheDeployAlone(t *testing.T) {
	t.Parallel()
	needsPython(t)
	p := &platform{dir: t.TempDir()}
	data := filepath.Join(p.dir, "data")
	if err := os.Mkdir(data, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", data, "tmpfs", 0, "size=32m"); err != nil {
		t.Skipf("mounting a small disk takes root: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(data, syscall.MNT_DETACH) })
	p.start(t, "runagent")
	p.deploy(t, 1)
	p.deploy(t, 2) // so that the bundle of the first is there and does not serve
	ballast := filepath.Join(data, "ballast")
	for _, left := range []int64{0, 8 << 10, 64 << 10} {
		fillDisk(t, ballast, left)
		for n := range 4 { // 1 and 2 need no upload
			out, err := p.try("deploy", p.write(t, n))
			if err == nil {
				continue // there was room for it
			}
			if !strings.Contains(out, "no space left") && !strings.Contains(out, "disk is full") && !strings.Contains(out, "database or disk is full") {
				t.Errorf("with %d bytes left, deploy %d says: %s", left, n, out)
			}
		}
		if err := p.call(t.Context()); err != nil {
			t.Errorf("with %d bytes left, a call: %v", left, err)
		}
		if err := os.Remove(ballast); err != nil {
			t.Fatal(err)
		}
	}
	p.deploy(t, 50)
	for _, name := range append(p.names(t, "bundles"), p.names(t, "code")...) {
		if strings.HasPrefix(name, "upload-") || strings.HasSuffix(name, ".new") {
			t.Errorf("%s is left over", name)
		}
	}
}

// fillDisk writes a file until only so much of the disk is left.
func fillDisk(t *testing.T, path string, left int64) {
	t.Helper()
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for size := 1 << 20; size > 0; {
		if _, err := file.Write(make([]byte, size)); errors.Is(err, syscall.ENOSPC) {
			size /= 2
		} else if err != nil {
			t.Fatal(err)
		}
	}
	info, err := file.Stat()
	if err == nil {
		err = file.Truncate(max(0, info.Size()-left))
	}
	if err != nil {
		t.Fatal(err)
	}
}
