package terminal

import (
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/term"
)

// Steps shows how something long gets on: on a terminal in one line a step,
// which changes while the step lasts, elsewhere in plain lines.
type Steps struct {
	w io.Writer
	// width is that of the terminal, 0 where there is none.
	width   int
	colours Palette
	step    string
	began   time.Time
}

// NewSteps returns steps that are shown on w.
func NewSteps(w io.Writer, noColor bool) *Steps {
	s := &Steps{w: w}
	file, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(file.Fd())) {
		return s
	}
	s.colours = PaletteFor(w, noColor)
	s.width = 80
	if width, _, err := term.GetSize(int(file.Fd())); err == nil && width > 0 {
		s.width = width
	}
	return s
}

// Begin begins a step; the one before is done.
func (s *Steps) Begin(step string) {
	s.End("")
	s.step, s.began = step, time.Now()
	if s.width == 0 {
		fmt.Fprintln(s.w, step)
		return
	}
	s.draw(step + " …")
}

// Detail shows a line of what the step does.
func (s *Steps) Detail(text string) {
	text = OneLine(text)
	if s.width == 0 {
		fmt.Fprintln(s.w, "  "+text)
		return
	}
	s.draw(Clip(s.step+" … "+text, s.width-1))
}

// End ends the step, if there is one; what is said of it stands in its line.
func (s *Steps) End(said string) {
	if s.step == "" {
		return
	}
	step := s.step
	s.step = ""
	if s.width == 0 {
		if said != "" {
			fmt.Fprintln(s.w, "  "+said)
		}
		return
	}
	if said != "" {
		step += " " + said
	}
	s.draw(step + " " + s.colours.Dim(Duration(time.Since(s.began))))
	fmt.Fprintln(s.w)
}

// draw writes the line of the step anew.
func (s *Steps) draw(line string) { fmt.Fprint(s.w, "\r\x1b[K"+line) }
