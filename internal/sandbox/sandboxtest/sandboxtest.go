// Package sandboxtest is the suite that every sandbox driver passes.
package sandboxtest

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/runagent/runagent/internal/sandbox"
)

// limit is how long anything may take before a test fails.
const limit = 20 * time.Second

// Run runs the suite; open makes a fresh driver, which the suite closes.
func Run(t *testing.T, open func(testing.TB) sandbox.Driver) {
	tests := map[string]func(*testing.T, sandbox.Driver){
		"runs_with_arguments_environment_folder_and_files": runsAsSpecified,
		"reports_exit_codes_and_signals":                   reportsExits,
		"refuses_what_can_not_start":                       refuses,
		"kill_ends_the_whole_tree":                         killsTrees,
		"death_ends_what_it_left_behind":                   sweepsOrphans,
		"close_ends_everything":                            closes,
		"starts_many_at_once":                              startsMany,
		"more_memory_than_the_limit_ends_it":               limitsMemory,
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := open(t)
			t.Cleanup(func() {
				if err := d.Close(); err != nil {
					t.Errorf("close: %v", err)
				}
			})
			test(t, d)
		})
	}
}

// shell starts a shell script and returns it with what it prints.
func shell(t *testing.T, d sandbox.Driver, script string, files ...*os.File) (sandbox.Process, *bufio.Reader) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	defer w.Close()
	p, err := d.Start(t.Context(), sandbox.Spec{
		Argv: []string{"/bin/sh", "-c", script}, Env: []string{"PATH=/usr/bin:/bin", "WORD=given"}, Dir: "/usr",
		Stdout: w, Stderr: w, Files: files,
	})
	if err != nil {
		t.Fatalf("start: %v", err)
	}
	return p, bufio.NewReader(r)
}

func wait(t *testing.T, p sandbox.Process) sandbox.Exit {
	t.Helper()
	select {
	case <-p.Done():
		return p.Exit()
	case <-time.After(limit):
		t.Fatalf("process %d did not end", p.PID())
		return sandbox.Exit{}
	}
}

func line(t *testing.T, r *bufio.Reader) string {
	t.Helper()
	text, err := r.ReadString('\n')
	if err != nil {
		t.Fatalf("read a line: %v (got %q)", err, text)
	}
	return strings.TrimSpace(text)
}

func runsAsSpecified(t *testing.T, d sandbox.Driver) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	p, out := shell(t, d, `echo "$WORD $HOME $(pwd)"; echo three >&3; cat`, w)
	w.Close()
	if got := line(t, out); got != "given /usr" && got != "given  /usr" {
		t.Errorf("got %q", got)
	}
	if e := wait(t, p); !e.Known || e.Code != 0 {
		t.Errorf("exit: %s", e) // cat ends: its input is empty
	}
	if three, err := io.ReadAll(r); err != nil || string(three) != "three\n" {
		t.Errorf("descriptor 3: %q, %v", three, err)
	}
}

func reportsExits(t *testing.T, d sandbox.Driver) {
	for script, want := range map[string]sandbox.Exit{
		"exit 0":         {Known: true},
		"exit 3":         {Known: true, Code: 3},
		"kill -SEGV $$":  {Known: true, Signal: syscall.SIGSEGV},
		"kill -KILL $$":  {Known: true, Signal: syscall.SIGKILL},
		"exec 1>&- 2>&-": {Known: true},
	} {
		p, _ := shell(t, d, script)
		if got := wait(t, p); got != want {
			t.Errorf("%s: %+v, want %+v", script, got, want)
		}
	}
}

func refuses(t *testing.T, d sandbox.Driver) {
	for _, spec := range []sandbox.Spec{
		{Argv: []string{"/does/not/exist"}},
		{Argv: []string{"/bin/true"}, Dir: "/does/not/exist"},
		{Argv: []string{"/bin/true"}, Env: []string{"BIG=" + strings.Repeat("x", 1<<20)}},
	} {
		if p, err := d.Start(t.Context(), spec); err == nil {
			t.Errorf("%s in %q started as %d", spec.Argv, spec.Dir, p.PID())
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := d.Start(ctx, sandbox.Spec{Argv: []string{"/bin/sleep", "1000"}, Dir: "/"}); err == nil {
		t.Error("a start was not canceled")
	}
	p, out := shell(t, d, "echo still here")
	if got := line(t, out); got != "still here" {
		t.Errorf("after the refusals: %q", got)
	}
	wait(t, p)
}

// tree starts children that do what they can to get away, and prints their
// PIDs. They are no orphans: those of a living process that is no subreaper
// may be ended early.
const tree = `
setsid sleep 1000 & echo $!
setsid sh -c 'trap "" TERM HUP INT; echo $$; sleep 1000 & wait' &
sleep 1000 & echo $!
`

func treePIDs(t *testing.T, out *bufio.Reader) []int {
	t.Helper()
	var pids []int
	for range 3 {
		pid, err := strconv.Atoi(line(t, out))
		if err != nil {
			t.Fatal(err)
		}
		pids = append(pids, pid)
	}
	return pids
}

// gone waits until none of the processes is alive.
func gone(t *testing.T, pids []int) {
	t.Helper()
	deadline := time.Now().Add(limit)
	for _, pid := range pids {
		for alive(pid) {
			if time.Now().After(deadline) {
				t.Fatalf("process %d is still alive", pid)
			}
			time.Sleep(time.Millisecond) //nolint:forbidigo // there is no signal for the end of a stranger's process
		}
	}
}

func alive(pid int) bool {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, rest, _ := strings.Cut(string(raw), ") ")
	return !strings.HasPrefix(rest, "Z") && !strings.HasPrefix(rest, "X")
}

func killsTrees(t *testing.T, d sandbox.Driver) {
	p, out := shell(t, d, tree+"wait")
	pids := treePIDs(t, out)
	p.Kill()
	if e := wait(t, p); e.Signal != syscall.SIGKILL {
		t.Errorf("exit: %s", e)
	}
	gone(t, pids)
	p.Kill() // of a dead process: nothing happens
}

func sweepsOrphans(t *testing.T, d sandbox.Driver) {
	other, _ := shell(t, d, "exec sleep 1000")
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	p, out := shell(t, d, tree+"read x <&3; exit 7", r)
	r.Close()
	pids := treePIDs(t, out)
	fmt.Fprintln(w, "go")
	if e := wait(t, p); e.Code != 7 {
		t.Errorf("exit: %s", e)
	}
	gone(t, pids)
	if !alive(other.PID()) {
		t.Error("the sweep ended a process that has nothing to do with it")
	}
	other.Kill()
	wait(t, other)
}

func closes(t *testing.T, d sandbox.Driver) {
	p, out := shell(t, d, tree+"wait")
	pids := append(treePIDs(t, out), p.PID())
	if err := d.Close(); err != nil {
		t.Fatalf("close: %v", err)
	}
	gone(t, pids)
	wait(t, p)
	if _, err := d.Start(t.Context(), sandbox.Spec{Argv: []string{"/bin/true"}, Dir: "/"}); err == nil {
		t.Error("a closed driver started a process")
	}
}

func startsMany(t *testing.T, d sandbox.Driver) {
	const n = 50
	codes := make(chan error, n)
	for i := range n {
		go func() {
			p, err := d.Start(t.Context(), sandbox.Spec{Argv: []string{"/bin/sh", "-c", fmt.Sprintf("exit %d", i)}, Dir: "/"})
			if err == nil {
				<-p.Done()
				if got := p.Exit().Code; got != i {
					err = fmt.Errorf("process %d exited with %d", i, got)
				}
			}
			codes <- err
		}()
	}
	for range n {
		select {
		case err := <-codes:
			if err != nil {
				t.Error(err)
			}
		case <-time.After(limit):
			t.Fatal("some did not end")
		}
	}
}

// limitsMemory has a shell hold more than it may, in a child at first.
func limitsMemory(t *testing.T, d sandbox.Driver) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	p, out := shell(t, d, `read go <&3; x=$(head -c 200000000 /dev/zero | tr "\0" a); echo "held ${#x}"; read on <&3`, r)
	r.Close()
	if p.Memory() == 0 {
		p.Kill()
		t.Skip("this system does not tell how much memory a process has")
	}
	const limit = 64 << 20
	if err := p.LimitMemory(limit); err != nil {
		t.Fatal(err)
	}
	if _, err := w.WriteString("go\n"); err != nil {
		t.Fatal(err)
	}
	if e := wait(t, p); !e.OOM || e.Limit != limit || e.Signal != syscall.SIGKILL || !strings.Contains(e.String(), "64 MiB") {
		text, _ := io.ReadAll(out)
		t.Errorf("it ended so: %+v (%s); it said %q", e, e, text)
	}
	if p.Memory() != 0 {
		t.Error("it has memory after its end")
	}
}
