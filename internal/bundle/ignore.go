package bundle

import (
	"regexp"
	"strings"
)

// The files that say what stays out, in the order in which they are asked:
// the last pattern that matches decides.
var ignoreFiles = []string{".gitignore", ".runagentignore"}

// rule is one line of an ignore file, as git reads it.
type rule struct {
	pattern *regexp.Regexp
	// keep is a line that begins with "!": what it matches is not ignored.
	keep bool
	// folders is a line that ends with "/": it matches folders only.
	folders bool
}

// rules are the ignore files that apply below one folder.
type rules struct {
	// dir is the folder of the files, "" for the bundle's root, else with "/" at the end.
	dir   string
	lines []rule
	// above are those of the folders around.
	above *rules
}

// below returns the rules of the folder dir, whose ignore files hold text.
func (r *rules) below(dir string, text string) *rules {
	lines := parseRules(text)
	if len(lines) == 0 {
		return r
	}
	return &rules{dir: dir, lines: lines, above: r}
}

// ignores reports whether rel, a path from the bundle's root, is to be left out.
func (r *rules) ignores(rel string, folder bool) bool {
	for ; r != nil; r = r.above {
		name := strings.TrimPrefix(rel, r.dir)
		for i := len(r.lines) - 1; i >= 0; i-- {
			line := r.lines[i]
			if (folder || !line.folders) && line.pattern.MatchString(name) {
				return !line.keep
			}
		}
	}
	return false
}

func parseRules(text string) []rule {
	var lines []rule
	for line := range strings.SplitSeq(strings.TrimPrefix(text, "\ufeff"), "\n") {
		if parsed, ok := parseRule(strings.TrimSuffix(line, "\r")); ok {
			lines = append(lines, parsed)
		}
	}
	return lines
}

// parseRule reads one line. Lines that git would pass over are not ok, nor
// are patterns that match nothing.
func parseRule(line string) (rule, bool) {
	line = trimSpaces(line)
	if line == "" || line[0] == '#' {
		return rule{}, false
	}
	var r rule
	if line[0] == '!' {
		r.keep, line = true, line[1:]
	}
	if strings.HasSuffix(line, "/") {
		r.folders, line = true, strings.TrimSuffix(line, "/")
	}
	if line == "" {
		return rule{}, false
	}
	// A slash elsewhere than at the end ties the pattern to the file's folder.
	prefix := "(?:.*/)?"
	if strings.Contains(line, "/") {
		prefix, line = "", strings.TrimPrefix(line, "/")
	}
	pattern, ok := translate(line)
	if !ok {
		return rule{}, false
	}
	compiled, err := regexp.Compile("(?s)^" + prefix + pattern + "$")
	if err != nil {
		return rule{}, false
	}
	r.pattern = compiled
	return r, true
}

// trimSpaces removes the spaces at the end that no backslash keeps.
func trimSpaces(line string) string {
	trimmed := strings.TrimRight(line, " ")
	backslashes := len(trimmed) - len(strings.TrimRight(trimmed, `\`))
	if backslashes%2 == 1 && len(trimmed) < len(line) {
		return trimmed + " "
	}
	return trimmed
}

// translate writes a pattern of git's as a regular expression.
func translate(glob string) (string, bool) {
	var out strings.Builder
	for i := 0; i < len(glob); {
		switch c := glob[i]; {
		case strings.HasPrefix(glob[i:], "**/") && (i == 0 || glob[i-1] == '/'):
			out.WriteString("(?:.*/)?")
			i += len("**/")
		case glob[i:] == "**" && i > 0 && glob[i-1] == '/':
			out.WriteString(".+")
			i += len("**")
		case c == '*':
			out.WriteString("[^/]*")
			i++
		case c == '?':
			out.WriteString("[^/]")
			i++
		case c == '[':
			class, n, ok := translateClass(glob[i:])
			if !ok {
				return "", false
			}
			out.WriteString(class)
			i += n
		case c == '\\':
			if i+1 == len(glob) {
				return "", false
			}
			out.WriteString(regexp.QuoteMeta(glob[i+1 : i+2]))
			i += 2
		default:
			out.WriteString(quoteByte(glob, i))
			i++
		}
	}
	return out.String(), true
}

// quoteByte returns the byte at i as it stands in an expression; bytes of a
// longer character stay as they are.
func quoteByte(text string, i int) string {
	if text[i] >= 0x80 {
		return text[i : i+1]
	}
	return regexp.QuoteMeta(text[i : i+1])
}

// translateClass writes the class that glob begins with, such as "[!a-z]",
// and returns its length. A class never matches a slash.
func translateClass(glob string) (class string, n int, ok bool) {
	i := 1
	negated := i < len(glob) && (glob[i] == '!' || glob[i] == '^')
	if negated {
		i++
	}
	var out strings.Builder
	for first := true; i < len(glob); first = false {
		c := glob[i]
		switch {
		case c == ']' && !first:
			if negated {
				return "[^/" + out.String() + "]", i + 1, true
			}
			return "[" + out.String() + "]", i + 1, out.Len() > 0
		case c == '[' && strings.HasPrefix(glob[i:], "[:"):
			end := strings.Index(glob[i:], ":]")
			if end < 0 {
				return "", 0, false
			}
			out.WriteString(glob[i : i+end+2])
			i += end + 2
			continue
		case c == '\\' && i+1 < len(glob):
			i++
			out.WriteString(`\` + glob[i:i+1])
		case c == '[' || c == ']' || c == '^' || c == '&' || c == '~':
			out.WriteString(`\` + string(c))
		default:
			out.WriteByte(c)
		}
		i++
	}
	return "", 0, false
}
