package bounds

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// leaving is a script that leaves a process in a session of its own and prints its
// number.
const leaving = `setsid sleep 1000 >/dev/null 2>&1 & echo $!; `

// TestMain makes the test binary a program that installs, when it is asked for.
func TestMain(m *testing.M) {
	if script, asked := os.LookupEnv("INSTALL"); asked {
		run := Begin(context.Background(), Bounds{})
		cmd := run.Command([]string{"sh", "-c", script})
		cmd.Stdout = os.Stdout
		_ = run.Do(cmd)
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func TestWhatACommandLeavesEndsWithIt(t *testing.T) {
	t.Parallel()
	run := Begin(t.Context(), Bounds{})
	defer run.End()
	var out bytes.Buffer
	cmd := run.Command([]string{"sh", "-c", leaving + "exit 3"})
	cmd.Stdout = &out
	err := run.Do(cmd)
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 3 {
		t.Errorf("ended with %v", err)
	}
	if pid := number(t, out.String()); syscall.Kill(pid, 0) == nil {
		t.Errorf("the process %d that it left lives", pid)
	}
}

func TestWhatACommandStartsEndsWithTheInstallation(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	run := Begin(ctx, Bounds{})
	defer run.End()
	ours, theirs, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer ours.Close()
	cmd := run.Command([]string{"sh", "-c", leaving + "sleep 1000"})
	cmd.Stdout = theirs
	done := make(chan error, 1)
	go func() { done <- run.Do(cmd) }()
	pid := number(t, line(t, ours))
	cancel()
	if err := <-done; err == nil {
		t.Error("it went well")
	}
	_ = theirs.Close()
	if syscall.Kill(pid, 0) == nil {
		t.Errorf("the process %d that it left lives", pid)
	}
}

// TestWhatACommandStartsEndsWithTheServer kills who installs.
func TestWhatACommandStartsEndsWithTheServer(t *testing.T) {
	t.Parallel()
	server := exec.Command(os.Args[0])
	server.Env = append(os.Environ(), "INSTALL="+leaving+"sleep 1000")
	out, err := server.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	left, err := unix.PidfdOpen(number(t, line(t, out)), 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(left)
	if err := server.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = server.Wait() // it was killed
	for {             // until the process that it left has ended
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(left), Events: unix.POLLIN}}, 30_000)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if n != 1 || err != nil {
			t.Errorf("the process that it left lives: %v", err)
		}
		return
	}
}

func TestACommandThatCantBeStartedSaysSo(t *testing.T) {
	t.Parallel()
	run := Begin(t.Context(), Bounds{})
	defer run.End()
	var none *fs.PathError
	if err := run.Do(run.Command([]string{"/no/such/program"})); !errors.As(err, &none) || none.Path != "/no/such/program" {
		t.Errorf("got %v", err)
	}
	if err := run.Do(run.Command([]string{"no-such-program"})); !errors.Is(err, exec.ErrNotFound) {
		t.Errorf("got %v", err)
	}
}

func TestMemoryIsOfAllThatRun(t *testing.T) {
	t.Parallel()
	run := Begin(t.Context(), Bounds{Memory: 64 << 20})
	defer run.End()
	err := run.Do(run.Command([]string{"setsid", "--wait", "sh", "-c", "head -c 200M /dev/zero | tail -n 1 | sleep 1000"}))
	if err == nil || context.Cause(run.Context()) == nil || !strings.Contains(context.Cause(run.Context()).Error(), "more than 64 MiB") {
		t.Errorf("%v, %v", err, context.Cause(run.Context()))
	}
}

// line reads a line and nothing beyond it.
func line(t *testing.T, from io.Reader) string {
	t.Helper()
	var text []byte
	for b := make([]byte, 1); ; {
		if _, err := from.Read(b); err != nil {
			t.Fatal(err)
		}
		if b[0] == '\n' {
			return string(text)
		}
		text = append(text, b[0])
	}
}

func number(t *testing.T, text string) int {
	t.Helper()
	n, err := strconv.Atoi(strings.TrimSpace(text))
	if err != nil {
		t.Fatal(err)
	}
	return n
}
