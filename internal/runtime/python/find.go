package python

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/runagent/runagent/internal/fault"
)

// FindOptions says where to look. Zero values are left out of the search.
type FindOptions struct {
	// Explicit is what --python named: a path, or a name to find on Path.
	Explicit string
	// VirtualEnv is the value of VIRTUAL_ENV.
	VirtualEnv string
	// Dir is the agent's folder; its .venv is looked at.
	Dir string
	// Path is the value of PATH.
	Path string
	// Requires is the manifest's `python`, such as ">=3.10".
	Requires string
}

// names are tried on PATH in this order; the plain name is what the author
// gets when they type it, so it wins where it will do.
var names = []string{
	"python3", "python", "python3.14", "python3.13", "python3.12", "python3.11", "python3.10", "python3.9",
}

// Find returns the interpreter to run an agent with: --python, else
// VIRTUAL_ENV, else .venv in the folder, else the first fitting one on PATH.
// Of the last, requirements make an environment of its own (package build).
// What was named but can't be used is an error, never silently passed over.
func Find(ctx context.Context, o FindOptions) (*Interpreter, error) {
	spec, err := ParseSpecifier(o.Requires)
	if err != nil {
		return nil, fault.New(fault.Validation, "python: %w", err).WithField("python")
	}
	path, origin, err := o.named()
	if err != nil {
		return nil, err
	}
	if path == "" {
		return findOnPath(ctx, o.Path, spec)
	}
	in, err := Probe(ctx, path)
	if err != nil {
		return nil, from(origin, err)
	}
	if !spec.Has(in.Version) {
		return nil, fault.New(fault.Validation, "%s is Python %s, but the manifest asks for python %s", path, in.Version, spec).
			WithField("python").WithSuggestion("name another interpreter with --python")
	}
	in.Origin = origin
	return in, nil
}

// named returns the interpreter that the author named in some way, or "".
func (o FindOptions) named() (string, Origin, error) {
	switch {
	case o.Explicit != "":
		path, err := explicit(o.Explicit, o.Path)
		return path, Given, err
	case o.VirtualEnv != "":
		path, ok := venvPython(o.VirtualEnv)
		if !ok {
			return "", "", fault.New(fault.Validation, "VIRTUAL_ENV names %s, which holds no bin/python", o.VirtualEnv).
				WithSuggestion("activate another environment, or unset VIRTUAL_ENV")
		}
		return path, ActiveVenv, nil
	case o.Dir != "":
		folder := filepath.Join(o.Dir, ".venv")
		path, ok := venvPython(folder)
		if ok {
			return path, FolderVenv, nil
		}
		if _, err := os.Stat(filepath.Join(folder, "pyvenv.cfg")); err == nil {
			return "", "", fault.New(fault.Validation, "%s is a broken virtual environment: its bin/python is missing", folder).
				WithSuggestion("make it again with `python3 -m venv --clear %s`, or remove it", folder)
		}
	}
	return "", "", nil
}

// explicit resolves what --python named: an interpreter, a virtual
// environment's folder, or a name on PATH.
func explicit(name, searchPath string) (string, error) {
	if path, ok := venvPython(name); ok {
		return path, nil
	}
	if strings.ContainsRune(name, filepath.Separator) {
		if !executable(name) {
			return "", fault.New(fault.Validation, "--python %s: no such program", name)
		}
		return absolute(name), nil
	}
	if path, ok := onPath(name, searchPath); ok {
		return path, nil
	}
	return "", fault.New(fault.Validation, "--python %s: not found on PATH", name)
}

func findOnPath(ctx context.Context, searchPath string, spec Specifier) (*Interpreter, error) {
	var refused []string
	for _, name := range names {
		path, ok := onPath(name, searchPath)
		if !ok {
			continue
		}
		in, err := Probe(ctx, path)
		if ctx.Err() != nil {
			return nil, fmt.Errorf("find python3: %w", context.Cause(ctx))
		}
		if err != nil {
			refused = append(refused, err.Error())
			continue
		}
		if !spec.Has(in.Version) {
			refused = append(refused, fmt.Sprintf("%s is Python %s, not %s", path, in.Version, spec))
			continue
		}
		in.Origin = System
		return in, nil
	}
	if len(refused) == 0 {
		return nil, fault.New(fault.AgentUnavailable, "no python3 on PATH").
			WithSuggestion("install Python %d.%d or later, or name one with --python", Oldest.Major, Oldest.Minor)
	}
	return nil, fault.New(fault.AgentUnavailable, "no fitting Python on PATH: %s", strings.Join(refused, "; ")).
		WithSuggestion("name another interpreter with --python")
}

// from says in an error's message where the interpreter came from.
func from(origin Origin, err error) error {
	var fe *fault.Error
	if !errors.As(err, &fe) || origin == FolderVenv {
		return err
	}
	return fault.New(fe.Code, "%s: %w", origin, err)
}

func venvPython(folder string) (string, bool) {
	path := filepath.Join(folder, "bin", "python")
	return absolute(path), executable(path)
}

// onPath is exec.LookPath with a given PATH. Entries that are not absolute
// are passed over, or the agent's folder could name the interpreter.
func onPath(name, searchPath string) (string, bool) {
	for _, dir := range filepath.SplitList(searchPath) {
		if path := filepath.Join(dir, name); filepath.IsAbs(path) && executable(path) {
			return path, true
		}
	}
	return "", false
}

func executable(path string) bool {
	stat, err := os.Stat(path)
	return err == nil && stat.Mode().IsRegular() && stat.Mode()&0o111 != 0
}

func absolute(path string) string {
	abs, err := filepath.Abs(path)
	if err != nil {
		return path
	}
	return abs
}
