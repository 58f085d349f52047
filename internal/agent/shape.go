package agent

import (
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
	"golang.org/x/mod/semver"

	"github.com/runagent/runagent/internal/nearest"
)

// checkShape returns what in the document breaks the schema.
func checkShape(d *document) Problems {
	s := manifestSchema()
	err := s.rules.Validate(d.root)
	if err == nil {
		return nil
	}
	var broken *jsonschema.ValidationError
	if !errors.As(err, &broken) {
		return Problems{d.atValue("", err.Error(), "")}
	}
	c := &shapeCheck{d: d, s: s}
	c.visit(broken)
	c.noteMissing()
	return c.problems
}

// shapeCheck turns a tree of broken rules into problems with a place.
type shapeCheck struct {
	d        *document
	s        *schema
	problems Problems
	missing  []missingKey
	// meant holds the paths of keys that were written with a slip of the pen.
	meant []string
}

// missingKey is a key that the object at path where lacks.
type missingKey struct {
	where []string
	key   string
}

func (c *shapeCheck) visit(e *jsonschema.ValidationError) {
	if len(c.problems) >= maxProblems {
		return
	}
	if _, ok := e.ErrorKind.(*kind.PropertyNames); ok {
		return // its location is not reliable: checkEnvNames does it
	}
	if len(e.Causes) > 0 {
		for _, cause := range e.Causes {
			c.visit(cause)
		}
		return
	}
	c.leaf(e)
}

// leaf notes one broken rule.
func (c *shapeCheck) leaf(e *jsonschema.ValidationError) {
	path, name := pointer("", e.InstanceLocation...), dotted(e.InstanceLocation)
	value := func(message, suggestion string) {
		c.add(c.d.atValue(path, name+": "+message, suggestion))
	}
	switch k := e.ErrorKind.(type) {
	case *kind.AdditionalProperties:
		for _, key := range k.Properties {
			c.unknownKey(e, key)
		}
	case *kind.Required:
		for _, key := range k.Missing {
			if len(c.missing) < maxProblems {
				c.missing = append(c.missing, missingKey{e.InstanceLocation, key})
			}
		}
	case *kind.Type:
		value(fmt.Sprintf("must be %s, not %s", kinds(k.Want), article(k.Got)), c.asString(path, k))
	case *kind.Enum:
		c.notOneOf(path, name, k)
	case *kind.Pattern:
		value(fmt.Sprintf("%s, not %s", c.s.message(e.SchemaURL), shown(k.Got)), nearestForm(e.InstanceLocation, k.Got))
	case *kind.MaxLength:
		value(fmt.Sprintf("has %d characters, at most %d are allowed", k.Got, k.Want), "")
	case *kind.Minimum:
		value("must be at least "+number(k.Want)+", not "+number(k.Got), "")
	case *kind.Maximum:
		value("must be at most "+number(k.Want)+", not "+number(k.Got), "")
	case *kind.ExclusiveMinimum:
		value("must be more than "+number(k.Want)+", not "+number(k.Got), "")
	default:
		value("breaks the rule "+strings.Join(e.ErrorKind.KeywordPath(), "/"), "")
	}
}

func (c *shapeCheck) add(p Problem) { c.problems = append(c.problems, p) }

// unknownKey notes a key that the object does not have.
func (c *shapeCheck) unknownKey(e *jsonschema.ValidationError, key string) {
	path := pointer("", append(slices.Clone(e.InstanceLocation), key)...)
	message := fmt.Sprintf("unknown key %q", key)
	if len(e.InstanceLocation) > 0 {
		message += " in " + dotted(e.InstanceLocation)
	}
	names := c.s.keys(e.SchemaURL)
	if slices.Contains(names, key) { // a key of the other kind of entrypoint
		beside := "file"
		if strings.HasSuffix(e.SchemaURL, "webhookEntrypoint") {
			beside = "webhook_url"
		}
		c.add(c.d.atKey(path, fmt.Sprintf("%s: %q has no meaning beside %q", dotted(e.InstanceLocation), key, beside), ""))
		return
	}
	suggestion := nearest.Name(key, names)
	if home := c.s.homes[key]; home != "" {
		suggestion = home
	}
	if suggestion != "" {
		first, _, _ := strings.Cut(suggestion, ".")
		c.meant = append(c.meant, pointer(pointer("", e.InstanceLocation...), first))
	}
	c.add(c.d.atKey(path, message, suggestion))
}

// noteMissing notes the keys that objects lack, save those that another key
// was probably meant to be: one slip is one problem.
func (c *shapeCheck) noteMissing() {
	for _, m := range c.missing {
		if len(c.problems) >= maxProblems {
			return
		}
		path := pointer("", m.where...)
		if slices.Contains(c.meant, pointer(path, m.key)) {
			continue
		}
		c.add(c.d.atValue(path, fmt.Sprintf("%s has no %q, which is required", dotted(m.where), m.key), ""))
	}
}

func (c *shapeCheck) notOneOf(path, name string, k *kind.Enum) {
	var valid []string
	for _, want := range k.Want {
		// The list holds the HTTP methods in lower case too; once is enough to read.
		if text := fmt.Sprint(want); !slices.Contains(valid, strings.ToUpper(text)) {
			valid = append(valid, text)
		}
	}
	got, isText := k.Got.(string)
	if !isText {
		c.add(c.d.atValue(path, fmt.Sprintf("%s: must be one of %s", name, strings.Join(valid, ", ")), ""))
		return
	}
	c.add(c.d.atValue(path, fmt.Sprintf("%s: %s is none of %s", name, shown(got), strings.Join(valid, ", ")), nearest.Name(got, valid)))
}

// asString returns a number or boolean in quotes, where a string is wanted.
func (c *shapeCheck) asString(path string, k *kind.Type) string {
	p, ok := c.d.places[path]
	scalar := k.Got == "number" || k.Got == "integer" || k.Got == "boolean"
	if !ok || !scalar || !slices.Contains(k.Want, "string") || p.end-p.start > 40 {
		return ""
	}
	text := string(c.d.src[p.start:p.end])
	if strings.HasSuffix(path, "/version") {
		return nearestForm([]string{"version"}, text)
	}
	return text
}

// nearestForm returns a valid text near one that breaks its pattern, or "".
func nearestForm(where []string, text string) string {
	if guess := guessForm(where, text); guess != text {
		return guess
	}
	return ""
}

func guessForm(where []string, text string) string {
	switch where[len(where)-1] {
	case "version":
		return strings.TrimPrefix(semver.Canonical("v"+strings.TrimLeft(strings.TrimSpace(text), "vV")), "v")
	case "module":
		_, name, found := strings.Cut(text, ".py:") // as uvicorn and others want it
		if !found {
			name = text
		}
		return strings.TrimSuffix(strings.TrimSpace(name), "()")
	case "tag", "agent_id":
		return strings.TrimSpace(text)
	}
	if len(where) > 1 && where[len(where)-2] == "allow" {
		_, host, found := strings.Cut(text, "://")
		host, _, _ = strings.Cut(host, "/")
		if found {
			return host
		}
	}
	return ""
}

// dotted returns a location as people write it: agent_architecture.entrypoints[0].tag.
func dotted(where []string) string {
	var b strings.Builder
	for _, key := range where {
		if _, err := strconv.Atoi(key); err == nil {
			b.WriteString("[" + key + "]")
			continue
		}
		if b.Len() > 0 {
			b.WriteByte('.')
		}
		b.WriteString(key)
	}
	if b.Len() == 0 {
		return "the manifest"
	}
	return b.String()
}

// kinds returns the wanted types in words.
func kinds(want []string) string {
	var words []string
	for _, w := range want {
		if w != "null" {
			words = append(words, article(w))
		}
	}
	return strings.Join(words, " or ")
}

func article(kind string) string {
	switch kind {
	case "array":
		return "a list"
	case "object":
		return "an object"
	case "integer":
		return "a whole number"
	case "null":
		return "null"
	}
	return "a " + kind
}

// shown quotes a value for a message, cut where it is long.
func shown(text string) string {
	if r := []rune(text); len(r) > 60 {
		text = string(r[:60]) + "…"
	}
	return strconv.Quote(text)
}

func number(r *big.Rat) string {
	f, _ := r.Float64()
	return strconv.FormatFloat(f, 'f', -1, 64)
}
