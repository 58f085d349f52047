package e2e

import (
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// wire is a connection to a platform that breaks, or stands still, after so
// many bytes were sent through it; the first so many times.
type wire struct {
	net.Listener
	to     string
	after  int64
	breaks atomic.Int32
	stalls atomic.Bool
	full   chan struct{} // told when after bytes have gone through
}

func newWire(t *testing.T, to string, after int64) *wire {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{Listener: listener, to: strings.TrimPrefix(to, "http://"), after: after, full: make(chan struct{}, 16)}
	t.Cleanup(func() { _ = listener.Close() })
	go func() { // ends with the listener
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go w.carry(conn)
		}
	}()
	return w
}

func (w *wire) carry(from net.Conn) {
	defer from.Close()
	to, err := net.Dial("tcp", w.to)
	if err != nil {
		return
	}
	defer to.Close()
	go func() {
		_, _ = io.Copy(from, to)
		_ = from.Close()
	}()
	_, err = io.CopyN(to, from, w.after)
	switch {
	case err != nil:
		return
	case w.breaks.Add(-1) >= 0:
		w.full <- struct{}{}
		return
	case w.stalls.Load():
		w.full <- struct{}{}
		_, _ = io.Copy(io.Discard, from) // until the client is gone
		return
	}
	_, _ = io.Copy(to, from)
}

// heavyFolder is an agent whose bundle has more than size bytes.
func (p *platform) heavyFolder(t *testing.T, size int) string {
	t.Helper()
	dir := filepath.Join(p.dir, "agent")
	noise := make([]byte, size)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(noise)
	for name, text := range map[string][]byte{
		"runagent.config.json": []byte(loadManifest), "main.py": []byte("def main():\n    return 1\n"), "noise.bin": noise,
	} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// bundles are the names in the folder of bundles, and how large each file is.
func (p *platform) bundles(t *testing.T) map[string]int64 {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(p.dir, "data", "bundles"))
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]int64{}
	for _, e := range entries {
		if info, err := e.Info(); err == nil {
			found[e.Name()] = info.Size()
		}
	}
	return found
}

// awaitPart waits until the beginning of an upload is kept, of at least size
// bytes, and none is under way.
func (p *platform) awaitPart(t *testing.T, size int64) {
	t.Helper()
	deadline := time.After(waitLimit)
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		kept, underway := int64(0), false
		left := p.bundles(t)
		for name, n := range left {
			underway = underway || strings.HasPrefix(name, "upload-")
			if strings.HasSuffix(name, ".part") {
				kept = n
			}
		}
		if kept >= size && !underway {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("of the upload is left %v", left)
		}
	}
}

// TestAnUploadGoesOnOverABrokenWire deploys over a connection that breaks
// twice, and then kills the client in the middle of an upload.
func TestAnUploadGoesOnOverABrokenWire(t *testing.T) {
	t.Parallel()
	if ok, err := findPrograms().condition("python"); err != nil || !ok {
		t.Skip("no Python 3.9 or newer on PATH")
	}
	p := startPlatform(t)
	const mib = 1 << 20
	w := newWire(t, p.url, 3*mib)
	w.breaks.Store(2)
	dir := p.heavyFolder(t, 10*mib)
	temp := t.TempDir()
	over := func(args ...string) *exec.Cmd {
		cmd := p.command(args...)
		cmd.Env = append(cmd.Env, "RUNAGENT_URL=http://"+w.Addr().String(), "TMPDIR="+temp)
		return cmd
	}
	if out, err := over("deploy", dir).CombinedOutput(); err != nil || len(w.full) != 2 {
		t.Fatalf("%v, the connection broke %d times\n%s", err, len(w.full), out)
	}
	if left := p.bundles(t); len(left) != 1 {
		t.Errorf("left %v", left)
	}
	<-w.full
	<-w.full

	// The client is killed; the next one goes on where it was.
	if err := os.WriteFile(filepath.Join(dir, "more.txt"), []byte("other"), 0o600); err != nil {
		t.Fatal(err)
	}
	w.stalls.Store(true)
	cmd := over("deploy", dir)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	<-w.full
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	if left, err := os.ReadDir(temp); err != nil || len(left) > 0 {
		t.Errorf("the client left %v, %v", left, err)
	}
	p.awaitPart(t, 2*mib)
	w.stalls.Store(false)
	if said, err := over("deploy", dir).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	if left := p.bundles(t); len(left) != 2 {
		t.Errorf("left %v", left)
	}
}
