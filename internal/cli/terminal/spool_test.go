package terminal

import (
	"fmt"
	"io"
	"strings"
	"testing"
	"time"
)

// stopped is a terminal on which somebody pressed Ctrl-S: a Write returns when
// it is resumed.
type stopped struct {
	writing chan struct{}
	resume  chan struct{}
	text    strings.Builder
}

func newStopped() *stopped {
	return &stopped{writing: make(chan struct{}, 100), resume: make(chan struct{})}
}

func (s *stopped) Write(p []byte) (int, error) {
	s.writing <- struct{}{}
	<-s.resume
	return s.text.Write(p)
}

func TestSpoolHoldsUpNobody(t *testing.T) {
	t.Parallel()
	terminal := newStopped()
	s := NewSpool(terminal)
	w := s.For(terminal)
	fmt.Fprintln(w, "first")
	<-terminal.writing
	line := strings.Repeat("x", 1023) + "\n"
	const lines = spoolBytes/1024 + 5
	for range lines {
		if n, err := io.WriteString(w, line); n != len(line) || err != nil {
			t.Fatal(n, err)
		}
	}
	close(terminal.resume)
	s.Close()
	want := "first\n" + strings.Repeat(line, lines-5) + "runagent: 5 lines were not shown here: the output was not read\n"
	if got := terminal.text.String(); got != want {
		t.Errorf("got %d bytes that end in %q, want %d", len(got), got[max(0, len(got)-100):], len(want))
	}
}

func TestSpoolKeepsTheOrderOfItsWriters(t *testing.T) {
	t.Parallel()
	var both strings.Builder
	s := NewSpool(&both)
	out, talk := s.For(&tagged{&both, "out:"}), s.For(&tagged{&both, "talk:"})
	for i := range 3 {
		fmt.Fprintln(out, i)
		fmt.Fprintln(talk, i)
	}
	s.Close()
	if got, want := both.String(), "out:0\ntalk:0\nout:1\ntalk:1\nout:2\ntalk:2\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	fmt.Fprintln(out, "late") // is dropped, and does no harm
}

// tagged says whose the text is.
type tagged struct {
	to   io.Writer
	name string
}

func (t *tagged) Write(p []byte) (int, error) { return io.WriteString(t.to, t.name+string(p)) }

func TestSpoolEndsBesideAStoppedTerminal(t *testing.T) {
	t.Parallel()
	terminal := newStopped()
	defer close(terminal.resume)
	s := NewSpool(terminal)
	fmt.Fprintln(s.For(terminal), "hello")
	<-terminal.writing
	end := make(chan time.Time, 1)
	end <- time.Time{}
	s.close(end) // returns
}
