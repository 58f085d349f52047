package e2e

import (
	"bytes"
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/creack/pty"

	"github.com/runagent/runagent/test/served"
)

// screen is a program on a pseudo terminal, and what it has drawn so far.
type screen struct {
	t    *testing.T
	tty  *os.File
	done chan struct{} // closed when the program has ended
	cmd  *exec.Cmd

	mu    sync.Mutex
	text  bytes.Buffer
	seen  int           // how much of text was waited for
	drawn chan struct{} // closed and replaced when there is more
}

// controls are the sequences that move the cursor and colour the text.
var controls = regexp.MustCompile(`\x1b(\[[0-9;?>=$]*[a-zA-Z]|\][^\x07\x1b]*(\x07|\x1b\\)|[()][A-Z0-9]|[=>])`)

// onTerminal runs `runagent args…` in dir on a terminal of its own.
func onTerminal(t *testing.T, dir string, args ...string) *screen {
	t.Helper()
	cmd := exec.Command(served.Binary(t), args...)
	cmd.Dir = dir
	home := t.TempDir()
	// At its end the prompt library closes a descriptor that its reader still
	// waits on. The race detector sees that, in about one of twelve runs.
	const librarys = "GORACE=exitcode=0"
	cmd.Env = append(os.Environ(), "RUNAGENT_HOME="+home, "RUNAGENT_CACHE_DIR="+home, "TERM=xterm-256color", "NO_COLOR=1", librarys)
	tty, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: 40, Cols: 120})
	if err != nil {
		t.Skipf("no pseudo terminal here: %v", err)
	}
	s := &screen{t: t, tty: tty, cmd: cmd, done: make(chan struct{}), drawn: make(chan struct{})}
	go s.read()
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // it may have ended
		_ = tty.Close()
		<-s.done
	})
	return s
}

func (s *screen) read() {
	defer close(s.done)
	buf := make([]byte, 4096)
	for {
		n, err := s.tty.Read(buf)
		s.mu.Lock()
		s.text.Write(buf[:n])
		close(s.drawn)
		s.drawn = make(chan struct{})
		s.mu.Unlock()
		if err != nil { // EIO when the program has ended
			_ = s.cmd.Wait()
			return
		}
	}
}

// waitFor waits until a text is drawn after what was waited for before.
func (s *screen) waitFor(text string) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), time.Minute)
	defer cancel()
	for {
		s.mu.Lock()
		plain := controls.ReplaceAllString(s.text.String(), "")
		drawn := s.drawn
		i := strings.Index(plain[min(s.seen, len(plain)):], text)
		if i >= 0 {
			s.seen += i + len(text)
		}
		s.mu.Unlock()
		if i >= 0 {
			return
		}
		select {
		case <-drawn:
		case <-ctx.Done():
			s.t.Fatalf("no %q on the terminal:\n%s", text, plain)
		}
	}
}

// types sends keys.
func (s *screen) types(keys string) {
	s.t.Helper()
	if _, err := io.WriteString(s.tty, keys); err != nil {
		s.t.Fatal(err)
	}
}

// exit waits for the end of the program and returns its code.
func (s *screen) exit() int {
	s.t.Helper()
	select {
	case <-s.done:
	case <-time.After(time.Minute):
		s.t.Fatal("the program did not end")
	}
	return s.cmd.ProcessState.ExitCode()
}

const down, enter, left = "\x1b[B", "\r", "\x03"

func TestInitAsksInATerminal(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := onTerminal(t, dir, "init")
	s.waitFor("Framework:")
	s.waitFor("smolagents")
	s.types(down + down + enter) // to the third
	s.waitFor("Name:")
	s.types("-two" + enter) // after the name that is offered
	s.waitFor("Now: runagent serve my-agent-two")
	if code := s.exit(); code != 0 {
		t.Errorf("code %d", code)
	}
	manifest, err := os.ReadFile(filepath.Join(dir, "my-agent-two", "runagent.config.json"))
	if err != nil || !strings.Contains(string(manifest), `"framework": "ag2"`) {
		t.Errorf("got %s, %v", manifest, err)
	}
}

func TestInitAsksForATemplateWhereThereAreSeveral(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := onTerminal(t, dir, "init")
	s.waitFor("smolagents")
	s.types(down + down + down + down + down + enter) // crewai
	s.waitFor("multi-agent")
	s.types(down + enter)
	s.waitFor("my-agent")
	s.types(enter)
	s.waitFor("Now: runagent serve my-agent")
	if code := s.exit(); code != 0 {
		t.Errorf("code %d", code)
	}
	manifest, err := os.ReadFile(filepath.Join(dir, "my-agent", "runagent.config.json"))
	if err != nil || !strings.Contains(string(manifest), `"template": "multi-agent"`) {
		t.Errorf("got %s, %v", manifest, err)
	}
}

func TestInitIsLeftByCtrlC(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := onTerminal(t, dir, "init")
	s.waitFor("smolagents")
	s.types(left)
	if code := s.exit(); code != 1 {
		t.Errorf("code %d, want 1", code)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) > 0 {
		t.Errorf("it wrote %v, %v", entries, err)
	}
}

func TestInitProposesAManifestInATerminal(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("python3"); err != nil {
		t.Skip("no python3")
	}
	for answer, writes := range map[string]bool{"y": true, "n": false} {
		dir := t.TempDir()
		code := "def ask(question: str) -> str: return question\n\ndef helper(x): return x\n"
		if err := os.WriteFile(filepath.Join(dir, "bot.py"), []byte(code), 0o644); err != nil {
			t.Fatal(err)
		}
		s := onTerminal(t, dir, "init")
		s.waitFor("What may be called?")
		s.waitFor("bot.py:helper")
		s.types(enter)                          // as it is marked
		s.waitFor("rite runagent.config.json?") // the W is there from "What"
		s.waitFor("main: ask in bot.py")
		s.types(answer)
		if code := s.exit(); (code == 0) != writes {
			t.Errorf("%s: code %d", answer, code)
		}
		if _, err := os.Stat(filepath.Join(dir, "runagent.config.json")); (err == nil) != writes {
			t.Errorf("%s: %v", answer, err)
		}
	}
}

func TestInitNeverAsksWithArguments(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, args := range [][]string{{"init", "one"}, {"init", "two", "--framework", "openai"}, {"init", "three", "--name", "Three"}} {
		s := onTerminal(t, dir, args...)
		s.waitFor("Now: runagent serve " + args[1])
		if code := s.exit(); code != 0 {
			t.Errorf("%v: code %d", args, code)
		}
	}
}
