package cli

import (
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/runagent/runagent/internal/cli/terminal"
	"github.com/runagent/runagent/internal/fault"
	"github.com/runagent/runagent/templates"
)

type initCommand struct {
	out       io.Writer
	talk      io.Writer
	framework string
	template  string
	name      string
	list      bool
	json      bool
}

func newInitCommand(p *Program) *cobra.Command {
	c := &initCommand{out: p.Out, talk: p.Err}
	frameworks := templates.Frameworks()
	cmd := &cobra.Command{
		Use:   "init [DIR]",
		Short: "Write a working agent to start from",
		Long: `Write a working agent to DIR, which is made if it is not there: code, manifest,
README and an input to try it with. Each runs without a key, on a small offline
model, and on a real one when its key is set. Files that are there are never
overwritten.`,
		Example: "  runagent init my-agent\n  runagent init my-agent --framework langgraph --name 'My agent'\n  runagent init --list",
		Args:    atMost(1),
		RunE:    func(_ *cobra.Command, args []string) error { return c.run(first(args)) },
	}
	cmd.Flags().StringVar(&c.framework, "framework", templates.Default, "`NAME` of what it is written with: "+strings.Join(frameworks, ", "))
	cmd.Flags().StringVar(&c.template, "template", templates.Default, "`NAME` of one of the framework's templates")
	cmd.Flags().StringVar(&c.name, "name", "", "the agent's `NAME` (default: the folder's)")
	cmd.Flags().BoolVar(&c.list, "list", false, "list the templates and write nothing")
	cmd.Flags().BoolVar(&c.json, "json", false, "with --list: write JSON")
	_ = cmd.RegisterFlagCompletionFunc("framework", cobra.FixedCompletions(frameworks, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

func (c *initCommand) run(dir string) error {
	if c.list {
		return c.listTemplates()
	}
	if c.json {
		return usagef("--json goes with --list only")
	}
	template, err := templates.Find(c.framework, c.template)
	if err != nil {
		return usagef("%w", err)
	}
	if dir == "" {
		dir = "."
	}
	files, err := template.Write(dir, c.name, templates.Options{})
	if fault.CodeOf(err) == fault.Validation {
		return usagef("%w", err)
	}
	if err != nil {
		return err
	}
	for _, file := range files {
		fmt.Fprintln(c.out, filepath.Join(dir, file))
	}
	fmt.Fprintf(c.talk, "Now: runagent serve %s\n", dir)
	return nil
}

func (c *initCommand) listTemplates() error {
	if c.json {
		return terminal.WriteJSON(c.out, templates.All())
	}
	var rows [][]string
	for _, t := range templates.All() {
		rows = append(rows, []string{t.Framework, t.Name, t.Description})
	}
	return terminal.WriteTable(c.out, []string{"FRAMEWORK", "TEMPLATE", "WHAT IT IS"}, rows)
}
