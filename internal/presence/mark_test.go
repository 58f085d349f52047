package presence_test

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/runagent/runagent/internal/presence"
)

// childDir makes the test binary a process that sets a mark there, says its ID
// and waits to be killed.
const childDir = "RUNAGENT_TEST_PRESENCE"

func TestMain(m *testing.M) {
	dir := os.Getenv(childDir)
	if dir == "" {
		os.Exit(m.Run())
	}
	mark := presence.New(dir)
	if err := mark.Set(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Fprintln(os.Stdout, mark.ID())
	_, _ = os.Stdin.Read(make([]byte, 1)) // until killed, or the parent is gone
}

func wantDead(t *testing.T, m *presence.Mark, id string, want bool) {
	t.Helper()
	if got, err := m.Dead(id); err != nil || got != want {
		t.Errorf("Dead(%s) = %v, %v, want %v", id, got, err, want)
	}
}

func wantOthers(t *testing.T, m *presence.Mark, want ...string) {
	t.Helper()
	if got, err := m.Others(); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("Others = %v, %v, want %v", got, err, want)
	}
}

func TestMarkTellsLivingFromDead(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "servers")
	one, two := presence.New(dir), presence.New(dir)
	wantOthers(t, one)
	wantDead(t, one, two.ID(), true)
	for _, m := range []*presence.Mark{one, two, two} { // twice is no error
		if err := m.Set(); err != nil {
			t.Fatal(err)
		}
	}
	wantOthers(t, one, two.ID())
	wantDead(t, one, two.ID(), false)
	two.Release()
	two.Release()
	wantOthers(t, one)
	wantDead(t, one, two.ID(), true)
	one.Release()
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("files are left: %v, %v, want none", left, err)
	}
}

func TestKilledProcessIsDead(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childDir+"="+dir)
	if _, err := cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	id := strings.TrimSpace(line)
	m := presence.New(dir)
	wantDead(t, m, id, false)
	_ = cmd.Process.Kill() // checked by what follows
	_ = cmd.Wait()         // it was killed
	if err != nil {
		t.Fatalf("the process says %q: %v", line, err)
	}
	wantDead(t, m, id, true)
	wantOthers(t, m, id)
	m.Sweep(id)
	wantOthers(t, m)
}

func TestSetSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	m := presence.New(file)
	if err := m.Set(); err == nil {
		t.Error("Set in a file succeeds")
	}
	if _, err := m.Others(); err == nil {
		t.Error("Others in a file succeeds")
	}
}
