package agent

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// ExpandEnv returns the variables that m's env_vars set. lookup gives the
// values that references take: ${VAR} must have one, ${VAR:-default} falls
// back when it has none or an empty one, and $$ is one $. A variable whose
// value comes out empty is left out when lookup knows it: an empty value does
// not blank one that is set.
func ExpandEnv(m *Manifest, lookup func(string) (string, bool)) (map[string]string, Problems) {
	out := make(map[string]string, len(m.EnvVars))
	var problems Problems
	for _, name := range slices.Sorted(maps.Keys(m.EnvVars)) {
		value, slips := expand(m.EnvVars[name], lookup)
		for _, s := range slips {
			problems = append(problems, m.envProblem(name, s))
		}
		if len(slips) > 0 {
			continue
		}
		if _, set := lookup(name); value == "" && set {
			continue
		}
		out[name] = value
	}
	return out, problems.Sorted()
}

// slip is one bad reference: its text as written, and what is wrong with it.
type slip struct {
	reference, message string
}

// expand replaces the references in text.
func expand(text string, lookup func(string) (string, bool)) (string, []slip) {
	var b strings.Builder
	var slips []slip
	for {
		before, after, found := strings.Cut(text, "$")
		b.WriteString(before)
		if !found {
			return b.String(), slips
		}
		switch {
		case strings.HasPrefix(after, "$"):
			b.WriteByte('$')
			text = after[1:]
		case strings.HasPrefix(after, "{"):
			body, rest, closed := strings.Cut(after[1:], "}")
			if !closed {
				return b.String(), append(slips, slip{"$" + after, "${ has no } after it; $$ is one $"})
			}
			value, message := resolve(body, lookup)
			if message != "" {
				slips = append(slips, slip{"${" + body + "}", message})
			}
			b.WriteString(value)
			text = rest
		default: // a lone $ stands for itself
			b.WriteByte('$')
			text = after
		}
	}
}

// resolve returns the value of a reference's inner part, or what is wrong with it.
func resolve(body string, lookup func(string) (string, bool)) (value, problem string) {
	name, fallback, hasFallback := strings.Cut(body, ":-")
	if !envName.MatchString(name) {
		return "", fmt.Sprintf("%s is neither ${VAR} nor ${VAR:-default}", shown("${"+body+"}"))
	}
	value, set := lookup(name)
	switch {
	case hasFallback && value == "":
		return fallback, ""
	case !set:
		return "", fmt.Sprintf("${%s} has no value: set %s in the environment or in .env, or write ${%s:-default}", name, name, name)
	}
	return value, ""
}

// envProblem returns the problem of a reference in env_vars, placed where the
// reference stands in the text, or where its value does when it is written
// with escapes there.
func (m *Manifest) envProblem(name string, s slip) Problem {
	path := pointer("/env_vars", name)
	message := "env_vars." + name + ": " + s.message
	if m.doc == nil {
		return Problem{File: ManifestName, Path: path, Message: message}
	}
	at := m.doc.nearest(path)
	start := at.start
	if i := bytes.Index(m.doc.src[at.start:at.end], []byte(s.reference)); i > 0 {
		start += i
	}
	return m.doc.problem(start, path, message, "")
}
