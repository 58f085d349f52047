package agent

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/runagent/runagent/internal/nearest"
)

// SourceInspector reads Python sources without running them.
type SourceInspector interface {
	// Inspect reports on each Python function of the agent in dir, in their
	// order (see Manifest.Functions). An error means that nothing could be inspected, such as for want
	// of an interpreter; what is wrong with the sources is in the reports.
	Inspect(ctx context.Context, dir string, functions []Entrypoint) ([]SourceReport, error)
}

// SourceReport says what one entrypoint's source holds.
type SourceReport struct {
	Tag  string
	File string
	// OK is whether the file can be read and defines the entrypoint's module,
	// or may well do so. Otherwise Problem is missing_file, unreadable, syntax,
	// missing_name or missing_method, and Message says it. Line and Column,
	// from 1, are where: of the definition, or of the syntax error.
	OK      bool
	Problem string
	Message string
	Line    int
	Column  int
	// Names are what the file defines at its top level, Nearest the one most
	// like a missing one.
	Names   []string
	Nearest string
	// Kind is function, class, variable, import or unknown. Async and
	// Generator are told of plain functions only.
	Kind      string
	Async     bool
	Generator bool
}

// CheckSources returns what the reports say is wrong: files and functions that
// do not exist, with the nearest that do, syntax errors where they are, and
// types that the functions contradict. Without reports (nil) it still finds
// the files that do not exist, if the manifest came from Load.
func CheckSources(m *Manifest, reports []SourceReport) Problems {
	c := &sourceCheck{m: m}
	left := slices.Clone(reports)
	for i, e := range m.Functions() {
		at := entrypointPath(i)
		if i >= len(m.Entrypoints) {
			at = "/" + strings.ReplaceAll(e.Tag, ".", "/")
		}
		if e.WebhookURL != "" || e.File == "" || c.missing(e, at) {
			continue
		}
		if j := slices.IndexFunc(left, func(r SourceReport) bool { return r.Tag == e.Tag && r.File == e.File }); j >= 0 {
			c.report(e, at, left[j])
			left = slices.Delete(left, j, j+1) // the next is of another entrypoint with this tag
		}
	}
	return c.problems.Sorted()
}

// sourceCheck gathers the problems of one manifest's sources.
type sourceCheck struct {
	m        *Manifest
	files    []string // the folder's Python files, found when first needed
	problems Problems
}

// missing notes an entrypoint's file that does not exist.
func (c *sourceCheck) missing(e Entrypoint, at string) bool {
	if c.m.dir == "" || !filepath.IsLocal(filepath.FromSlash(e.File)) {
		return false
	}
	info, err := os.Stat(filepath.Join(c.m.dir, filepath.FromSlash(e.File)))
	if err == nil && info.Mode().IsRegular() {
		return false
	}
	c.addMissing(e, at)
	return true
}

func (c *sourceCheck) addMissing(e Entrypoint, at string) {
	c.add(at+"/file", fmt.Sprintf("%s: there is no file %s", dottedPointer(at+"/file"), shown(e.File)), c.nearestFile(e.File))
}

func (c *sourceCheck) report(e Entrypoint, at string, r SourceReport) {
	switch {
	case r.OK:
		c.compareType(e, at, r)
	case r.Problem == "missing_file":
		c.addMissing(e, at)
	case r.Problem == "missing_name":
		c.add(at+"/module", fmt.Sprintf("%s: %s defines no %s", dottedPointer(at+"/module"), e.File, shown(e.Module)), nearestMember(e.Module, r))
	case r.Problem == "missing_method":
		c.add(at+"/module", dottedPointer(at+"/module")+": "+r.Message, "")
	case r.Problem == "syntax":
		c.problems = append(c.problems, Problem{
			File: c.sourcePath(e.File), Line: max(r.Line, 1), Column: max(r.Column, 1), Message: "not Python: " + r.Message,
		})
	default:
		c.add(at+"/file", dottedPointer(at+"/file")+": "+r.Message, "")
	}
}

// compareType notes a type that the function contradicts. A plain function
// contradicts none: it may return an awaitable or a stream.
func (c *sourceCheck) compareType(e Entrypoint, at string, r SourceReport) {
	complain := func(is string, better Type) {
		c.add(at+"/type", fmt.Sprintf("%s: %s in %s %s, which %q does not fit",
			dottedPointer(at+"/type"), e.Module, e.File, is, e.Type), string(better))
	}
	switch {
	case r.Generator && e.Type != "" && e.Type != GenericStream:
		complain("yields its results", GenericStream)
	case r.Async && !r.Generator && e.Type == Generic:
		complain("is an async function", Async)
	}
}

func (c *sourceCheck) add(at, message, suggestion string) {
	if c.m.doc == nil {
		c.problems = append(c.problems, Problem{File: ManifestName, Path: at, Message: message, Suggestion: suggestion})
		return
	}
	c.problems = append(c.problems, c.m.doc.atValue(at, message, suggestion))
}

// sourcePath returns a source's path in the style of the manifest's.
func (c *sourceCheck) sourcePath(file string) string {
	if c.m.doc == nil {
		return file
	}
	return filepath.Join(filepath.Dir(c.m.doc.file), filepath.FromSlash(file))
}

// nearestFile returns the Python file that was probably meant: one of the
// same name elsewhere, else one spelt alike, else the only one there is.
func (c *sourceCheck) nearestFile(file string) string {
	if c.files == nil && c.m.dir != "" {
		c.files = pythonFiles(c.m.dir)
	}
	for _, f := range c.files {
		if f != file && strings.EqualFold(path.Base(f), path.Base(file)) {
			return f
		}
	}
	if near := nearest.Name(file, c.files); near != "" {
		return near
	}
	if len(c.files) == 1 && c.files[0] != file {
		return c.files[0]
	}
	return ""
}

// pythonFiles lists the Python files in the agent's folder, its environments
// and hidden folders left out, three levels deep and 1,000 at most.
func pythonFiles(dir string) []string {
	var files []string
	root := os.DirFS(dir)
	walk := func(p string, entry fs.DirEntry, err error) error {
		name := entry.Name()
		switch {
		case err != nil: // what can't be read has no candidates
			return fs.SkipDir
		case len(files) >= 1000:
			return fs.SkipAll
		case entry.IsDir() && p != "." && (strings.HasPrefix(name, ".") || skippedFolder(name) || strings.Count(p, "/") > 2):
			return fs.SkipDir
		case !entry.IsDir() && path.Ext(name) == ".py":
			files = append(files, p)
		}
		return nil
	}
	if err := fs.WalkDir(root, ".", walk); err != nil {
		return nil
	}
	return files
}

func skippedFolder(name string) bool {
	return slices.Contains([]string{"__pycache__", "node_modules", "venv", "env", "site-packages"}, name)
}

// nearestMember returns the module that was probably meant. Only its first part
// is compared: what objects hold shows at run time.
func nearestMember(module string, r SourceReport) string {
	first, rest, _ := strings.Cut(module, ".")
	near := or(nearest.Name(first, r.Names), r.Nearest)
	if near == "" || rest == "" {
		return near
	}
	return near + "." + rest
}
