// Package templates holds the folders that `runagent init` writes: for each
// framework a working agent with its manifest, requirements and README.
package templates

import (
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

	"github.com/runagent/runagent/internal/agent"
	"github.com/runagent/runagent/internal/fault"
)

// maxNameLength is the manifest's bound on agent_name, in characters.
const maxNameLength = 50

// Names that start with a dot have to be named: a plain glob leaves them out.
//
//go:embed default/*.py default/*.json default/*.md default/.gitignore
//go:embed langgraph/*.py langgraph/*.json langgraph/*.md langgraph/*.txt langgraph/.gitignore
var folders embed.FS

// Options says what Write puts into the manifest beyond the name.
type Options struct {
	// AgentID is the agent's ID; "" derives it from the folder's path, as
	// serving a folder without an ID would.
	AgentID string
}

// Frameworks returns the names of the templates, sorted.
func Frameworks() []string {
	entries, err := folders.ReadDir(".")
	if err != nil {
		return nil // an embedded root is always there
	}
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = e.Name()
	}
	return names
}

// Write makes dir an agent from the framework's template and returns the paths
// of the files it wrote, relative to dir. An empty name means that of the
// folder. Existing files are never overwritten: if there is one that the
// template has too, nothing is written and the error, fault.Conflict, lists
// them all. An unknown framework or a bad name is fault.Validation.
func Write(dir, framework, name string, opts Options) (files []string, err error) {
	if !slices.Contains(Frameworks(), framework) {
		return nil, fault.New(fault.Validation, "there is no template %q; there are: %s", framework, strings.Join(Frameworks(), ", "))
	}
	root, err := makeFolder(dir)
	if err != nil {
		return nil, err
	}
	if name, err = agentName(name, root); err != nil {
		return nil, err
	}
	files, err = templateFiles(framework)
	if err != nil {
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
		if err := writeFile(root, framework, file, fill(file, name, id)); err != nil {
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
	case given && utf8.RuneCountInString(name) > maxNameLength:
		return "", fault.New(fault.Validation, "the name has %d characters, at most %d are allowed", utf8.RuneCountInString(name), maxNameLength)
	case given && name == "":
		return "", fault.New(fault.Validation, "the name is blank")
	case name == "" || name == "/":
		return "agent", nil
	}
	return strings.TrimSpace(string([]rune(name)[:min(maxNameLength, utf8.RuneCountInString(name))])), nil
}

// templateFiles lists the files of a template, relative to its folder.
func templateFiles(framework string) ([]string, error) {
	entries, err := folders.ReadDir(framework)
	if err != nil {
		return nil, fmt.Errorf("read template %s: %w", framework, err)
	}
	files := make([]string, len(entries))
	for i, e := range entries {
		files[i] = e.Name()
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

// jsonText returns s as it stands between the quotes of a JSON string.
func jsonText(s string) string {
	quoted, err := json.Marshal(s)
	if err != nil {
		return s // strings always marshal
	}
	return string(quoted[1 : len(quoted)-1])
}

func writeFile(root, framework, file string, filler *strings.Replacer) error {
	text, err := folders.ReadFile(path.Join(framework, file))
	if err != nil {
		return fmt.Errorf("read template: %w", err)
	}
	// O_EXCL: what appeared since the look at the folder is not ours to overwrite.
	f, err := os.OpenFile(filepath.Join(root, file), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
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
