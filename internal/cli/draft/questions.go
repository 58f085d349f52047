package draft

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/runagent/runagent/internal/agent"
	"github.com/runagent/runagent/internal/cli/draft/ask"
	"github.com/runagent/runagent/internal/runtime/python"
	"github.com/runagent/runagent/internal/scaffold"
	"github.com/runagent/runagent/templates"
)

// ask asks what to write, and writes it into a folder of the agent's name.
func (c *initCommand) ask(ctx context.Context) error {
	c.name = "my-agent"
	questions := []ask.Question{{Title: "Framework:", Answer: &c.framework, Options: frameworkOptions()}}
	chosen := map[string]*string{} // the template by framework
	for _, framework := range templates.Frameworks() {
		options, answer := templateOptions(framework), templates.Default
		if len(options) > 1 {
			questions = append(questions, ask.Question{
				Title: "Template:", Answer: &answer, Options: options, When: func() bool { return c.framework == framework },
			})
		}
		chosen[framework] = &answer
	}
	questions = append(questions, ask.Question{Title: "Name:", Answer: &c.name, Check: checkName})
	if err := c.Terminal.Ask(ctx, questions...); err != nil {
		return err
	}
	c.template, c.name = *chosen[c.framework], strings.TrimSpace(c.name)
	return c.write(agent.Slug(c.name))
}

func frameworkOptions() []ask.Option {
	var options []ask.Option
	for _, name := range templates.Frameworks() {
		template, err := templates.Find(name, templates.Default)
		if err != nil {
			continue // each has a default one
		}
		options = append(options, ask.Option{Label: fmt.Sprintf("%-14s %s", name, template.Description), Value: name})
	}
	return options
}

func templateOptions(framework string) []ask.Option {
	var options []ask.Option
	for _, template := range templates.All() {
		if template.Framework == framework {
			options = append(options, ask.Option{Label: fmt.Sprintf("%-14s %s", template.Name, template.Description), Value: template.Name})
		}
	}
	return options
}

// checkName says what is wrong with a name for a new agent.
func checkName(name string) error {
	name = strings.TrimSpace(name)
	switch n := utf8.RuneCountInString(name); {
	case n == 0:
		return errors.New("a name is needed")
	case n > agent.MaxNameLength:
		return fmt.Errorf("at most %d characters, not %d", agent.MaxNameLength, n)
	}
	if entries, err := os.ReadDir(agent.Slug(name)); err == nil && len(entries) > 0 {
		return fmt.Errorf("the folder %s is there already, and not empty", agent.Slug(name))
	}
	return nil
}

// choose asks which of the candidates callers may call, those that are likely
// being marked, and whether to write the manifest.
func (c *initCommand) choose(ctx context.Context, dir string, found, likely []python.Candidate) (chosen []python.Candidate, yes bool, err error) {
	place := func(c python.Candidate) string { return c.File + ":" + c.Name }
	options := make([]ask.Option, len(found))
	for i, candidate := range found {
		what := candidate.Kind
		if candidate.Kind == python.KindObject {
			what = candidate.Framework
		}
		options[i] = ask.Option{
			Label: fmt.Sprintf("%s (%s, line %d)", place(candidate), what, candidate.Line), Value: place(candidate),
			Chosen: slices.ContainsFunc(likely, func(l python.Candidate) bool { return place(l) == place(candidate) }),
		}
	}
	pick := func(places []string) []python.Candidate {
		return slices.DeleteFunc(slices.Clone(found), func(c python.Candidate) bool { return !slices.Contains(places, place(c)) })
	}
	places, yes, err := c.Terminal.ChooseAndConfirm(ctx, "What may be called?", options,
		"Write "+filepath.Join(dir, agent.ManifestName)+"?", func(places []string) string { return summary(dir, pick(places)) })
	return pick(places), yes, err
}

// summary tells in a line each which entrypoints the manifest would have.
func summary(dir string, chosen []python.Candidate) string {
	var lines []string
	for _, e := range scaffold.FromCode(dir, chosen).Entrypoints {
		lines = append(lines, fmt.Sprintf("%s: %s in %s", e.Tag, e.Module, e.File))
	}
	return strings.Join(lines, "\n")
}
