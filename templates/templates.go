// Package templates holds the folders that `runagent init` writes: for each
// framework a working agent with its manifest, requirements and README.
package templates

import (
	"cmp"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/runagent/runagent/examples"
	"github.com/runagent/runagent/internal/agent"
	"github.com/runagent/runagent/internal/fault"
	"github.com/runagent/runagent/internal/nearest"
)

// Names that start with a dot have to be named: a plain glob leaves them out.
//
//go:embed */*.py */*.json */*.md */*.txt */.gitignore
var folders embed.FS

// Default is the name of the template that each framework has.
const Default = "default"

// Template is an agent to start from.
type Template struct {
	// Framework is what it is written with, as manifests name it.
	Framework string `json:"framework"`
	// Name tells the templates of a framework apart.
	Name string `json:"template"`
	// Description says in one line what the agent does.
	Description string `json:"description"`

	files fs.FS
	// example is the name of the example that this template is; "" is none.
	example string
}

// Options says what Write puts into the manifest beyond the name.
type Options struct {
	// AgentID is the agent's ID; "" derives it from the folder's path, as
	// serving a folder without an ID would.
	AgentID string
}

// All returns the templates, sorted by framework, the default one first. The
// others are the examples.
func All() []Template {
	all := slices.Concat(readAll(folders), readAll(examples.Files))
	slices.SortStableFunc(all, func(a, b Template) int {
		return cmp.Or(strings.Compare(rank(a.Framework), rank(b.Framework)), strings.Compare(rank(a.Name), rank(b.Name)))
	})
	return all
}

// rank sorts the default before all others.
func rank(name string) string {
	if name == Default {
		return ""
	}
	return name
}

// readAll returns the templates of the folders whose manifest says that it is one.
func readAll(root embed.FS) []Template {
	entries, err := root.ReadDir(".")
	if err != nil {
		return nil // an embedded root is always there
	}
	var all []Template
	for _, e := range entries {
		if t, err := read(root, e.Name()); err == nil && t.Name != "" { // a test counts them
			all = append(all, t)
		}
	}
	return all
}

// read returns the template in a folder, by what its manifest says.
func read(root embed.FS, folder string) (Template, error) {
	files, err := fs.Sub(root, folder)
	if err != nil {
		return Template{}, fmt.Errorf("open template %s: %w", folder, err)
	}
	raw, err := fs.ReadFile(files, agent.ManifestName)
	if err != nil {
		return Template{}, fmt.Errorf("read template %s: %w", folder, err)
	}
	var m struct {
		Framework, Template, Description string
		AgentID                          string `json:"agent_id"`
	}
	if err := json.Unmarshal(raw, &m); err != nil {
		return Template{}, fmt.Errorf("read template %s: %w", folder, err)
	}
	t := Template{Framework: m.Framework, Name: m.Template, Description: m.Description, files: files}
	if m.AgentID != "AGENT_ID" {
		t.example = m.AgentID
	}
	return t, nil
}

// Frameworks returns the frameworks that have templates, sorted, the default first.
func Frameworks() []string {
	var names []string
	for _, t := range All() {
		names = append(names, t.Framework)
	}
	return slices.Compact(names)
}

// Find returns a framework's template. Hyphens and capitals make no
// difference. Unknown names are fault.Validation, with all there are and the
// nearest one as suggestion, or with the framework whose template it is.
func Find(framework, name string) (Template, error) {
	var names, elsewhere []string
	for _, t := range All() {
		same := plain(t.Name) == plain(name)
		switch {
		case t.Framework == plain(framework) && same:
			return t, nil
		case t.Framework == plain(framework):
			names = append(names, t.Name)
		case same:
			elsewhere = append(elsewhere, t.Framework)
		}
	}
	if len(names) == 0 {
		return Template{}, unknown("there is no template for", framework, Frameworks())
	}
	if len(elsewhere) > 0 {
		return Template{}, fault.New(fault.Validation, "%s has no template %q; it is one of %s: add --framework %s",
			plain(framework), name, strings.Join(elsewhere, ", "), elsewhere[0])
	}
	return Template{}, unknown(plain(framework)+" has no template", name, names)
}

func plain(name string) string { return strings.ReplaceAll(strings.ToLower(name), "-", "_") }

func unknown(what, name string, names []string) error {
	hint := ""
	if near := nearest.Name(name, names); near != "" {
		hint = fmt.Sprintf(" (did you mean %q?)", near)
	}
	return fault.New(fault.Validation, "%s %q%s; there are: %s", what, name, hint, strings.Join(names, ", "))
}

// Write makes dir an agent from the template and returns the paths of the
// files it wrote, relative to dir. An empty name means that of the folder.
// Existing files are never overwritten: if there is one that the template has
// too, nothing is written and the error, fault.Conflict, lists them all. A bad
// name is fault.Validation.
func (t Template) Write(dir, name string, opts Options) (files []string, err error) {
	root, err := makeFolder(dir)
	if err != nil {
		return nil, err
	}
	if name, err = agentName(name, root); err != nil {
		return nil, err
	}
	if files, err = t.list(); err != nil {
		return nil, err
	}
	if err := refuseExisting(root, files); err != nil {
		return nil, err
	}
	id := opts.AgentID
	if id == "" {
		id = agent.DeriveID(root)
	}
	for _, file := range files {
		filler := fill(file, name, id)
		if t.example != "" {
			filler = t.refill(file, name, id)
		}
		if err := t.writeFile(root, file, filler); err != nil {
			return nil, err
		}
	}
	return files, nil
}

// makeFolder makes dir and returns its path as agents are identified by it.
func makeFolder(dir string) (string, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("make folder: %w", err)
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", fmt.Errorf("find folder: %w", err)
	}
	root, err := filepath.EvalSymlinks(abs)
	if err != nil {
		return "", fmt.Errorf("find folder: %w", err)
	}
	return root, nil
}

// agentName checks a given name and makes one of the folder's otherwise.
func agentName(name, root string) (string, error) {
	given := name != ""
	if !given {
		name = strings.ToValidUTF8(filepath.Base(root), "")
	}
	name = strings.TrimSpace(strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return -1
		}
		return r
	}, name))
	switch {
	case given && utf8.RuneCountInString(name) > agent.MaxNameLength:
		return "", fault.New(fault.Validation, "the name has %d characters, at most %d are allowed", utf8.RuneCountInString(name), agent.MaxNameLength)
	case given && name == "":
		return "", fault.New(fault.Validation, "the name is blank")
	case name == "" || name == "/":
		return "agent", nil
	}
	return strings.TrimSpace(string([]rune(name)[:min(agent.MaxNameLength, utf8.RuneCountInString(name))])), nil
}

// list returns the paths of the template's files.
func (t Template) list() ([]string, error) {
	var files []string
	err := fs.WalkDir(t.files, ".", func(path string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			files = append(files, path)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read template %s of %s: %w", t.Name, t.Framework, err)
	}
	return files, nil
}

// refuseExisting lists the files that are in root already.
func refuseExisting(root string, files []string) error {
	var there []string
	for _, file := range files {
		_, err := os.Lstat(filepath.Join(root, file))
		switch {
		case err == nil:
			there = append(there, file)
		case !errors.Is(err, fs.ErrNotExist):
			return fmt.Errorf("look for %s: %w", file, err)
		}
	}
	if len(there) == 0 {
		return nil
	}
	return fault.New(fault.Conflict, "%s has these files already: %s; nothing was written", root, strings.Join(there, ", "))
}

// fill returns what replaces the placeholders of a file.
func fill(file, name, id string) *strings.Replacer {
	quote := func(s string) string { return s }
	if path.Ext(file) == ".json" {
		quote = jsonText
	}
	return strings.NewReplacer(
		"AGENT_NAME", quote(name),
		"AGENT_SLUG", url.PathEscape(agent.Slug(name)),
		"AGENT_ID", quote(id),
		"SCHEMA_URL", agent.SchemaURL,
	)
}

// refill returns what replaces the name of an example, which is also its
// folder's, where a file names the agent.
func (t Template) refill(file, name, id string) *strings.Replacer {
	old, slug := t.example, url.PathEscape(agent.Slug(name))
	switch file {
	case agent.ManifestName:
		return strings.NewReplacer(
			`"agent_id": "`+old+`"`, `"agent_id": "`+jsonText(id)+`"`, `"agent_name": "`+old+`"`, `"agent_name": "`+jsonText(name)+`"`)
	case "README.md":
		return strings.NewReplacer(
			"/agents/"+old+"/", "/agents/"+slug+"/", "runagent run "+old, "runagent run "+slug, "runagent run-stream "+old, "runagent run-stream "+slug,
			"runagent serve examples/"+old, "runagent serve .", "runagent schema examples/"+old, "runagent schema .", ", in this folder:", ":")
	}
	return strings.NewReplacer()
}

// jsonText returns s as it stands between the quotes of a JSON string.
func jsonText(s string) string {
	quoted, err := json.Marshal(s)
	if err != nil {
		return s // strings always marshal
	}
	return string(quoted[1 : len(quoted)-1])
}

func (t Template) writeFile(root, file string, filler *strings.Replacer) error {
	text, err := fs.ReadFile(t.files, file)
	if err != nil {
		return fmt.Errorf("read template: %w", err)
	}
	target := filepath.Join(root, filepath.FromSlash(file))
	if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
		return fmt.Errorf("write %s: %w", file, err)
	}
	// O_EXCL: what appeared since the look at the folder is not ours to overwrite.
	f, err := os.OpenFile(target, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return fmt.Errorf("write %s: %w", file, err)
	}
	if _, err := filler.WriteString(f, string(text)); err != nil {
		return errors.Join(fmt.Errorf("write %s: %w", file, err), f.Close())
	}
	if err := f.Close(); err != nil {
		return fmt.Errorf("write %s: %w", file, err)
	}
	return nil
}
