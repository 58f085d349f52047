package build

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/runagent/runagent/internal/fault"
	"github.com/runagent/runagent/internal/runtime/python"
)

// kind says what there is to install.
type kind string

const (
	nothing      kind = "nothing"
	requirements kind = "requirements" // a file for pip
	project      kind = "project"      // the dependencies of a pyproject.toml
	locked       kind = "locked"       // a pyproject.toml with its uv.lock
)

// formatVersion is part of every key: a release that installs differently
// raises it, so that old environments are not taken for new ones.
const formatVersion = "1"

// plan is what to install, and the key of the result.
type plan struct {
	kind   kind
	dir    string // the agent's folder
	file   string // absolute: what the installer is given
	python *python.Interpreter
	// inputs is the digest of what was asked for; key that of what is
	// installed: the same, or with the lock.
	inputs, key string
	tell        func(line string)
	// inside refuses local packages outside of dir.
	inside bool
	// found is what reading the requirements has shown.
	found findings
	// vars are what of the agent's variables the installer gets.
	vars []string
	mask *strings.Replacer
	// lock is the digest of the lock that is installed from, "" for none.
	lock string
}

// findings are what requirements say beside what is required.
type findings struct {
	// hashed says that a requirement names its hashes: it is locked.
	hashed bool
	// editable is a package that is to be installed in place, "" for none.
	editable string
	// options are lines for the installer, such as --extra-index-url.
	options []string
	// places are options with a path inside of the folder each, such as
	// --find-links: only where the folder lies can they be followed.
	places []string
	// refers are the ${NAME} that stand anywhere.
	refers []string
}

// plan reads what req asks for. It starts no process.
func (b *Builder) plan(req Request) (*plan, error) {
	dir, err := filepath.Abs(req.Dir)
	if err != nil {
		return nil, fmt.Errorf("find the folder: %w", err)
	}
	p := &plan{dir: dir, python: req.Python, tell: b.o.Progress, inside: b.o.Deployed, mask: strings.NewReplacer()}
	if req.Progress != nil {
		p.tell = req.Progress
	}
	if err := p.choose(req.Requirements); err != nil {
		return nil, err
	}
	if p.kind == locked && b.o.UV == "" {
		return nil, fault.New(fault.Validation, "uv.lock needs uv, which was not found").
			WithSuggestion("install it with `pip install uv`, or remove uv.lock to install what pyproject.toml names")
	}
	if p.kind == project && b.o.UV == "" {
		if err := p.refuseSources(); err != nil {
			return nil, err
		}
	}
	if err := p.digest(b.installer(), req); err != nil {
		return nil, err
	}
	if p.inside && p.found.editable != "" && b.o.UV == "" {
		return nil, fault.New(fault.Validation, "requirement %q is to be installed in place, but the platform's copy of the folder does not stay, and only uv can copy the package", p.found.editable).
			WithSuggestion("Remove the -e, or have uv installed on the platform's machine.")
	}
	return p, nil
}

// refuseSources refuses what pip would take from an index under the same name.
func (p *plan) refuseSources() error {
	m, err := readProject(p.file)
	if err != nil || len(m.Tool.UV.Sources) == 0 {
		return err
	}
	return fault.New(fault.Validation, "pyproject.toml says in [tool.uv.sources] where packages come from, which only uv knows, and uv was not found").
		WithSuggestion("install it with `pip install uv`, or list the dependencies in requirements.txt")
}

// Included returns the files that the requirements of the agent in dir consist
// of, by their absolute paths, as far as they can be told: also those that are
// not there. named is the manifest's `requirements`, or "".
func Included(dir, named string) []string {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil
	}
	p := &plan{dir: dir}
	if err := p.choose(named); err != nil || p.kind != requirements {
		return p.files()
	}
	r := newReader(io.Discard, dir)
	_ = r.file(p.file, 0) // who installs says what is wrong
	return slices.Sorted(maps.Keys(r.seen))
}

// files is the file that was chosen, if one was.
func (p *plan) files() []string {
	if p.file == "" {
		return nil
	}
	return []string{p.file}
}

func (b *Builder) installer() string {
	if b.o.UV != "" {
		return "uv"
	}
	return "pip"
}

// choose sets what to install: the named file, else the first that is there.
func (p *plan) choose(named string) error {
	if named != "" {
		path := named
		if !filepath.IsAbs(path) {
			path = filepath.Join(p.dir, path)
		}
		p.file = path
		if _, err := os.Stat(path); err != nil {
			return fault.New(fault.Validation, "the manifest names requirements %q, which can't be read: %w", named, err).WithField("requirements")
		}
		return p.take(path)
	}
	for _, name := range []string{"requirements.txt", "uv.lock", "pyproject.toml"} {
		path := filepath.Join(p.dir, name)
		if _, err := os.Stat(path); err == nil {
			return p.take(path)
		} else if !missing(err) {
			return fault.New(fault.Validation, "can't read %s: %w", name, err)
		}
	}
	p.kind = nothing
	return nil
}

// take sets path as what to install, by its name.
func (p *plan) take(path string) error {
	p.file = path
	switch filepath.Base(path) {
	case "uv.lock":
		p.kind = locked
		if _, err := os.Stat(filepath.Join(filepath.Dir(path), "pyproject.toml")); err != nil {
			return fault.New(fault.Validation, "uv.lock has no pyproject.toml beside it: %w", err)
		}
	case "pyproject.toml":
		m, err := readProject(path)
		if err != nil {
			return err
		}
		switch {
		case m.Project != nil:
			p.kind = project
		case m.Tool.Poetry != nil:
			return fault.New(fault.Validation, "pyproject.toml lists its dependencies for Poetry, which is not supported").
				WithSuggestion("move them to [project], or run `poetry export -o requirements.txt`")
		default:
			p.kind = nothing // it only configures tools
		}
	default:
		p.kind = requirements
	}
	return nil
}

// digest sets the key: a change of anything that decides what gets installed
// changes it.
func (p *plan) digest(installer string, req Request) error {
	h := sha256.New()
	add(h, "format", formatVersion)
	add(h, "python", p.python.Version.String())
	add(h, "platform", p.python.Platform)
	add(h, "base", p.python.Base)
	add(h, "kind", string(p.kind))
	if p.kind != nothing {
		add(h, "installer", installer)
	}
	if err := p.addContent(h); err != nil {
		return err
	}
	if p.credentials(req.Vars) {
		add(h, "agent", req.Agent) // what it may read, others may not
	}
	p.inputs = hex.EncodeToString(h.Sum(nil)[:16])
	p.key = p.inputs
	return nil
}

func (p *plan) addContent(h io.Writer) error {
	switch p.kind {
	case requirements:
		return p.reader(h).file(p.file, 0)
	case project:
		return p.addProject(h, p.file)
	case locked:
		if err := p.addProject(h, filepath.Join(filepath.Dir(p.file), "pyproject.toml")); err != nil {
			return err
		}
		return p.addLock(h)
	default:
		return nil
	}
}

// reader returns a reader of requirements whose findings are p's.
func (p *plan) reader(h io.Writer) *reader {
	r := newReader(h, p.dir)
	r.found = &p.found
	if p.inside {
		r.inside = p.dir
	}
	return r
}

// add writes a named value so that no two lists of values write the same.
func add(h io.Writer, name, value string) {
	fmt.Fprintf(h, "%s %d\n%s\n", name, len(value), value)
}

func addFile(h io.Writer, path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return fault.New(fault.Validation, "can't read %s: %w", filepath.Base(path), err)
	}
	add(h, filepath.Base(path), string(text))
	return nil
}
