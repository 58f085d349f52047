package build

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"slices"
	"strings"

	"github.com/runagent/runagent/internal/fault"
)

// Bounds on what is kept of an installer's output.
const (
	maxLine     = 4 << 10
	maxKept     = 2_000
	shownOnFail = 15
)

// colours are terminal control sequences.
var colours = regexp.MustCompile("\x1b\\[[0-9;?]*[A-Za-z]")

// transcript is an io.Writer that cuts an installer's output into lines, tells
// and keeps them. exec writes to it from one goroutine.
type transcript struct {
	tell func(string)
	all  []string
	part []byte
}

// Write takes output as it comes; it never fails.
func (t *transcript) Write(p []byte) (int, error) {
	for _, c := range p {
		switch {
		case c == '\n' || c == '\r':
			t.flush()
		case len(t.part) < maxLine:
			t.part = append(t.part, c)
		}
	}
	return len(p), nil
}

// flush ends the current line.
func (t *transcript) flush() {
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

// last returns the last n lines.
func (t *transcript) last(n int) []string {
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

// explain makes an error of what an installer wrote before it failed.
func (w *installation) explain(command string, err error, out *transcript) error {
	if w.ctx.Err() != nil {
		return fmt.Errorf("%s: %w", command, context.Cause(w.ctx))
	}
	var start *fs.PathError
	if errors.As(err, &start) && start.Path == w.uv {
		return fault.New(fault.AgentUnavailable, "installing %s failed: %s can't be started: %w", w.plan.name(), w.uv, start.Err).
			WithSuggestion("set RUNAGENT_UV to a uv that can be run, or unset it")
	}
	lines := strings.Split(w.plan.mask.Replace(strings.Join(out.last(shownOnFail), "\n")), "\n")
	text := strings.Join(lines, "\n")
	todo, sure := "correct "+w.plan.name()+" and try again", false
	for _, a := range advice {
		if a.output.MatchString(text) {
			todo, sure = a.advice, a.sure
			break
		}
	}
	why := fault.New(fault.AgentUnavailable, "installing %s failed: %s: %w\n%s", w.plan.name(), command, err, text).
		WithSuggestion("%s", todo).
		WithDetails(map[string]any{"installer": command, "lines": lines})
	if sure {
		return futile{why}
	}
	return why
}
