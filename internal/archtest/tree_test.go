package archtest

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/runagent/runagent"

// source is one Go file of the module.
type source struct {
	path  string // slash-separated, from the module's root
	lines int
	file  *ast.File
	fset  *token.FileSet
}

// dir is the file's package directory, from the module's root.
func (s source) dir() string { return path.Dir(s.path) }

// name is the last element of the package's path.
func (s source) name() string { return path.Base(s.dir()) }

func (s source) test() bool { return strings.HasSuffix(s.path, "_test.go") }

func (s source) generated() bool { return ast.IsGenerated(s.file) }

// imports lists the import paths of the file.
func (s source) imports() []string {
	var paths []string
	for _, spec := range s.file.Imports {
		p, err := strconv.Unquote(spec.Path.Value)
		if err == nil {
			paths = append(paths, p)
		}
	}
	return paths
}

// line returns the line at pos.
func (s source) line(pos token.Pos) int { return s.fset.Position(pos).Line }

// parse makes a source of text; the tests of the rules use it on made-up files.
func parse(t testing.TB, name string, text []byte) source {
	t.Helper()
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, name, text, parser.ParseComments)
	if err != nil {
		t.Fatalf("parse %s: %v", name, err)
	}
	return source{path: name, lines: bytes.Count(text, []byte("\n")), file: file, fset: fset}
}

// loadModule parses every Go file of the module.
func loadModule(t testing.TB) []source {
	t.Helper()
	root := moduleRoot(t)
	var files []source
	err := filepath.WalkDir(root, func(p string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			if p != root && skipped(entry.Name()) {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(p, ".go") {
			return nil
		}
		rel, err := filepath.Rel(root, p)
		if err != nil {
			return err
		}
		text, err := os.ReadFile(p)
		if err != nil {
			return err
		}
		files = append(files, parse(t, filepath.ToSlash(rel), text))
		return nil
	})
	if err != nil {
		t.Fatalf("walk %s: %v", root, err)
	}
	return files
}

// skipped reports whether a directory holds no code of the module.
func skipped(name string) bool {
	return strings.HasPrefix(name, ".") || name == "node_modules" || name == "testdata" || name == "dist"
}

func moduleRoot(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			t.Fatal("no go.mod above the test")
		}
		dir = parent
	}
}
