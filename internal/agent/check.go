package agent

import (
	"fmt"
	"maps"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/theory/jsonpath"
)

// maxJSONPath bounds what the JSONPath parser, which recurses, is given; the
// schema has the same bound, in characters.
const maxJSONPath = 4 * 1000

// checkPaths notes files and folders that are not inside the agent's own, and
// brings the good ones into their plain form.
func (r *reader) checkPaths(m *Manifest) {
	for i := range m.Entrypoints {
		if r.full() {
			return
		}
		e, at := &m.Entrypoints[i], entrypointPath(i)+"/file"
		if _, given := r.d.places[at]; !given || e.WebhookURL != "" {
			continue
		}
		e.File = r.pythonFile(at, e.File)
	}
	for _, h := range m.Lifecycle.hooks() {
		at := "/lifecycle/" + h.when + "/file"
		if _, given := r.d.places[at]; given && !r.full() {
			h.File = r.pythonFile(at, h.File)
		}
	}
	for i := range m.PersistentFolders {
		if r.full() {
			return
		}
		m.PersistentFolders[i] = r.insidePath(fmt.Sprintf("/persistent_folders/%d", i), m.PersistentFolders[i])
	}
	if m.Requirements != "" {
		m.Requirements = r.insidePath("/requirements", m.Requirements)
	}
}

// pythonFile returns the plain form of a path, and notes one that is no Python file's.
func (r *reader) pythonFile(at, p string) string {
	p = r.insidePath(at, p)
	if strings.HasSuffix(p, ".py") && path.Base(p) != ".py" {
		return p
	}
	suggestion := ""
	if p != "" && path.Ext(p) == "" {
		suggestion = p + ".py"
	}
	r.add(r.d.atValue(at, fmt.Sprintf("%s: must be a Python file (.py), not %s", dottedPointer(at), shown(p)), suggestion))
	return p
}

// insidePath returns the plain form of a path, and notes one that leaves the folder.
func (r *reader) insidePath(at, p string) string {
	refuse := func(message, suggestion string) string {
		r.add(r.d.atValue(at, dottedPointer(at)+": "+message, suggestion))
		return p
	}
	drive := len(p) > 1 && p[1] == ':'
	switch {
	case strings.ContainsAny(p, "\x00\n\r"):
		return refuse("must not hold control characters", "")
	case strings.TrimSpace(p) == "":
		return refuse("must not be blank", "")
	case strings.HasPrefix(p, "/") || drive || strings.HasPrefix(p, "~"):
		return refuse(fmt.Sprintf("%s must be relative to the agent's folder", shown(p)), "")
	case strings.Contains(p, `\`):
		return refuse(fmt.Sprintf("%s must be written with /", shown(p)), strings.ReplaceAll(p, `\`, "/"))
	}
	clean := path.Clean(p)
	if clean == ".." || strings.HasPrefix(clean, "../") || slices.Contains(strings.Split(p, "/"), "..") {
		return refuse(fmt.Sprintf("%s must not hold \"..\": only what is inside the agent's folder is served", shown(p)), "")
	}
	return clean
}

// checkEntrypoints notes tags that are there twice, bad addresses and bad JSONPaths.
func (r *reader) checkEntrypoints(m *Manifest) {
	first := map[string]int{}
	for i, e := range m.Entrypoints {
		if r.full() {
			return
		}
		at := entrypointPath(i)
		if j, double := first[e.Tag]; double && e.Tag != "" {
			here, _ := r.d.position(r.d.nearest(at + "/tag").start)
			there, _ := r.d.position(r.d.nearest(entrypointPath(j) + "/tag").start)
			r.add(r.d.atValue(at+"/tag", fmt.Sprintf("tag %s is used twice, on lines %d and %d", shown(e.Tag), there, here), ""))
		} else {
			first[e.Tag] = i
		}
		if e.WebhookURL != "" {
			if u, err := url.Parse(e.WebhookURL); err != nil || u.Hostname() == "" {
				r.add(r.d.atValue(at+"/webhook_url", dottedPointer(at)+".webhook_url: must be an http:// or https:// address", ""))
			}
		}
		r.checkExtractor(e.Extractor, at+"/extractor")
	}
}

func (r *reader) checkExtractor(extractor map[string]string, at string) {
	for _, field := range slices.Sorted(maps.Keys(extractor)) {
		expr := extractor[field]
		if r.full() || len(expr) > maxJSONPath {
			continue
		}
		_, err := jsonpath.Parse(expr)
		if err == nil {
			continue
		}
		suggestion := ""
		for _, guess := range []string{"$." + expr, "$" + expr} {
			if _, err := jsonpath.Parse(guess); err == nil {
				suggestion = guess
				break
			}
		}
		p := pointer(at, field)
		reason := strings.TrimPrefix(err.Error(), "jsonpath: ")
		r.add(r.d.atValue(p, fmt.Sprintf("%s: %s is not a JSONPath: %s", dottedPointer(p), shown(expr), reason), suggestion))
	}
}

var envName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// ValidVariable reports whether name can be that of a variable.
func ValidVariable(name string) bool { return envName.MatchString(name) }

// checkEnvNames notes keys of env_vars that can't name a variable.
func (r *reader) checkEnvNames(root map[string]any) {
	for _, name := range slices.Sorted(maps.Keys(object(root, "env_vars"))) {
		if !envName.MatchString(name) {
			r.add(r.d.atKey(pointer("/env_vars", name), fmt.Sprintf(
				"env_vars: %s is not a variable's name: letters, digits and \"_\", not starting with a digit", shown(name)), ""))
		}
	}
}

func (r *reader) checkScaling(m *Manifest) {
	s := m.Scaling
	if s.MaxInstances > 0 && s.MinInstances > s.MaxInstances {
		r.add(r.d.atValue("/scaling/min_instances",
			fmt.Sprintf("scaling.min_instances: %d is more than max_instances, which is %d", s.MinInstances, s.MaxInstances), ""))
	}
}
