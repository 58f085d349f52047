package build

import (
	"crypto/sha256"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/runagent/runagent/internal/fault"
)

// Bounds on what a requirements file may bring along.
const (
	maxIncludes   = 100
	maxDepth      = 20
	maxLocalFiles = 5_000
	maxLocalBytes = 100 << 20
)

var (
	comment  = regexp.MustCompile(`(^|\s+)#.*$`)
	included = regexp.MustCompile(`^(?:-r|-c|--requirement|--constraint)[\s=]*(.+)$`)
	editable = regexp.MustCompile(`^(?:-e|--editable)[\s=]+(.+)$`)
	named    = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*\s*(?:\[[^\]]*\])?\s*@\s*(.+)$`)
	places   = regexp.MustCompile(`^(-f|--find-links|-i|--index-url|--extra-index-url)[\s=]+(.+)$`)
	onDisk   = regexp.MustCompile(`\bgit\+file:(?://)?([^\s@;]+)`)
	archive  = regexp.MustCompile(`\.(whl|zip|tar\.gz|tgz|tar\.bz2)$`)
	referred = regexp.MustCompile(`\$\{([A-Z_][A-Z0-9_]*)\}`) // as installers read it
)

// reader writes requirements, and everything local that they refer to, to a
// digest. Local packages are part of it: a change of theirs is a change.
type reader struct {
	out  io.Writer
	dir  string // local paths are relative to it, as for pip run there
	seen map[string]bool
	// inside is the folder that nothing local may lie outside of, "" for none.
	inside string
	found  *findings
}

func newReader(out io.Writer, dir string) *reader {
	return &reader{out: out, dir: dir, seen: map[string]bool{}, found: &findings{}}
}

// file adds a requirements or constraints file and what it includes.
func (r *reader) file(path string, depth int) error {
	if r.seen[path] {
		return nil
	}
	r.seen[path] = true
	if depth > maxDepth || len(r.seen) > maxIncludes {
		return fault.New(fault.Validation, "requirements include one another too deeply, at %s", path)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return fault.New(fault.Validation, "can't read requirements %s: %w", r.short(path), err)
	}
	add(r.out, "requirements", string(text))
	r.note(string(text))
	for line := range strings.Lines(strings.ReplaceAll(string(text), "\\\n", " ")) {
		if err := r.line(strings.TrimSpace(comment.ReplaceAllString(strings.TrimRight(line, "\r\n"), "")), path, depth); err != nil {
			return err
		}
	}
	return nil
}

func (r *reader) line(line, from string, depth int) error {
	if m := included.FindStringSubmatch(line); m != nil {
		target := strings.Trim(m[1], `"'`)
		if strings.Contains(target, "://") {
			return nil // its address is in the text; what it says may change unseen
		}
		if !filepath.IsAbs(target) {
			target = filepath.Join(filepath.Dir(from), target)
		}
		if err := r.within(target, line); err != nil {
			return err
		}
		return r.file(target, depth+1)
	}
	if err := r.repository(line, line); err != nil {
		return err
	}
	if m := editable.FindStringSubmatch(line); m != nil {
		if path, ok := r.local(m[1]); ok {
			return r.editable(path, m[1])
		}
		return nil
	}
	if path, ok := r.local(line); ok {
		return r.tree(path, line)
	}
	if m := places.FindStringSubmatch(line); m != nil && r.inside != "" {
		if path, ok := localPlace(m[2], from); ok {
			r.found.places = append(r.found.places, m[1], path)
			return r.place(path, line)
		}
	}
	if strings.HasPrefix(line, "-") {
		r.found.options = append(r.found.options, line)
	}
	return nil
}

// note looks at a text of requirements for what concerns the installer.
func (r *reader) note(text string) {
	r.found.hashed = r.found.hashed || strings.Contains(text, "--hash=") || strings.Contains(text, "--hash ")
	for _, m := range referred.FindAllStringSubmatch(text, -1) {
		r.found.refers = append(r.found.refers, m[1])
	}
}

// within refuses a path outside of the folder, where that matters.
func (r *reader) within(path, requirement string) error {
	if r.inside == "" {
		return nil
	}
	if rel, err := filepath.Rel(r.inside, path); err == nil && filepath.IsLocal(rel) {
		return nil
	}
	return fault.New(fault.Validation, "requirement %q leads out of the agent's folder, of which alone the platform has a copy", requirement).
		WithSuggestion("Move what it names into the folder, or publish it to an index or a git repository.")
}

// repository refuses a git repository of this disk outside of the folder. One
// that a variable names is of whoever set that.
func (r *reader) repository(address, requirement string) error {
	m := onDisk.FindStringSubmatch(address)
	if m == nil || strings.Contains(m[1], "${") {
		return nil
	}
	return r.within(m[1], requirement)
}

// local returns the path that a requirement means, if it means one.
func (r *reader) local(requirement string) (string, bool) {
	target := requirement
	if m := named.FindStringSubmatch(target); m != nil {
		target = m[1]
	}
	target, _, _ = strings.Cut(target, ";") // environment markers
	target = strings.TrimSpace(target)
	if rest, ok := strings.CutPrefix(target, "file:"); ok {
		u, err := url.Parse("file:" + rest)
		if err != nil || u.Path == "" {
			return r.absolute(strings.TrimPrefix(rest, "//")), true
		}
		return r.absolute(u.Path), true
	}
	if target == "" || strings.HasPrefix(target, "-") || strings.Contains(target, "://") {
		return "", false
	}
	if i := strings.IndexByte(target, '['); i > 0 { // extras: ./package[fast]
		target = target[:i]
	}
	if strings.HasPrefix(target, ".") || strings.Contains(target, "/") || archive.MatchString(target) {
		return r.absolute(target), true
	}
	return "", false
}

func (r *reader) absolute(path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(r.dir, path)
}

// editable adds a package that stays where it is: its place, and the files
// that say what it requires. Its code is read in place and needs no rebuild.
func (r *reader) editable(path, requirement string) error {
	if r.inside != "" {
		r.found.editable = requirement
		return r.tree(path, requirement) // copied, for the folder does not stay
	}
	if stat, err := os.Stat(path); err != nil || !stat.IsDir() {
		return refuseLocal(requirement, path)
	}
	add(r.out, "editable", path)
	for _, name := range []string{"pyproject.toml", "setup.cfg", "setup.py"} {
		text, err := os.ReadFile(filepath.Join(path, name))
		if err != nil && !missing(err) {
			return fault.New(fault.Validation, "can't read %s of %q: %w", name, requirement, err)
		}
		add(r.out, name, string(text))
	}
	return nil
}

// tree adds a local archive, or every file of a local package.
func (r *reader) tree(path, requirement string) error {
	if err := r.within(path, requirement); err != nil {
		return err
	}
	files, size := 0, int64(0)
	err := filepath.WalkDir(path, func(p string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && p != path && (passedOver(entry.Name()) || built(strings.TrimPrefix(p, path))) {
			return filepath.SkipDir
		}
		if !entry.Type().IsRegular() {
			return nil
		}
		text, err := os.ReadFile(p)
		if err != nil {
			return err
		}
		files, size = files+1, size+int64(len(text))
		if files > maxLocalFiles || size > maxLocalBytes {
			return fault.New(fault.Validation, "the local package %q is over %d files or %d MiB", requirement, maxLocalFiles, maxLocalBytes>>20).
				WithSuggestion("build a wheel of it and name that, or install it editable with -e")
		}
		add(r.out, strings.TrimPrefix(p, path), string(text))
		return nil
	})
	if fault.As(err) != nil {
		return err
	}
	if err != nil {
		return refuseLocal(requirement, path)
	}
	return nil
}

// localPlace returns the path of a place to look for packages in, if it is one
// of this machine and not an address.
func localPlace(target, from string) (string, bool) {
	target = strings.Trim(target, `"'`)
	if rest, ok := strings.CutPrefix(target, "file:"); ok {
		if u, err := url.Parse("file:" + rest); err == nil && u.Path != "" {
			return u.Path, true
		}
		target = strings.TrimPrefix(rest, "//")
	}
	if strings.Contains(target, "://") || strings.HasPrefix(target, "${") {
		return "", false
	}
	if !filepath.IsAbs(target) {
		target = filepath.Join(filepath.Dir(from), target)
	}
	return target, true
}

// place adds what lies where packages are looked for. A bundle's limits bound it.
func (r *reader) place(path, requirement string) error {
	if err := r.within(path, requirement); err != nil {
		return err
	}
	err := filepath.WalkDir(path, func(p string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		file, err := os.Open(p)
		if err != nil {
			return err
		}
		defer file.Close()
		sum := sha256.New()
		if _, err := io.Copy(sum, file); err != nil {
			return err
		}
		add(r.out, strings.TrimPrefix(p, path), string(sum.Sum(nil)))
		return nil
	})
	if err != nil {
		return refuseLocal(requirement, path)
	}
	return nil
}

func refuseLocal(requirement, path string) error {
	return fault.New(fault.Validation, "requirement %q means the local path %s, which can't be read", requirement, path).
		WithSuggestion("paths in requirements are relative to the agent's folder; correct it or remove the line")
}

// passedOver names folders that are no part of a package.
func passedOver(name string) bool {
	return strings.HasPrefix(name, ".") || name == "__pycache__" || name == "node_modules" || strings.HasSuffix(name, ".egg-info")
}

// built reports whether a folder of a local package is one that setuptools leaves
// there when it builds the package.
func built(dir string) bool {
	top, name := filepath.Split(filepath.Clean("/" + dir))
	kind, _, _ := strings.Cut(name, ".")
	return top == "/build/" && (kind == "lib" || kind == "temp" || kind == "bdist")
}

func (r *reader) short(path string) string {
	if rel, err := filepath.Rel(r.dir, path); err == nil && filepath.IsLocal(rel) {
		return rel
	}
	return path
}
