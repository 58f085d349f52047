package archtest

import (
	"fmt"
	"go/ast"
	"maps"
	"slices"
	"strings"
)

var forbidden = []string{
	"common", "util", "utils", "helper", "helpers", "type", "types", "model", "models",
	"manager", "base", "abstract", "misc", "shared", "lib",
}

func packageDocs(files []source) (found []string) {
	documented := map[string]bool{}
	for _, s := range files {
		if s.test() {
			continue
		}
		documented[s.dir()] = documented[s.dir()] || s.file.Doc.Text() != ""
	}
	for _, dir := range slices.Sorted(maps.Keys(documented)) {
		if !documented[dir] {
			found = append(found, dir+" has no package comment")
		}
	}
	return found
}

func forbiddenNames(files []source) (found []string) {
	seen := map[string]bool{}
	for _, s := range files {
		file := strings.TrimSuffix(strings.TrimSuffix(s.path[strings.LastIndex(s.path, "/")+1:], ".go"), "_test")
		if slices.Contains(forbidden, file) {
			found = append(found, fmt.Sprintf("%s: a file is named by its noun, not %q", s.path, file))
		}
		for part := range strings.SplitSeq(s.dir(), "/") {
			if slices.Contains(forbidden, part) && !seen[s.dir()] {
				seen[s.dir()] = true
				found = append(found, fmt.Sprintf("%s: a package is a noun of the domain, not %q", s.dir(), part))
			}
		}
		for _, decl := range s.file.Decls {
			found = append(found, forbiddenTypes(s, decl)...)
		}
	}
	return found
}

// forbiddenTypes finds types such as InvocationManager.
func forbiddenTypes(s source, decl ast.Decl) (found []string) {
	gen, ok := decl.(*ast.GenDecl)
	if !ok {
		return nil
	}
	for _, spec := range gen.Specs {
		typ, ok := spec.(*ast.TypeSpec)
		if !ok {
			continue
		}
		for _, suffix := range []string{"Manager", "Helper", "Util", "Utils"} {
			if strings.HasSuffix(typ.Name.Name, suffix) {
				found = append(found, fmt.Sprintf("%s:%d type %s: say what it does", s.path, s.line(typ.Pos()), typ.Name.Name))
			}
		}
	}
	return found
}

func fileLength(files []source) (found []string) {
	for _, s := range files {
		if s.lines > maxFileLines && !s.generated() {
			found = append(found, fmt.Sprintf("%s has %d lines", s.path, s.lines))
		}
	}
	return found
}

func functionLength(files []source) (found []string) {
	for _, s := range files {
		if s.generated() {
			continue
		}
		for _, decl := range s.file.Decls {
			fn, ok := decl.(*ast.FuncDecl)
			if !ok || fn.Body == nil {
				continue
			}
			if n := s.line(fn.End()) - s.line(fn.Pos()) + 1; n > maxFuncLines {
				found = append(found, fmt.Sprintf("%s:%d func %s has %d lines", s.path, s.line(fn.Pos()), fn.Name.Name, n))
			}
		}
	}
	return found
}

func interfaceSize(files []source) (found []string) {
	for _, s := range files {
		ast.Inspect(s.file, func(n ast.Node) bool {
			typ, ok := n.(*ast.TypeSpec)
			if !ok {
				return true
			}
			iface, ok := typ.Type.(*ast.InterfaceType)
			if ok && methods(iface) > maxMethods {
				found = append(found, fmt.Sprintf("%s:%d interface %s has %d methods", s.path, s.line(typ.Pos()), typ.Name.Name, methods(iface)))
			}
			return true
		})
	}
	return found
}

// methods counts the methods written in iface; embedded interfaces count as one.
func methods(iface *ast.InterfaceType) int {
	n := 0
	for _, field := range iface.Methods.List {
		n += max(1, len(field.Names))
	}
	return n
}

func packageSize(files []source) (found []string) {
	lines := map[string]int{}
	for _, s := range files {
		if !s.test() && !s.generated() {
			lines[s.dir()] += s.lines
		}
	}
	for _, dir := range slices.Sorted(maps.Keys(lines)) {
		if lines[dir] > maxPackageLines {
			found = append(found, fmt.Sprintf("%s has %d lines", dir, lines[dir]))
		}
	}
	return found
}
