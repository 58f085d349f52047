// Package scaffold makes manifests for code that is there already: of what a
// folder's files have, or of what another project's configuration says. It
// reads and parses; it runs none of the code.
package scaffold

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/runagent/runagent/internal/agent"
	"github.com/runagent/runagent/internal/fault"
	"github.com/runagent/runagent/internal/runtime/python"
)

// Proposal is a manifest that could be written.
type Proposal struct {
	// From is what it was made of, such as "langgraph.json".
	From        string
	Name        string
	Description string
	Framework   string
	// Python is the version the agent wants, or "".
	Python       string
	Requirements string
	EnvVars      map[string]string
	Entrypoints  []Entrypoint
	// Notes say what could not be carried over and what is left to do.
	Notes []string
}

// Entrypoint is one of a manifest to be.
type Entrypoint struct {
	Tag         string     `json:"tag"`
	File        string     `json:"file"`
	Module      string     `json:"module"`
	Type        agent.Type `json:"type,omitempty"`
	Description string     `json:"description,omitempty"`
}

func (p *Proposal) note(format string, args ...any) {
	p.Notes = append(p.Notes, fmt.Sprintf(format, args...))
}

// add appends an entrypoint under a tag that none before it has.
func (p *Proposal) add(e Entrypoint) {
	taken := func(tag string) bool {
		return slices.ContainsFunc(p.Entrypoints, func(o Entrypoint) bool { return o.Tag == tag })
	}
	stem, suffix := e.Tag, ""
	if short, ok := strings.CutSuffix(e.Tag, "_stream"); ok {
		stem, suffix = short, "_stream"
	}
	for n := 2; taken(e.Tag); n++ {
		e.Tag = fmt.Sprintf("%s_%d%s", stem, n, suffix)
	}
	p.Entrypoints = append(p.Entrypoints, e)
}

// addCandidate appends the entrypoints of c: one, or two when it also streams.
func (p *Proposal) addCandidate(tag string, c *python.Candidate) {
	e := Entrypoint{Tag: tag, File: c.File, Module: c.Name}
	if c.Generator {
		e.Tag += "_stream"
	}
	p.add(e)
	if c.Streams {
		p.add(Entrypoint{Tag: tag + "_stream", File: c.File, Module: c.Name, Type: agent.GenericStream})
	}
}

// Manifest returns the text of the manifest, which is checked to be valid.
func (p *Proposal) Manifest() ([]byte, error) {
	type architecture struct {
		Entrypoints []Entrypoint `json:"entrypoints"`
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	err := enc.Encode(struct {
		Name         string            `json:"agent_name"`
		Description  string            `json:"description,omitempty"`
		Framework    string            `json:"framework"`
		Version      string            `json:"version"`
		Python       string            `json:"python,omitempty"`
		Requirements string            `json:"requirements,omitempty"`
		EnvVars      map[string]string `json:"env_vars,omitempty"`
		Architecture architecture      `json:"agent_architecture"`
	}{agentName(p.Name), p.Description, p.Framework, "0.1.0", p.Python, p.Requirements, p.EnvVars, architecture{p.Entrypoints}})
	if err != nil {
		return nil, fmt.Errorf("write the manifest: %w", err)
	}
	if _, problems := agent.Parse(agent.ManifestName, b.Bytes()); len(problems) > 0 {
		return nil, fmt.Errorf("%s does not make a valid manifest: %w", p.From, problems)
	}
	return b.Bytes(), nil
}

// Write writes the manifest into dir. A manifest that is there is replaced
// only if replace says so; else the error is fault.Conflict.
func Write(dir string, manifest []byte, replace bool) error {
	path := filepath.Join(dir, agent.ManifestName)
	flags := os.O_WRONLY | os.O_CREATE | os.O_EXCL
	if replace {
		flags = os.O_WRONLY | os.O_CREATE | os.O_TRUNC
	}
	f, err := os.OpenFile(path, flags, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return fault.New(fault.Conflict, "%s is there already", path)
	}
	if err != nil {
		return fmt.Errorf("write the manifest: %w", err)
	}
	if _, err := f.Write(manifest); err != nil {
		_ = f.Close()
		return fmt.Errorf("write the manifest: %w", err)
	}
	if err := f.Close(); err != nil {
		return fmt.Errorf("write the manifest: %w", err)
	}
	return nil
}

// agentName makes a valid agent_name of what a project calls itself.
func agentName(name string) string {
	name = strings.TrimSpace(strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return -1
		}
		return r
	}, strings.ToValidUTF8(name, "")))
	if utf8.RuneCountInString(name) > agent.MaxNameLength {
		name = strings.TrimSpace(string([]rune(name)[:agent.MaxNameLength]))
	}
	if name == "" || name == "." || name == "/" {
		return "agent"
	}
	return name
}

// folderName is what a folder is called, whichever way it is reached.
func folderName(dir string) string {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "agent"
	}
	return filepath.Base(abs)
}

// within returns a path as manifests name files: relative to dir, with
// slashes. ok is false for one that is outside.
func within(dir, path string) (rel string, ok bool) {
	if filepath.IsAbs(path) {
		abs, err := filepath.Abs(dir)
		if err != nil {
			return "", false
		}
		if path, err = filepath.Rel(abs, path); err != nil {
			return "", false
		}
	}
	path = filepath.Clean(path)
	return filepath.ToSlash(path), filepath.IsLocal(path)
}

func isFile(dir, name string) bool {
	info, err := os.Stat(filepath.Join(dir, filepath.FromSlash(name)))
	return err == nil && info.Mode().IsRegular()
}
