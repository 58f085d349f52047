//go:build linux

package none_test

import (
	"bufio"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/runagent/runagent/internal/sandbox"
	"github.com/runagent/runagent/internal/sandbox/cgroup"
	"github.com/runagent/runagent/internal/sandbox/none"
	"github.com/runagent/runagent/internal/sandbox/sandboxtest"
)

// roleVariable makes the test binary run as a server that waits to be killed.
// As a guard it runs by itself, as every program with this package does.
const roleVariable = "RUNAGENT_TEST_ROLE"

func TestMain(m *testing.M) {
	if os.Getenv(roleVariable) == "server" {
		serveUntilKilled()
	}
	goleak.VerifyTestMain(m)
}

func newDriver() *none.Driver { return newDriverIn(nil) }

func newDriverIn(groups *cgroup.Tree) *none.Driver {
	return none.New(none.Options{Groups: groups})
}

func TestDriver(t *testing.T) {
	t.Parallel()
	sandboxtest.Run(t, func(testing.TB) sandbox.Driver { return newDriver() })
}

// newGroups makes groups that end with the test.
func newGroups(t testing.TB) *cgroup.Tree {
	t.Helper()
	groups := cgroup.Open(cgroup.Options{Name: "runagent-test-" + strings.ToLower(rand.Text())})
	t.Cleanup(groups.Close)
	return groups
}

func TestDriverInGroups(t *testing.T) {
	t.Parallel()
	if why := newGroups(t).WhyNoMemory(); why != "" {
		t.Skipf("memory can't be bounded by groups here: %s", why)
	}
	sandboxtest.Run(t, func(tb testing.TB) sandbox.Driver { return newDriverIn(newGroups(tb)) })
}

// zygoteScript is a zygote without anything that it is not asked for here. What
// it forks ends with its socket.
const zygoteScript = `
import array, json, os, select, socket
control = socket.socket(fileno=3)
children = {}
def send(packet, *fds):
    rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
    control.sendmsg([json.dumps(packet).encode()], rights)
while True:
    ready, _, _ = select.select([control, *children], [], [])
    for pidfd in [fd for fd in ready if fd is not control]:
        pid, status = os.waitpid(children.pop(pidfd), 0)
        send({"op": "exit", "pid": pid, "status": status})
        os.close(pidfd)
    if control not in ready:
        continue
    data, ancillary, _, _ = control.recvmsg(65536, 4096)
    if not data:
        break
    fds = array.array("i")
    for _, _, body in ancillary:
        fds.frombytes(body)
    order = json.loads(data)
    if order["op"] == "import":
        send({"op": "ready", "imported": 0, "excluded": [], "import_ms": 0})
        continue
    pid = os.fork()
    if pid == 0:
        os.read(fds[0], 1)
        os._exit(7)
    for fd in fds:
        os.close(fd)
    pidfd = os.pidfd_open(pid)
    children[pidfd] = pid
    send({"op": "forked", "token": order["token"], "pid": pid}, pidfd)
`

// TestAZygoteThatRestsTellsHowItsChildrenEnded has one with a child rest.
func TestAZygoteThatRestsTellsHowItsChildrenEnded(t *testing.T) {
	t.Parallel()
	groups := newGroups(t)
	if why := groups.WhyNoFreezer(); why != "" {
		t.Skipf("nothing can be frozen here: %s", why)
	}
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("no python3 on PATH")
	}
	d := newDriverIn(groups)
	defer d.Close()
	z, err := d.StartZygote(t.Context(), sandbox.Spec{Argv: []string{python, "-I", "-c", zygoteScript}, Env: []string{"PATH=/usr/bin:/bin"}, Dir: "/"})
	if err != nil {
		t.Fatal(err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	child, err := z.Fork(t.Context(), "token", r, w, w)
	if err != nil {
		t.Fatal(err)
	}
	r.Close()
	if err := z.Freeze(); err != nil {
		t.Fatal(err)
	}
	w.Write([]byte("x"))
	w.Close()
	select {
	case <-child.Done():
		if e := child.Exit(); e.Code != 7 {
			t.Errorf("it ended so: %s", e)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("the end of the child was not told")
	}
	// Now it is frozen: it does not answer.
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	for ctx.Err() == nil {
		_, err = z.Import(ctx, nil)
	}
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("it answered while it should be frozen: %v", err)
	}
}

func TestAFrozenZygoteDoesNothingUntilItIsThawed(t *testing.T) {
	t.Parallel()
	groups := newGroups(t)
	if why := groups.WhyNoFreezer(); why != "" {
		t.Skipf("nothing can be frozen here: %s", why)
	}
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("no python3 on PATH")
	}
	d := newDriverIn(groups)
	defer d.Close()
	z, err := d.StartZygote(t.Context(), sandbox.Spec{Argv: []string{python, "-I", "-c", zygoteScript}, Env: []string{"PATH=/usr/bin:/bin"}, Dir: "/"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := z.Import(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if !d.Capabilities().Freeze || z.Freeze() != nil || z.Freeze() != nil {
		t.Fatal("it is not frozen")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if _, err := z.Import(ctx, nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("it answered while it was frozen: %v", err)
	}
	if err := z.Thaw(); err != nil {
		t.Fatal(err)
	}
	if _, err := z.Import(t.Context(), nil); err != nil {
		t.Errorf("after the thaw: %v", err)
	}
	if err := z.Freeze(); err != nil {
		t.Fatal(err)
	}
	z.Kill() // frozen or not
	select {
	case <-z.Done():
	case <-time.After(10 * time.Second):
		t.Error("it could not be killed while it was frozen")
	}
}

func TestProcessesAreEndedForMemoryBeforeTheServer(t *testing.T) {
	t.Parallel()
	d := newDriver()
	defer d.Close()
	p, err := d.Start(t.Context(), sandbox.Spec{Argv: []string{"/bin/sleep", "1000"}, Dir: "/"})
	if err != nil {
		t.Fatal(err)
	}
	score, err := os.ReadFile(fmt.Sprintf("/proc/%d/oom_score_adj", p.PID()))
	if err != nil || strings.TrimSpace(string(score)) != "500" {
		t.Errorf("oom_score_adj of a process is %q, %v", score, err)
	}
}

// serveUntilKilled starts processes that hold on, prints their PIDs and waits.
func serveUntilKilled() {
	p, err := newDriver().Start(context.Background(), sandbox.Spec{
		Argv: []string{"/bin/sh", "-c", `trap "" TERM HUP; setsid sleep 1000 & echo $! $$; wait`},
		Env:  []string{"PATH=/usr/bin:/bin"}, Dir: "/", Stdout: os.Stdout, Stderr: os.Stderr,
	})
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	<-p.Done()
	os.Exit(1)
}

func TestNothingOutlivesAKilledServer(t *testing.T) {
	t.Parallel()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), roleVariable+"=server")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	text, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("read PIDs: %v", err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	for _, word := range strings.Fields(text) {
		pid, err := strconv.Atoi(word)
		if err != nil {
			t.Fatalf("PIDs %q: %v", text, err)
		}
		deadline := time.Now().Add(10 * time.Second)
		for syscall.Kill(pid, 0) == nil {
			if time.Now().After(deadline) {
				t.Fatalf("process %d outlived its server", pid)
			}
			time.Sleep(time.Millisecond) //nolint:forbidigo // there is no signal for the end of a stranger's process
		}
	}
}

func TestDriverGoesOnAfterItsGuardWasKilled(t *testing.T) {
	t.Parallel()
	d := newDriver()
	defer d.Close()
	sleep := sandbox.Spec{Argv: []string{"/bin/sleep", "1000"}, Dir: "/"}
	p, err := d.Start(t.Context(), sleep)
	if err != nil {
		t.Fatal(err)
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.PID()))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(stat), "PPid:\t")
	guard, err := strconv.Atoi(strings.Fields(rest)[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(guard, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	select {
	case <-p.Done():
	case <-time.After(10 * time.Second):
		t.Fatal("the process outlived its guard")
	}
	q, err := d.Start(t.Context(), sleep)
	if err != nil {
		t.Fatalf("start with a new guard: %v", err)
	}
	q.Kill()
	<-q.Done()
}
