package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestAFullDiskFailsADeployAndNothingElse fills the disk of a platform at an
// upload, at the unpacking and at an installation: each is told, the revision
// before serves on, and nothing stays of what did not fit.
func TestAFullDiskFailsADeployAndNothingElse(t *testing.T) {
	t.Parallel()
	if ok, err := findPrograms().condition("python"); err != nil || !ok {
		t.Skip("no Python 3.9 or newer on PATH")
	}
	home := t.TempDir()
	if err := syscall.Mount("tmpfs", home, "tmpfs", 0, "size=24m"); err != nil {
		t.Skipf("only root can make a small disk: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(home, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	p := startPlatform(t, "--data", filepath.Join(home, "data"))
	p.deploy(t, 1)
	dir := filepath.Join(p.dir, "agent")
	fails := func(size int, says string) {
		t.Helper()
		p.heavyFolder(t, size)
		out, err := p.command("deploy", dir).CombinedOutput()
		if err == nil || !strings.Contains(string(out), says) {
			t.Errorf("%d bytes: %v, want %q in\n%s", size, err, says, out)
		}
		if err := p.call(t.Context()); err != nil {
			t.Errorf("the revision before does not serve: %v", err)
		}
	}
	fails(30<<20, "the server's disk is full") // the bundle does not fit
	if left, err := filepath.Glob(filepath.Join(home, "data", "bundles", "*")); err != nil || len(left) != 1 {
		t.Errorf("left %v, %v", left, err)
	}
	fails(13<<20, "the server's disk is full") // the code does not, beside it
	if left, err := filepath.Glob(filepath.Join(home, "data", "code", "*")); err != nil || len(left) != 1 {
		t.Errorf("left %v, %v", left, err)
	}
	const wheel = "zeros-1.0-py3-none-any.whl"
	writeFiles(t, dir, map[string]string{ // small until it is installed
		wheel: string(wheelOf(t, "zeros", "zeros.bin", make([]byte, 40<<20))), "requirements.txt": "./" + wheel + "\n",
	})
	fails(1, "No space left on device") // what it requires does not
	for _, where := range []string{"envs/*/bin", "envs/*.tmp", "code/*"} {
		left, err := filepath.Glob(filepath.Join(home, "data", where))
		if err != nil || strings.HasPrefix(where, "envs") && len(left) > 0 || len(left) > 1 {
			t.Errorf("left %v, %v", left, err)
		}
	}
	for _, file := range []string{"noise.bin", wheel, "requirements.txt"} {
		if err := os.Remove(filepath.Join(dir, file)); err != nil {
			t.Fatal(err)
		}
	}
	p.deploy(t, 2) // and then there is room again
	if err := p.call(t.Context()); err != nil {
		t.Error(err)
	}
}
