// Package python knows what is Python's own: which interpreter runs an agent,
// how an instance is started with it, what a zygote should import, and what
// an agent's files say without running them.
package python

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/runagent/runagent/internal/fault"
)

// probeTimeout bounds the question for its version; a Python that needs
// longer, on a network disk say, would be no joy to serve with.
const probeTimeout = 20 * time.Second

// Origin says how an interpreter was chosen.
type Origin string

// The origins, in the order in which Find looks.
const (
	Given      Origin = "--python"
	ActiveVenv Origin = "VIRTUAL_ENV"
	FolderVenv Origin = ".venv"
	Built      Origin = "requirements" // set by whoever builds the environment
	System     Origin = "PATH"
)

// Interpreter is a Python that was asked who it is. It is immutable.
type Interpreter struct {
	// Path is the program to start. It is not resolved: a virtual
	// environment's python is a link, and works only under its own name.
	Path    string
	Version Version
	// Prefix is where its packages are; BasePrefix that of the interpreter a
	// virtual environment was made from, else the same.
	Prefix, BasePrefix string
	// Base is the program a virtual environment was made from, else Path resolved.
	Base string
	// Platform is the ABI, system and machine, such as "cpython-311-linux-x86_64".
	Platform string
	Origin   Origin
}

// Virtual reports whether the interpreter is that of a virtual environment.
func (i *Interpreter) Virtual() bool { return i.Prefix != i.BasePrefix }

// Chosen reports whether the author chose the environment, so that
// requirements are theirs to install.
func (i *Interpreter) Chosen() bool { return i.Origin != System && i.Origin != Built }

// who is the program that asks. It runs on any Python, so that an old one is
// told from none, and imports only what every start imports anyway.
const who = `import sys, os
i = getattr(sys, "implementation", None)
tag = getattr(i, "cache_tag", None) or "python"
base = getattr(sys, "_base_executable", None) or sys.executable
print("\n".join([getattr(i, "name", "cpython"), "%d %d %d" % sys.version_info[:3], sys.executable,
    sys.prefix, getattr(sys, "base_prefix", sys.prefix), os.path.realpath(base),
    "-".join([tag + getattr(sys, "abiflags", ""), sys.platform, os.uname()[4]])]))`

// Probe asks the program at path which Python it is. Errors: a
// *fault.Error when it is none, or none that instances run on.
func Probe(ctx context.Context, path string) (*Interpreter, error) {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	// Not -I, which Python 2 does not know; the folder is / so that no file
	// beside the agent can stand for a module.
	cmd := exec.CommandContext(ctx, path, "-E", "-s", "-c", who)
	cmd.Dir = "/"
	cmd.WaitDelay = time.Second
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		if ctx.Err() != nil {
			return nil, fmt.Errorf("ask %s for its version: %w", path, context.Cause(ctx))
		}
		return nil, notPython(path, err, stderr.String())
	}
	lines := strings.Split(strings.TrimRight(string(out), "\r\n"), "\n")
	if len(lines) != 7 {
		return nil, notPython(path, errors.New("it does not answer like Python"), "")
	}
	in := &Interpreter{Path: path, Prefix: lines[3], BasePrefix: lines[4], Base: lines[5], Platform: lines[6]}
	if filepath.IsAbs(lines[2]) {
		in.Path = lines[2] // past the script that pyenv and its like put on PATH
	}
	if _, err := fmt.Sscanf(lines[1], "%d %d %d", &in.Version.Major, &in.Version.Minor, &in.Version.Micro); err != nil {
		return nil, notPython(path, errors.New("it does not answer like Python"), "")
	}
	if lines[0] != "cpython" {
		return nil, fault.New(fault.Validation, "%s is %s; agents run on CPython %d.%d or later", path, lines[0], Oldest.Major, Oldest.Minor)
	}
	if in.Version.Compare(Oldest) < 0 {
		return nil, fault.New(fault.Validation, "%s is Python %s; agents need %d.%d or later", path, in.Version, Oldest.Major, Oldest.Minor)
	}
	return in, nil
}

func notPython(path string, err error, stderr string) error {
	why := err.Error()
	if last := lastLine(stderr); last != "" {
		why = last
	}
	return fault.New(fault.Validation, "%s can't be used as a Python interpreter: %s", path, why)
}

func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.TrimSpace(lines[len(lines)-1])
}

// Role is what a started process is to be.
type Role string

// The roles that boot.py knows.
const (
	RoleZygote   Role = "zygote"
	RoleInstance Role = "instance"
)

// Argv is the command that starts the shim, unpacked at root, in the given
// role. Its socket is descriptor 3.
func (i *Interpreter) Argv(root string, role Role) []string {
	return []string{i.Path, filepath.Join(root, "boot.py"), string(role), "--fd", "3"}
}

// MarshalJSON writes what `--json` output and health show of an interpreter.
func (i *Interpreter) MarshalJSON() ([]byte, error) {
	return json.Marshal(map[string]string{
		"path": i.Path, "version": i.Version.String(), "prefix": i.Prefix, "origin": string(i.Origin),
	})
}
