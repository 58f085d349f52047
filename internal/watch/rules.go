package watch

import (
	"fmt"
	"path"
	"regexp"
	"strings"

	"github.com/runagent/runagent/internal/agent"
)

// class says what a file is to an agent.
type class int

const (
	none class = iota
	code
	manifest
	requirements
	environment
)

var requirementFile = regexp.MustCompile(`^(requirements/[^/]+|requirements[^/]*)\.(txt|in)$|^pyproject\.toml$|^uv\.lock$`)

// rules tell which files of a folder matter. Paths are relative to it and
// slash-separated; a file outside has its absolute path.
type rules struct {
	globs        []*regexp.Regexp
	requirements string
	included     map[string]bool // further parts of the requirements
	env          string
}

func newRules(o Options, env string) (rules, error) {
	r := rules{requirements: path.Clean(o.Requirements), env: env}
	for _, glob := range o.Globs {
		pattern, err := globPattern(glob)
		if err != nil {
			return rules{}, fmt.Errorf("watch %q: %w", glob, err)
		}
		r.globs = append(r.globs, pattern)
	}
	return r, nil
}

// class returns what the file at rel is.
func (r rules) class(rel string) class {
	switch {
	case rel == agent.ManifestName:
		return manifest
	case rel == r.env:
		return environment
	case rel == r.requirements || r.included[rel] || requirementFile.MatchString(rel):
		return requirements
	case sourceFile(rel):
		return code
	}
	for _, glob := range r.globs {
		if glob.MatchString(rel) {
			return code
		}
	}
	return none
}

// sourceFile reports whether rel is Python that an author wrote, and not what
// an editor or a checker puts beside it.
func sourceFile(rel string) bool {
	name := path.Base(rel)
	return strings.HasSuffix(name, ".py") && !strings.HasPrefix(name, ".") &&
		!strings.HasPrefix(name, "#") && !strings.HasPrefix(name, "flycheck_")
}

// ignoredDir reports whether a folder of this name is looked into.
func ignoredDir(name string) bool {
	return strings.HasPrefix(name, ".") || name == "__pycache__" || name == "node_modules" || name == "site-packages"
}

// inIgnored reports whether rel lies in an ignored folder.
func inIgnored(rel string) bool {
	for dir := path.Dir(rel); dir != "." && dir != "/"; dir = path.Dir(dir) {
		if ignoredDir(path.Base(dir)) {
			return true
		}
	}
	return false
}

// globPattern translates a glob: * and ? within a path's part, ** across
// parts, [abc] and {a,b} as shells have them. A glob without a slash matches
// at any depth.
func globPattern(glob string) (*regexp.Regexp, error) {
	var out strings.Builder
	out.WriteString("^")
	if !strings.Contains(glob, "/") {
		out.WriteString("(.*/)?")
	}
	glob = strings.TrimPrefix(glob, "./")
	braces := 0
	for i := 0; i < len(glob); i++ {
		switch c := glob[i]; {
		case strings.HasPrefix(glob[i:], "**/"):
			out.WriteString("(.*/)?")
			i += 2
		case strings.HasPrefix(glob[i:], "**"):
			out.WriteString(".*")
			i++
		case c == '*':
			out.WriteString("[^/]*")
		case c == '?':
			out.WriteString("[^/]")
		case c == '[':
			end := strings.IndexByte(glob[i:], ']')
			if end < 2 {
				return nil, fmt.Errorf("[ is not closed")
			}
			out.WriteString("[" + strings.NewReplacer("!", "^", `\`, `\\`).Replace(glob[i+1:i+end]) + "]")
			i += end
		case c == '{':
			braces++
			out.WriteString("(")
		case c == '}' && braces > 0:
			braces--
			out.WriteString(")")
		case c == ',' && braces > 0:
			out.WriteString("|")
		default:
			out.WriteString(regexp.QuoteMeta(string(c)))
		}
	}
	if braces > 0 {
		return nil, fmt.Errorf("{ is not closed")
	}
	pattern, err := regexp.Compile(out.String() + "$")
	if err != nil {
		return nil, fmt.Errorf("not a glob: %w", err)
	}
	return pattern, nil
}
