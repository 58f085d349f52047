package cli

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/runagent/runagent/api"
	"github.com/runagent/runagent/sdk/go/runagent"
)

type logsCommand struct {
	program *Program
	out     io.Writer
	follow  bool
	limit   int
	filter  string
	json    bool
}

func newLogsCommand(p *Program) *cobra.Command {
	c := &logsCommand{program: p, out: p.Out}
	cmd := &cobra.Command{
		Use:   "logs [AGENT]",
		Short: "Show what an agent printed and logged",
		Long: `Show what the code of an agent being served on this machine printed and logged.
AGENT is as in "runagent run". A line begins with its time and the end of the ID
of the invocation that printed it.`,
		Example:           "  runagent logs my-agent -f\n  runagent logs --limit 1000 --json",
		Args:              atMost(1),
		ValidArgsFunction: p.completeAgents,
		RunE:              func(cmd *cobra.Command, args []string) error { return c.run(cmd.Context(), first(args)) },
	}
	cmd.Flags().BoolVarP(&c.follow, "follow", "f", false, "go on with new lines as they come")
	cmd.Flags().IntVar(&c.limit, "limit", 0, "begin with the latest `N` lines (default: all that are kept)")
	cmd.Flags().StringVar(&c.filter, "invocation", "", "only lines of the invocation with this `ID`")
	cmd.Flags().BoolVar(&c.json, "json", false, "write JSON, one object a line")
	return cmd
}

func (c *logsCommand) run(ctx context.Context, ref string) error {
	if c.limit < 0 {
		return usagef("--limit is %d: it can't be negative", c.limit)
	}
	target, err := c.program.findAgent(ctx, ref)
	if err != nil {
		return err
	}
	client, err := target.client(c.program)
	if err != nil {
		return err
	}
	settings, err := c.program.settings()
	if err != nil {
		return err
	}
	colours := paletteFor(c.out, settings.NoColor)
	query := runagent.LogQuery{Follow: c.follow, Limit: c.limit, InvocationID: c.filter}
	for line, err := range client.Logs(ctx, target.ID, query) {
		if err != nil {
			return target.explain(err)
		}
		if err := c.write(colours, line); err != nil {
			return err
		}
	}
	return nil
}

func (c *logsCommand) write(colours palette, line api.LogLine) error {
	if c.json {
		return writeLine(c.out, line)
	}
	_, err := fmt.Fprintf(c.out, "%s %s %s\n", colours.dim(line.Time.Local().Format("15:04:05.000")),
		colours.dim(logPrefix(line.InvocationID, line.Stream)), logText(colours, line.Stream, line.Level, line.Text))
	if err != nil {
		return fmt.Errorf("print log line: %w", err)
	}
	return nil
}
