package agent

import (
	"bytes"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/tailscale/hujson"

	"github.com/runagent/runagent/internal/nearest"
)

const (
	// maxManifestSize and maxManifestDepth bound what a parser that recurses
	// is given to read; real manifests have some kilobytes and six levels.
	maxManifestSize  = 256 << 10
	maxManifestDepth = 100
	// maxProblems bounds what is said of a file that is not a manifest at all.
	maxProblems = 500
)

// document is a JSON text with the place of every key and value in it.
type document struct {
	file   string
	src    []byte
	root   any // as encoding/json would give it, numbers as int64 or float64
	places map[string]place
	// problems are those of the text itself: comments, double keys and such.
	problems Problems
}

// place says where a value stands: offsets of its key (-1 for the root and for
// items of arrays) and of its first and one past its last byte.
type place struct {
	key, start, end int
}

// parseDocument reads src, which must be standard JSON. What is not is among
// the document's problems; root is nil when nothing could be read.
func parseDocument(file string, src []byte) *document {
	d := &document{file: file, src: bytes.TrimPrefix(src, []byte("\xef\xbb\xbf")), places: map[string]place{}}
	if len(src) > maxManifestSize {
		d.fail(0, "", "is larger than 256 KiB")
		return d
	}
	if at := invalidUTF8(d.src); at >= 0 {
		d.fail(at, "", "is not UTF-8 here")
		return d
	}
	if len(bytes.TrimSpace(d.src)) == 0 {
		d.fail(0, "", "is empty")
		return d
	}
	if at := tooDeep(d.src); at >= 0 {
		d.fail(at, "", fmt.Sprintf("is nested deeper than %d levels here", maxManifestDepth))
		return d
	}
	v, err := hujson.Parse(d.src)
	if err != nil {
		d.failSyntax(err)
		return d
	}
	d.root = d.walk(&v, "", -1)
	return d
}

// invalidUTF8 returns the offset of the first byte that is not UTF-8, or -1.
func invalidUTF8(src []byte) int {
	for i := 0; i < len(src); {
		r, n := utf8.DecodeRune(src[i:])
		if r == utf8.RuneError && n == 1 {
			return i
		}
		i += n
	}
	return -1
}

// tooDeep returns the offset of the bracket that exceeds the allowed depth, or -1.
func tooDeep(src []byte) int {
	depth, quoted := 0, false
	for i := 0; i < len(src); i++ {
		switch c := src[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			if depth++; depth > maxManifestDepth {
				return i
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	return -1
}

var syntaxErrorPlace = regexp.MustCompile(`^hujson: line (\d+), column (\d+): `)

// failSyntax notes a parser's error; its place stands only in its text.
func (d *document) failSyntax(err error) {
	text := err.Error()
	at := len(d.src)
	if m := syntaxErrorPlace.FindStringSubmatch(text); m != nil {
		line, _ := strconv.Atoi(m[1])
		column, _ := strconv.Atoi(m[2])
		at = min(d.lineStart(line)+column-1, len(d.src))
		text = text[len(m[0]):]
	}
	text = strings.TrimSuffix(text, ": unexpected EOF")
	if text != err.Error() && strings.HasPrefix(text, "parsing ") {
		text = "unexpected end of file while " + text
	}
	suggestion := ""
	switch rest := d.src[at:]; {
	case strings.HasPrefix(text, `invalid literal: "`):
		text = `the string holds a control character or a bad escape; they are written as \n, \t, \\ or \u0000`
	case strings.HasPrefix(text, "invalid literal: "):
		suggestion = nearest.Name(strings.TrimPrefix(text, "invalid literal: "), []string{"true", "false", "null"})
	case len(rest) > 0 && rest[0] == '\'':
		text += "; strings are written in double quotes"
	}
	if len(text) > 200 {
		text = strings.ToValidUTF8(text[:200], "") + "…"
	}
	d.problems = append(d.problems, d.problem(at, "", "not JSON: "+text, suggestion))
}

// lineStart returns the offset of the first byte of the line.
func (d *document) lineStart(line int) int {
	at := 0
	for ; line > 1; line-- {
		next := bytes.IndexByte(d.src[at:], '\n')
		if next < 0 {
			return len(d.src)
		}
		at += next + 1
	}
	return at
}

// walk notes the places of v and what is below it, and returns its value.
func (d *document) walk(v *hujson.Value, path string, key int) any {
	d.places[path] = place{key: key, start: v.StartOffset, end: v.EndOffset}
	d.refuseComments(v.BeforeExtra, v.StartOffset-len(v.BeforeExtra), path)
	d.refuseComments(v.AfterExtra, v.EndOffset, path)
	switch t := v.Value.(type) {
	case *hujson.Object:
		return d.walkObject(v, t, path)
	case *hujson.Array:
		list := make([]any, len(t.Elements))
		for i := range t.Elements {
			list[i] = d.walk(&t.Elements[i], path+"/"+strconv.Itoa(i), -1)
		}
		d.refuseTrailing(t.AfterExtra, len(t.Elements), v.EndOffset, path)
		return list
	case hujson.Literal:
		return d.literal(t, v.StartOffset, path)
	}
	return nil
}

func (d *document) walkObject(v *hujson.Value, obj *hujson.Object, path string) any {
	values := make(map[string]any, len(obj.Members))
	for i := range obj.Members {
		name, value := &obj.Members[i].Name, &obj.Members[i].Value
		d.refuseComments(name.BeforeExtra, name.StartOffset-len(name.BeforeExtra), path)
		d.refuseComments(name.AfterExtra, name.EndOffset, path)
		key := name.Value.(hujson.Literal).String()
		below := pointer(path, key)
		first, double := d.places[below]
		if double {
			line, _ := d.position(first.key)
			d.fail(name.StartOffset, below, fmt.Sprintf("key %q is there twice, first on line %d", key, line))
			// The second value is looked at for its text only.
			d.walk(value, below+"\x00", name.StartOffset)
			continue
		}
		values[key] = d.walk(value, below, name.StartOffset)
	}
	d.refuseTrailing(obj.AfterExtra, len(obj.Members), v.EndOffset, path)
	return values
}

// literal returns the value of a string, number, boolean or null. Numbers
// beyond float64 would make exact arithmetic on them costly: they are refused.
func (d *document) literal(lit hujson.Literal, at int, path string) any {
	switch lit.Kind() {
	case 'n':
		return nil
	case 't', 'f':
		return lit.Bool()
	case '"':
		return lit.String()
	}
	if n, err := strconv.ParseInt(string(lit), 10, 64); err == nil {
		return n
	}
	f, err := strconv.ParseFloat(string(lit), 64)
	if err != nil || math.IsInf(f, 0) {
		d.fail(at, path, "the number is too large")
		return int64(1)
	}
	return f
}

// refuseComments notes a comment in extra, which starts at offset at.
func (d *document) refuseComments(extra hujson.Extra, at int, path string) {
	if extra.IsStandard() {
		return
	}
	at += bytes.IndexByte(extra, '/')
	d.fail(at, path, "comments are not JSON; a key such as \"x-note\" can hold one")
}

// refuseTrailing notes a comma after the last of n items, and comments there.
// The parser marks that comma by an AfterExtra that is not nil on a list with
// items, which without one is whitespace in front of the bracket.
func (d *document) refuseTrailing(extra hujson.Extra, n, end int, path string) {
	at := end - 1 - len(extra)
	d.refuseComments(extra, at, path)
	if n > 0 && at > 0 && d.src[at-1] == ',' {
		d.fail(at-1, path, "JSON has no comma after the last item")
	}
}

// fail notes a problem at the offset.
func (d *document) fail(at int, path, message string) {
	if len(d.problems) >= maxProblems {
		return
	}
	d.problems = append(d.problems, d.problem(at, path, message, ""))
}

// problem returns a problem at the offset.
func (d *document) problem(at int, path, message, suggestion string) Problem {
	line, column := d.position(at)
	path = strings.TrimRight(path, "\x00")
	return Problem{File: d.file, Line: line, Column: column, Path: path, Message: message, Suggestion: suggestion}
}

// atValue and atKey return a problem where the value, or its key, stands.
// Of a path that is not in the text, the nearest one above it counts.
func (d *document) atValue(path, message, suggestion string) Problem {
	return d.problem(d.nearest(path).start, path, message, suggestion)
}

func (d *document) atKey(path, message, suggestion string) Problem {
	p := d.nearest(path)
	if p.key < 0 {
		return d.problem(p.start, path, message, suggestion)
	}
	return d.problem(p.key, path, message, suggestion)
}

func (d *document) nearest(path string) place {
	for {
		if p, ok := d.places[path]; ok {
			return p
		}
		cut := strings.LastIndexByte(path, '/')
		if cut < 0 {
			return place{key: -1}
		}
		path = path[:cut]
	}
}

// position returns line and column of the offset, both from 1, the column in characters.
func (d *document) position(at int) (line, column int) {
	before := d.src[:min(max(at, 0), len(d.src))]
	line = 1 + bytes.Count(before, []byte("\n"))
	column = 1 + utf8.RuneCount(before[bytes.LastIndexByte(before, '\n')+1:])
	return line, column
}

var pointerEscape = strings.NewReplacer("~", "~0", "/", "~1")

// pointer returns the JSON Pointer of a key below path.
func pointer(path string, keys ...string) string {
	for _, key := range keys {
		path += "/" + pointerEscape.Replace(key)
	}
	return path
}
