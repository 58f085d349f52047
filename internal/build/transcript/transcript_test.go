package transcript

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestTranscriptCutsLines(t *testing.T) {
	t.Parallel()
	var told []string
	out := New(func(line string) { told = append(told, line) })
	for _, part := range []string{"one\r\ntw", "o\n\n", "\x1b[32mgreen\x1b[0m  \n", "10%\r20%\r", "bad \xff", strings.Repeat("x", maxLine)} {
		if n, err := out.Write([]byte(part)); n != len(part) || err != nil {
			t.Errorf("Write = %d, %v", n, err)
		}
	}
	out.Flush()
	want := []string{"one", "two", "green", "10%", "20%"}
	if got := out.Lines()[:5]; !slices.Equal(got, want) {
		t.Errorf("lines = %q, want %q", got, want)
	}
	if last := out.Last(1)[0]; !strings.HasPrefix(last, "bad ?x") || len(last) > maxLine {
		t.Errorf("last line = %.20q… of %d bytes", last, len(last))
	}
	if !slices.Equal(told, out.Lines()) {
		t.Errorf("told %q, kept %q", told, out.Lines())
	}
}

func TestTranscriptIsBounded(t *testing.T) {
	t.Parallel()
	out := New(nil)
	for i := range 3*maxKept + 1 {
		fmt.Fprintf(out, "line %d\n", i)
	}
	if len(out.Lines()) > maxKept || out.Last(1)[0] != fmt.Sprintf("line %d", 3*maxKept) {
		t.Errorf("kept %d lines, the last %q", len(out.Lines()), out.Last(1))
	}
}
