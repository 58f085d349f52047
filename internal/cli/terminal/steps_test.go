package terminal

import (
	"bytes"
	"regexp"
	"strings"
	"testing"
)

func TestStepsAreOneLineEachOnATerminal(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	s := &Steps{w: &out, width: 30}
	s.Begin("building")
	s.Detail("installing\ta thing with a very long name")
	s.Detail("done")
	s.Begin("starting")
	s.End("")
	s.End("")
	// What a terminal shows: each line as it was drawn last.
	var shown []string
	for line := range strings.SplitSeq(strings.TrimSuffix(out.String(), "\n"), "\n") {
		drawn := strings.Split(line, "\r\x1b[K")
		shown = append(shown, drawn[len(drawn)-1])
		for _, d := range drawn {
			if len([]rune(d)) >= 30 {
				t.Errorf("%q is wider than the terminal", d)
			}
		}
	}
	if got := strings.Join(shown, "\n"); !regexp.MustCompile(`^building [\d.]+m?s\nstarting [\d.]+m?s$`).MatchString(got) {
		t.Errorf("shown is %q", got)
	}
	if !strings.Contains(out.String(), "building … installing a thin…") {
		t.Errorf("written was %q, without what the step does", out.String())
	}
}

func TestStepsArePlainLinesElsewhere(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	s := NewSteps(&out, false)
	s.Begin("building")
	s.Detail("installing")
	s.Begin("starting")
	s.End("it came up")
	if got, want := out.String(), "building\n  installing\nstarting\n  it came up\n"; got != want {
		t.Errorf("written was %q, want %q", got, want)
	}
}
