// Package transcript keeps what an installer prints, and knows what to do about
// it when the installer fails.
package transcript

import (
	"io"
	"regexp"
	"slices"
	"strings"
)

// Bounds on what is kept of an installer's output.
const (
	maxLine = 4 << 10
	maxKept = 2_000
)

// colours are terminal control sequences.
var colours = regexp.MustCompile("\x1b\\[[0-9;?]*[A-Za-z]")

// Transcript is an io.Writer that cuts an installer's output into lines, tells
// and keeps them. It is to be used by one goroutine.
type Transcript struct {
	tell func(string)
	all  []string
	part []byte
}

// New returns a Transcript that hands each line to tell, which may be nil.
func New(tell func(string)) *Transcript {
	if tell == nil {
		tell = func(string) {}
	}
	return &Transcript{tell: tell}
}

// Write takes output as it comes; it never fails.
func (t *Transcript) Write(p []byte) (int, error) {
	for _, c := range p {
		switch {
		case c == '\n' || c == '\r':
			t.Flush()
		case len(t.part) < maxLine:
			t.part = append(t.part, c)
		}
	}
	return len(p), nil
}

// Flush ends the current line.
func (t *Transcript) Flush() {
	line := strings.TrimRight(colours.ReplaceAllString(strings.ToValidUTF8(string(t.part), "?"), ""), " \t")
	t.part = t.part[:0]
	if line == "" {
		return
	}
	if len(t.all) == maxKept {
		t.all = slices.Delete(t.all, 0, maxKept/2)
	}
	t.all = append(t.all, line)
	t.tell(line)
}

// Lines returns the lines that are kept: the latest.
func (t *Transcript) Lines() []string { return t.all }

// Last returns the last n lines.
func (t *Transcript) Last(n int) []string {
	return t.all[max(0, len(t.all)-n):]
}

// advice says what to do about an installer's output. The first that matches
// is given, so what is surest comes first. Where the same requirements fail
// again whatever happens elsewhere, it is sure.
var advice = []struct {
	output *regexp.Regexp
	advice string
	sure   bool
}{
	{regexp.MustCompile(`(?i)no space left|disk quota`), "free some disk space, then try again", false},
	{regexp.MustCompile(`(?i)ensurepip|no module named (venv|pip)`), "this Python has no venv or pip: install the system's python3-venv package, or uv with `pip install uv`", false},
	{regexp.MustCompile(`(?i)\b(401|403)\b|authentication|credentials|could not read (username|password)`), "the index or repository wants other credentials: refer to secrets as ${NAME} in the requirements, and set them with `runagent secrets set NAME`", false},
	{regexp.MustCompile(`(?i)lockfile .*needs to be updated|lock ?file .*outdated`), "uv.lock is behind pyproject.toml: run `uv lock`", true},
	{regexp.MustCompile(`(?i)requires[- ]python|requires a different python|requires python|python_requires`), "a package does not support this Python: choose another with --python, or with `python` in the manifest, or another version of the package", true},
	{regexp.MustCompile(`(?i)no matching distribution|could not find a version|not found in the (provided )?package (registry|locations)|not found in the registry|no versions? of`), "check the name and version of the package", true},
	{regexp.MustCompile(`(?i)conflict|unsatisfiable|no solution found|cannot install`), "the requirements can't be met together: loosen the versions that the lines above name", true},
	{regexp.MustCompile(`(?i)hash mismatch|hashes? (do|does) not match|mismatch.*hash`), "a package is not the one that was locked: lock the requirements again", true},
	{regexp.MustCompile(`(?i)name resolution|dns error|connection (refused|reset|error)|failed to fetch|timed out|max retries|proxy|certificate`), "the package index can't be reached: check the network, or set UV_INDEX_URL and PIP_INDEX_URL", false},
	{regexp.MustCompile(`(?i)failed to build|building wheel|error: command .* failed|python\.h|gcc`), "a package has no wheel for this Python and could not be compiled: choose a version that has one, or install what its build needs", false},
	{regexp.MustCompile(`(?i)invalid requirement|couldn't parse|expected one of`), "correct the line that the message names", true},
}

// Advise says what to do about the output text of an installer that failed, ""
// where it is not known. It is sure when the same requirements fail again
// whatever happens elsewhere.
func Advise(text string) (todo string, sure bool) {
	for _, a := range advice {
		if a.output.MatchString(text) {
			return a.advice, a.sure
		}
	}
	return "", false
}

var _ io.Writer = (*Transcript)(nil)
