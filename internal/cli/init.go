package cli

import (
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/runagent/runagent/internal/fault"
	"github.com/runagent/runagent/templates"
)

type initCommand struct {
	out       io.Writer
	talk      io.Writer
	framework string
	name      string
}

func newInitCommand(p *Program) *cobra.Command {
	c := &initCommand{out: p.Out, talk: p.Err}
	frameworks := templates.Frameworks()
	cmd := &cobra.Command{
		Use:   "init [DIR]",
		Short: "Write a working agent to start from",
		Long: `Write a working agent to DIR, which is made if it is not there: code, manifest,
README and an input to try it with. Files that are there are never overwritten.`,
		Example: "  runagent init my-agent\n  runagent init my-agent --framework langgraph --name 'My agent'",
		Args:    atMost(1),
		RunE:    func(_ *cobra.Command, args []string) error { return c.run(first(args)) },
	}
	cmd.Flags().StringVar(&c.framework, "framework", "default", "`NAME` of what it is written with: "+strings.Join(frameworks, " or "))
	cmd.Flags().StringVar(&c.name, "name", "", "the agent's `NAME` (default: the folder's)")
	_ = cmd.RegisterFlagCompletionFunc("framework", cobra.FixedCompletions(frameworks, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

func (c *initCommand) run(dir string) error {
	if dir == "" {
		dir = "."
	}
	files, err := templates.Write(dir, c.framework, c.name, templates.Options{})
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
