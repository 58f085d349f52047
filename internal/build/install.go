package build

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/runagent/runagent/internal/build/bounds"
	"github.com/runagent/runagent/internal/build/transcript"
	"github.com/runagent/runagent/internal/runtime/python"
)

// listDependencies prints the [project] dependencies of a pyproject.toml for
// pip, which would build the folder as a package instead.
const listDependencies = `import sys
try:
    import tomllib
except ImportError:
    from pip._vendor import tomli as tomllib
with open(sys.argv[1], "rb") as file:
    project = tomllib.load(file)["project"]
if "dependencies" in project.get("dynamic", []):
    sys.exit("pyproject.toml leaves its dependencies to the build tool (dynamic): list them in [project], or use uv")
print("\n".join(project.get("dependencies", [])))`

// misleading are variables of the author's shell that would make an installer
// put packages elsewhere than into the environment that is built.
var misleading = []string{
	"VIRTUAL_ENV", "CONDA_PREFIX", "PYTHONHOME", "PYTHONPATH", "PIP_TARGET", "PIP_PREFIX", "PIP_USER", "PIP_ROOT",
	"PIP_PYTHON", "UV_PROJECT_ENVIRONMENT", "UV_SYSTEM_PYTHON", "UV_PYTHON", "UV_TARGET", "UV_PREFIX",
}

// install makes the environment of p in dir and returns its interpreter.
func (b *Builder) install(ctx context.Context, p *plan, dir string, lock *os.File) (*python.Interpreter, error) {
	work := b.begin(ctx, p, dir, lock)
	defer work.end()
	p.tell(fmt.Sprintf("installing %s for Python %s with %s", p.name(), p.python.Version, b.installer()))
	steps := work.withPip
	if b.o.UV != "" {
		steps = work.withUV
	}
	if err := steps(); err != nil {
		return nil, err
	}
	in, err := python.Probe(work.Context(), filepath.Join(dir, "bin", "python"))
	if err != nil {
		return nil, fmt.Errorf("try the environment: %w", err)
	}
	in.Origin = python.Built
	return in, nil
}

// begin begins an installation of p's into dir; end must be called.
func (b *Builder) begin(ctx context.Context, p *plan, dir string, lock *os.File) *installation {
	scratch := dir + scratchSuffix
	return &installation{
		Run: bounds.Begin(ctx, b.o.Bounds, dir, scratch), plan: p, dir: dir, scratch: scratch, uv: b.o.UV, lock: lock,
		environ: b.installEnv(p, dir, scratch), tell: p.tell, home: b.o.Home,
	}
}

// end ends an installation and removes what it left besides.
func (w *installation) end() {
	w.End()
	_ = os.RemoveAll(w.scratch) // the next collection tries again
}

// name is what the author calls the file that is installed from.
func (p *plan) name() string {
	if rel, err := filepath.Rel(p.dir, p.file); err == nil {
		return rel
	}
	return p.file
}

// installation is one run of an installer.
type installation struct {
	*bounds.Run
	plan    *plan
	dir     string
	scratch string // for its temporary files
	home    string
	uv      string
	lock    *os.File
	environ []string
	tell    func(string)
}

func (w *installation) python() string { return filepath.Join(w.dir, "bin", "python") }

func (w *installation) withUV() error {
	venv := []string{w.uv, "venv", "--quiet", "--no-project", "--python", w.plan.python.Path, w.dir}
	if err := w.run(venv); err != nil {
		return err
	}
	if w.plan.kind == locked {
		return w.run(append([]string{w.uv, "sync", "--locked", "--no-dev", "--no-install-project", "--compile-bytecode",
			"--python", w.python(), "--project", filepath.Dir(w.plan.file)}, w.copied()...))
	}
	argv := append([]string{w.uv, "pip", "install", "--compile-bytecode", "--python", w.python()}, w.copied()...)
	if w.plan.lock != "" {
		argv = append(argv, w.plan.found.places...)
		return w.run(append(argv, "--no-deps", "-r", LockFile(w.home, w.plan.lock)))
	}
	return w.run(append(argv, "-r", w.plan.file))
}

// copied keeps an environment from pointing into a folder that does not stay.
func (w *installation) copied() []string {
	if w.plan.inside {
		return []string{"--no-editable"}
	}
	return nil
}

func (w *installation) withPip() error {
	if err := w.run([]string{w.plan.python.Path, "-m", "venv", w.dir}); err != nil {
		return err
	}
	file := w.plan.file
	if w.plan.kind == project {
		var err error
		if file, err = w.dependencies(); err != nil {
			return err
		}
	}
	return w.run([]string{w.python(), "-m", "pip", "install", "--no-input", "--disable-pip-version-check",
		"--progress-bar", "off", "-r", file})
}

// dependencies writes those of a pyproject.toml to a file for pip.
func (w *installation) dependencies() (string, error) {
	out := transcript.New(nil)
	if err := w.start([]string{w.python(), "-c", listDependencies, w.plan.file}, out); err != nil {
		return "", w.explain("read pyproject.toml", err, out)
	}
	path := filepath.Join(w.dir, "dependencies.txt")
	if err := os.WriteFile(path, []byte(strings.Join(out.Lines(), "\n")+"\n"), 0o600); err != nil {
		return "", fmt.Errorf("write dependencies: %w", err)
	}
	return path, nil
}

// run runs one step of the installer and tells each of its lines.
func (w *installation) run(argv []string) error {
	out := transcript.New(w.tell)
	if err := w.start(argv, out); err != nil {
		return w.explain(strings.Join(commandName(argv), " "), err, out)
	}
	return nil
}

// start runs argv to its end. The lock is held until all that it started has
// ended, also if this process dies: nobody builds beside it.
func (w *installation) start(argv []string, out *transcript.Transcript) error {
	cmd := w.Command(argv)
	cmd.Dir = w.plan.dir
	cmd.Env = w.environ
	cmd.Stdout, cmd.Stderr = out, out
	cmd.ExtraFiles = []*os.File{w.lock}
	err := w.Do(cmd)
	out.Flush()
	return err
}

// installEnv is what an installer gets: the Builder's environment without what
// would mislead it, and the agent's credentials.
func (b *Builder) installEnv(p *plan, dir, scratch string) []string {
	env := slices.DeleteFunc(append(slices.Clone(b.o.Environ), p.vars...), func(entry string) bool {
		name, _, _ := strings.Cut(entry, "=")
		return slices.Contains(misleading, name)
	})
	env = append(env,
		"UV_PROJECT_ENVIRONMENT="+dir, "UV_PYTHON_DOWNLOADS=never", "UV_NO_PROGRESS=1", "NO_COLOR=1",
		"PYTHONUNBUFFERED=1", "PIP_DISABLE_PIP_VERSION_CHECK=1", "GIT_TERMINAL_PROMPT=0",
	)
	if !b.o.Deployed {
		return env
	}
	if os.MkdirAll(scratch, 0o700) == nil {
		env = append(env, "TMPDIR="+scratch)
	}
	if !slices.ContainsFunc(env, func(entry string) bool { return strings.HasPrefix(entry, "UV_CACHE_DIR=") }) {
		env = append(env, "UV_CACHE_DIR="+filepath.Join(b.o.Home, "cache", "uv"))
	}
	return append(env, "UV_LINK_MODE=hardlink")
}

// commandName is the part of argv that says what was run: "uv pip install".
func commandName(argv []string) []string {
	name := []string{filepath.Base(argv[0])}
	for _, arg := range argv[1:] {
		if strings.HasPrefix(arg, "-") && arg != "-m" {
			break
		}
		if arg != "-m" && !filepath.IsAbs(arg) {
			name = append(name, arg)
		}
	}
	return name
}
