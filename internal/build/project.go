package build

import (
	"cmp"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/BurntSushi/toml"

	"github.com/runagent/runagent/internal/fault"
)

// manifest is what a pyproject.toml says that matters here.
type manifest struct {
	Project *struct {
		Dependencies []string `toml:"dependencies"`
	} `toml:"project"`
	Tool struct {
		Poetry map[string]any `toml:"poetry"`
		UV     struct {
			// Sources holds for each package a table, or a list of such.
			Sources map[string]any `toml:"sources"`
		} `toml:"uv"`
	} `toml:"tool"`
}

// readProject reads a pyproject.toml.
func readProject(path string) (*manifest, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fault.New(fault.Validation, "can't read pyproject.toml: %w", err)
	}
	var m manifest
	err = toml.Unmarshal(text, &m)
	var broken toml.ParseError
	if errors.As(err, &broken) {
		return nil, fault.New(fault.Validation, "pyproject.toml:%d:%d: %s", broken.Position.Line, max(broken.Position.Col, 1), broken.Message)
	}
	if err != nil {
		return nil, fault.New(fault.Validation, "pyproject.toml: %w", err)
	}
	return &m, nil
}

// source is a package that [tool.uv.sources] takes from a path or, if git, from
// the address of a repository.
type source struct {
	name, path    string
	editable, git bool
}

// sources returns them sorted.
func (m *manifest) sources() []source {
	var found []source
	for name, value := range m.Tool.UV.Sources {
		for _, table := range tables(value) {
			path, _ := table["path"].(string)
			editable, _ := table["editable"].(bool)
			if path != "" {
				found = append(found, source{name: name, path: path, editable: editable})
			}
			if address, _ := table["git"].(string); address != "" {
				found = append(found, source{name: name, path: address, git: true})
			}
		}
	}
	slices.SortFunc(found, func(a, b source) int { return cmp.Or(cmp.Compare(a.name, b.name), cmp.Compare(a.path, b.path)) })
	return found
}

// tables returns the table that a TOML value is, or those it lists.
func tables(value any) []map[string]any {
	switch v := value.(type) {
	case map[string]any:
		return []map[string]any{v}
	case []map[string]any:
		return v
	case []any:
		var all []map[string]any
		for _, item := range v {
			all = append(all, tables(item)...)
		}
		return all
	}
	return nil
}

// addProject adds a pyproject.toml and the local packages that it names.
func (p *plan) addProject(h io.Writer, path string) error {
	if err := addFile(h, path); err != nil {
		return err
	}
	m, err := readProject(path)
	if err != nil {
		return err
	}
	r := p.reader(h)
	r.dir = filepath.Dir(path)
	if m.Project != nil {
		for _, requirement := range m.Project.Dependencies {
			r.note(requirement)
			if err := r.repository(requirement, requirement); err != nil {
				return err
			}
			if local, ok := r.local(requirement); ok {
				if err := r.tree(local, requirement); err != nil {
					return err
				}
			}
		}
	}
	for _, s := range m.sources() {
		add, requirement := r.tree, s.name+" = "+s.path
		path := r.absolute(s.path)
		switch {
		case s.git:
			add, path = r.repository, "git+"+s.path
		case s.editable:
			add = r.editable
		}
		if err := add(path, requirement); err != nil {
			return err
		}
	}
	return nil
}

// addLock adds a uv.lock, whose local packages must lie inside, too.
func (p *plan) addLock(h io.Writer) error {
	if err := addFile(h, p.file); err != nil || !p.inside {
		return err
	}
	var lock struct {
		Package []struct {
			Name   string         `toml:"name"`
			Source map[string]any `toml:"source"`
		} `toml:"package"`
	}
	if _, err := toml.DecodeFile(p.file, &lock); err != nil {
		return fault.New(fault.Validation, "uv.lock: %w", err).WithSuggestion("Write it again with `uv lock`.")
	}
	r := p.reader(h)
	for _, pkg := range lock.Package {
		if address, ok := pkg.Source["git"].(string); ok {
			if err := r.repository("git+"+address, pkg.Name+" = "+address); err != nil {
				return err
			}
		}
		for _, kind := range []string{"editable", "directory", "path", "virtual"} {
			if path, ok := pkg.Source[kind].(string); ok {
				if err := r.within(r.absolute(path), pkg.Name+" = "+path); err != nil {
					return err
				}
			}
		}
	}
	return nil
}
