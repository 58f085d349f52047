package python

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/runagent/runagent/internal/fault"
)

func TestFindOrder(t *testing.T) {
	t.Parallel()
	path := os.Getenv("PATH")
	given, active, agentDir := venv(t, t.TempDir()), venv(t, t.TempDir()), t.TempDir()
	venv(t, filepath.Join(agentDir, ".venv"))

	cases := map[string]struct {
		options FindOptions
		prefix  string
		origin  Origin
	}{
		"--python wins":           {FindOptions{Explicit: filepath.Join(given, "bin", "python"), VirtualEnv: active, Dir: agentDir, Path: path}, given, Given},
		"--python names a folder": {FindOptions{Explicit: given, Path: path}, given, Given},
		"VIRTUAL_ENV is next":     {FindOptions{VirtualEnv: active, Dir: agentDir, Path: path}, active, ActiveVenv},
		".venv is next":           {FindOptions{Dir: agentDir, Path: path}, filepath.Join(agentDir, ".venv"), FolderVenv},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in, err := Find(t.Context(), c.options)
			if err != nil {
				t.Fatal(err)
			}
			if in.Prefix != c.prefix || in.Origin != c.origin || !in.Virtual() || !in.Chosen() {
				t.Errorf("Find = %+v, want prefix %s of origin %s", in, c.prefix, c.origin)
			}
			if !strings.HasPrefix(in.Path, c.prefix) {
				t.Errorf("Path = %s, want the one inside %s", in.Path, c.prefix)
			}
		})
	}
	t.Run("PATH is last", func(t *testing.T) {
		t.Parallel()
		in := system(t)
		if in.Origin != System || in.Chosen() || in.Version.Compare(Oldest) < 0 || in.Platform == "" {
			t.Errorf("Find = %+v", in)
		}
	})
}

func TestFindTakesTheFirstFittingOnPath(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	program(t, dir, "python3", answers("cpython", "3 8 2"))
	program(t, dir, "python3.12", answers("cpython", "3 12 1"))
	program(t, dir, "python3.11", answers("cpython", "3 11 7"))
	for requires, want := range map[string]string{"": "3.12.1", "<3.12": "3.11.7", "==3.11": "3.11.7"} {
		in, err := Find(t.Context(), FindOptions{Path: dir, Requires: requires})
		if err != nil || in.Version.String() != want {
			t.Errorf("Find with %q = %v, %v, want %s", requires, in, err, want)
		}
	}
	_, err := Find(t.Context(), FindOptions{Path: dir, Requires: ">=3.13"})
	if err == nil || !strings.Contains(err.Error(), "3.12.1, not >=3.13") || !strings.Contains(err.Error(), "3.8.2; agents need 3.9") {
		t.Errorf("err = %v, want it to say what was found and why not", err)
	}
}

func TestFindRefusesWhatWasNamed(t *testing.T) {
	t.Parallel()
	dir, broken := t.TempDir(), t.TempDir()
	write(t, filepath.Join(broken, ".venv", "pyvenv.cfg"), "home = /gone\n")
	old := program(t, dir, "python2", answers("cpython", "2 7 18"))
	pypy := program(t, dir, "pypy3", answers("pypy", "3 10 1"))
	noise := program(t, dir, "noise", "echo hello")
	failing := program(t, dir, "failing", "echo 'cannot open shared object' >&2; exit 127")
	fits := program(t, dir, "fits", answers("cpython", "3 11 7"))

	cases := map[string]struct {
		options FindOptions
		says    string
	}{
		"missing path":     {FindOptions{Explicit: "/no/such/python"}, "--python /no/such/python: no such program"},
		"missing name":     {FindOptions{Explicit: "python9", Path: dir}, "not found on PATH"},
		"too old":          {FindOptions{Explicit: old}, "Python 2.7.18; agents need 3.9 or later"},
		"pypy":             {FindOptions{Explicit: pypy}, "is pypy; agents run on CPython"},
		"not python":       {FindOptions{Explicit: noise}, "does not answer like Python"},
		"broken program":   {FindOptions{Explicit: failing}, "cannot open shared object"},
		"empty venv":       {FindOptions{VirtualEnv: dir}, "holds no bin/python"},
		"broken .venv":     {FindOptions{Dir: broken}, "broken virtual environment"},
		"manifest asks":    {FindOptions{Explicit: fits, Requires: ">=3.12"}, "is Python 3.11.7, but the manifest asks for python >=3.12"},
		"manifest garbage": {FindOptions{Explicit: fits, Requires: "latest"}, `"latest" is not a version`},
		"nothing at all":   {FindOptions{Path: t.TempDir()}, "no python3 on PATH"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := Find(t.Context(), c.options)
			if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Fatalf("err = %v, want it to say %q", err, c.says)
			}
			if fault.As(err) == nil {
				t.Errorf("err = %T without a code; the author can act on it", err)
			}
		})
	}
}

func TestFindPassesOverRelativePathEntries(t *testing.T) {
	dir := t.TempDir()
	program(t, dir, "python3", answers("cpython", "3 11 7"))
	t.Chdir(dir)
	if in, err := Find(t.Context(), FindOptions{Path: ".:"}); err == nil {
		t.Errorf("Find = %v: the current folder named the interpreter", in)
	}
}

func TestProbeEnds(t *testing.T) {
	t.Parallel()
	stuck := program(t, t.TempDir(), "stuck", "exec sleep 60")
	ctx, cancel := context.WithCancelCause(t.Context())
	cause := errors.New("enough")
	cancel(cause)
	if _, err := Probe(ctx, stuck); !errors.Is(err, cause) {
		t.Errorf("err = %v, want the cause of the end", err)
	}
}

func TestProbeGoesPastAShim(t *testing.T) {
	t.Parallel()
	real := system(t)
	shim := program(t, t.TempDir(), "python3", "exec '"+real.Path+"' \"$@\"")
	in, err := Probe(t.Context(), shim)
	if err != nil || in.Path != real.Path {
		t.Errorf("Probe(shim) = %v, %v, want path %s", in, err, real.Path)
	}
}
