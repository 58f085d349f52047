package terminal

import (
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Tracebacks writes the tracebacks of user code for people to read.
type Tracebacks struct {
	Colours Palette
	// Verbose leaves a traceback as Python wrote it.
	Verbose bool
	// Dir is the folder that paths are shown relative to, where they lie below
	// it; "" shows them as they are.
	Dir string
}

// frame is one step of a Python traceback.
type frame struct {
	file     string
	line     int
	function string   // "" of a syntax error
	code     []string // as the traceback quotes it
}

// exception is one exception of a Python traceback.
type exception struct {
	frames []frame
	text   string // its type and message
}

var (
	frameLine = regexp.MustCompile(`^  File "(.*)", line (\d+)(?:, in (.*))?$`)
	marker    = regexp.MustCompile(`^\s*[~^]+[~^\s]*$`)
	// foreign are the places of code that is not the author's, the more telling first.
	foreign = []*regexp.Regexp{
		regexp.MustCompile(`[/\\](?:site|dist)-packages[/\\]([^/\\]+)`),
		regexp.MustCompile(`[/\\]lib[/\\]python3[^/\\]*[/\\]([^/\\]+)`),
		regexp.MustCompile(`^<frozen ([^.>]+)`),
	}
)

const tracebackHead = "Traceback (most recent call last):"

// Render returns the traceback with the exception first, then the author's own
// frames, the innermost first, each with its line; frames of frameworks are
// counted. The exception is left out where said, what the reader has just been
// told, ends with it. A traceback that is not understood stays as it is.
func (t Tracebacks) Render(traceback, said string) string {
	traceback = printable(strings.TrimRight(traceback, "\n"))
	exceptions := parseTraceback(traceback)
	if t.Verbose || len(exceptions) == 0 {
		return traceback
	}
	var lines []string
	for i, e := range slices.Backward(exceptions) {
		text := e.text
		if i < len(exceptions)-1 {
			text = "after " + text
		}
		if i < len(exceptions)-1 || !strings.HasSuffix(said, text) {
			lines = append(lines, t.Colours.Red(text))
		}
		lines = append(lines, t.frames(e.frames)...)
	}
	return strings.Join(lines, "\n")
}

// printable takes out what would drive a terminal.
func printable(text string) string {
	lines := strings.Split(text, "\n")
	for i := range lines {
		lines[i] = OneLine(lines[i])
	}
	return strings.Join(lines, "\n")
}

// frames writes the author's own frames; when there is none, the innermost.
func (t Tracebacks) frames(frames []frame) []string {
	var lines, folded []string
	count := 0
	own := slices.ContainsFunc(frames, func(f frame) bool { return origin(f.file) == "" })
	for i, f := range slices.Backward(frames) {
		from := origin(f.file)
		if from == "" || !own && i == len(frames)-1 {
			lines = append(lines, t.frame(f)...)
			continue
		}
		count++
		if !slices.Contains(folded, from) {
			folded = append(folded, from)
		}
	}
	if count > 0 {
		noun := "frames"
		if count == 1 {
			noun = "frame"
		}
		lines = append(lines, t.Colours.Dim(fmt.Sprintf("  %d more %s in %s; --verbose shows all", count, noun, strings.Join(folded, ", "))))
	}
	return lines
}

func (t Tracebacks) frame(f frame) []string {
	place := fmt.Sprintf("  %s:%d", t.shown(f.file), f.line)
	if f.function != "" && f.function != "<module>" {
		place += " in " + f.function
	}
	lines := []string{t.Colours.Bold(place)}
	for _, code := range f.code {
		lines = append(lines, "    "+code)
	}
	return lines
}

// shown returns a path as short as it can be followed.
func (t Tracebacks) shown(path string) string {
	if t.Dir == "" || !filepath.IsAbs(path) {
		return path
	}
	if rel, err := filepath.Rel(t.Dir, path); err == nil && filepath.IsLocal(rel) {
		return rel
	}
	return path
}

// origin returns the package or standard module that a file belongs to, and
// "" for one of the author's.
func origin(file string) string {
	for _, place := range foreign {
		if m := place.FindStringSubmatch(file); m != nil {
			return strings.TrimSuffix(m[1], ".py")
		}
	}
	return ""
}

// parseTraceback reads what Python prints of an exception and of those it came
// after, oldest first. It returns nothing for what it does not know, such as
// groups of exceptions.
func parseTraceback(text string) []exception {
	var all []exception
	lines := strings.Split(text, "\n")
	for i := 0; i < len(lines); {
		if lines[i] != tracebackHead && !frameLine.MatchString(lines[i]) {
			return nil
		}
		if lines[i] == tracebackHead {
			i++
		}
		var e exception
		e, i = parseException(lines, i)
		if e.text == "" {
			return nil
		}
		all = append(all, e)
	}
	return all
}

// parseException reads frames from lines[i] on, then the exception's text up
// to the next one's head, and returns where that begins.
func parseException(lines []string, i int) (exception, int) {
	var e exception
	for ; i < len(lines) && strings.HasPrefix(lines[i], "  "); i++ {
		m := frameLine.FindStringSubmatch(lines[i])
		switch {
		case m != nil:
			n, _ := strconv.Atoi(m[2])
			e.frames = append(e.frames, frame{file: m[1], line: n, function: m[3]})
		case len(e.frames) == 0:
			return exception{}, i
		default:
			f := &e.frames[len(e.frames)-1]
			if !marker.MatchString(lines[i]) || f.function == "" {
				f.code = append(f.code, strings.TrimPrefix(lines[i], "    "))
			}
		}
	}
	from, next := i, len(lines)
	for ; i < len(lines); i++ {
		if lines[i] == tracebackHead && i > from+1 { // before it a sentence between two blank lines
			next = i
			break
		}
	}
	end := next
	if next < len(lines) {
		end = max(from, next-3)
	}
	e.text = strings.TrimRight(strings.Join(lines[from:end], "\n"), "\n")
	return e, next
}
