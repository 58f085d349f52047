package draft

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/runagent/runagent/internal/agent"
	"github.com/runagent/runagent/internal/cli/sample"
	"github.com/runagent/runagent/internal/cli/terminal"
	"github.com/runagent/runagent/internal/fault"
	"github.com/runagent/runagent/internal/scaffold"
	"github.com/runagent/runagent/templates"
)

type initCommand struct {
	*Desk

	framework string
	template  string
	name      string
	yes       bool
	list      bool
	json      bool
}

const initHelp = `Write a working agent to DIR, which is made if it is not there: code, manifest,
README and an input to try it with. Each runs without a key, on a small offline
model, and on a real one when its key is set. Files that are there are never
overwritten.

Where DIR has Python code already, and no --framework is given, init looks for
what could be called (graphs, crews, agents, annotated functions), without
running it, and proposes a manifest, which it writes after a yes or with --yes.

In a terminal and without arguments it asks for framework, template and name.`

func (d *Desk) newInitCommand() *cobra.Command {
	c := &initCommand{Desk: d}
	frameworks := templates.Frameworks()
	cmd := &cobra.Command{
		Use:     "init [DIR]",
		Short:   "Write a working agent to start from",
		Long:    initHelp,
		Example: "  runagent init my-agent\n  runagent init my-agent --framework langgraph --name 'My agent'\n  runagent init my-project --yes\n  runagent init --list",
		Args:    d.oneFolder,
		RunE:    c.run,
	}
	cmd.Flags().StringVar(&c.framework, "framework", templates.Default, "`NAME` of what it is written with: "+strings.Join(frameworks, ", "))
	cmd.Flags().StringVar(&c.template, "template", templates.Default, "`NAME` of one of the framework's templates")
	cmd.Flags().StringVar(&c.name, "name", "", "the agent's `NAME` (default: the folder's)")
	cmd.Flags().BoolVar(&c.yes, "yes", false, "write the manifest that is proposed for code that is there")
	cmd.Flags().BoolVar(&c.list, "list", false, "list the templates and write nothing")
	cmd.Flags().BoolVar(&c.json, "json", false, "with --list: write JSON")
	_ = cmd.RegisterFlagCompletionFunc("framework", cobra.FixedCompletions(frameworks, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

func (c *initCommand) run(cmd *cobra.Command, args []string) error {
	dir := folder(args)
	given := cmd.Flags().Changed
	asks := cmd.Flags().NFlag() == 0 && len(args) == 0 && c.Terminal.Present()
	switch {
	case c.list:
		return c.listTemplates()
	case c.json:
		return c.Usage("--json goes with --list only")
	}
	if err := canBeFolder(dir); err != nil {
		return err
	}
	switch {
	case given("framework") || given("template"):
		return c.write(dir)
	case exists(filepath.Join(dir, agent.ManifestName)):
		return fmt.Errorf("%s is an agent already, it has a %s; serve it with `runagent serve %s`, or make another one with `runagent init FOLDER`", dir, agent.ManifestName, sample.Word(dir))
	case scaffold.HasCode(dir):
		return c.propose(cmd.Context(), dir, asks)
	case asks:
		return c.ask(cmd.Context())
	}
	return c.write(dir)
}

// write writes a template.
func (c *initCommand) write(dir string) error {
	template, err := templates.Find(c.framework, c.template)
	if err != nil {
		return c.Usage("%w", err)
	}
	files, err := template.Write(dir, c.name, templates.Options{})
	if fault.CodeOf(err) == fault.Validation {
		return c.Usage("%w", err)
	}
	if err != nil {
		return err
	}
	for _, file := range files {
		fmt.Fprintln(c.Out, filepath.Join(dir, file))
	}
	fmt.Fprintf(c.Err, "Now: runagent serve %s\n", sample.Word(dir))
	return nil
}

// propose shows a manifest for the code in dir and writes it after a yes.
func (c *initCommand) propose(ctx context.Context, dir string, asks bool) error {
	found := c.Candidates(ctx, dir)
	chosen := scaffold.Likely(found)
	if len(chosen) == 0 {
		return fmt.Errorf("%s has Python code, but nothing in it that could be called: a graph, crew or agent at the top level of a file, or a function whose parameters are annotated; `runagent init %s --framework default` writes an agent beside it", dir, sample.Word(dir))
	}
	yes := c.yes
	if asks {
		var err error
		if chosen, yes, err = c.choose(ctx, dir, found, chosen); err != nil {
			return err
		}
	}
	proposal := scaffold.FromCode(dir, chosen)
	if c.name != "" {
		proposal.Name = c.name
	}
	text, err := proposal.Manifest()
	if err != nil {
		return err
	}
	for _, note := range proposal.Notes {
		fmt.Fprintf(c.Err, "note: %s\n", terminal.OneLine(note))
	}
	if !yes {
		if _, err := c.Out.Write(text); err != nil {
			return err
		}
		return errors.New("nothing was written: --yes writes this manifest, --framework NAME an agent to start from")
	}
	if err := scaffold.Write(dir, text, false); err != nil {
		return err
	}
	fmt.Fprintln(c.Out, filepath.Join(dir, agent.ManifestName))
	fmt.Fprintf(c.Err, "Now: runagent serve %s\n", sample.Word(dir))
	return nil
}

func (c *initCommand) listTemplates() error {
	if c.json {
		return terminal.WriteJSON(c.Out, templates.All())
	}
	var rows [][]string
	for _, t := range templates.All() {
		rows = append(rows, []string{t.Framework, t.Name, t.Description})
	}
	return terminal.WriteTable(c.Out, []string{"FRAMEWORK", "TEMPLATE", "WHAT IT IS"}, rows)
}

// canBeFolder returns an error for what is no folder and can't become one.
func canBeFolder(path string) error {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("look for a folder: %w", err)
	case !info.IsDir():
		return fmt.Errorf("%s is a file, not a folder", path)
	}
	return nil
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return !errors.Is(err, os.ErrNotExist)
}
