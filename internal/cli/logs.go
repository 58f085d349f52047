package cli

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/runagent/runagent/api"
	"github.com/runagent/runagent/internal/agent"
	"github.com/runagent/runagent/internal/cli/local"
	"github.com/runagent/runagent/internal/cli/sample"
	"github.com/runagent/runagent/internal/cli/terminal"
	"github.com/runagent/runagent/sdk/go/runagent"
)

// maxLogLines is how many a server gives at once.
const maxLogLines = 10_000

type logsCommand struct {
	program *Program
	out     io.Writer
	talk    io.Writer
	follow  bool
	limit   int
	filter  string
	// revision and since leave out more; since is how long ago.
	revision, since string
	json            bool
}

func newLogsCommand(p *Program) *cobra.Command {
	c := &logsCommand{program: p, out: p.Out, talk: p.Err}
	cmd := &cobra.Command{
		Use:   "logs [AGENT]",
		Short: "Show what an agent printed and logged",
		Long: `Show the latest lines that the code of an agent printed and logged, whether it is
being served now or was once. AGENT is as in "runagent run". A line begins with
its time and the end of the ID of the invocation that printed it.`,
		Example:           "  runagent logs my-agent -f\n  runagent logs my-agent --revision 3 --since 10m\n  runagent logs --limit 1000 --json",
		Args:              atMost(1),
		ValidArgsFunction: p.completeAgents,
		RunE:              func(cmd *cobra.Command, args []string) error { return c.run(cmd.Context(), first(args)) },
	}
	cmd.Flags().BoolVarP(&c.follow, "follow", "f", false, "go on with new lines as they come")
	cmd.Flags().IntVar(&c.limit, "limit", 100, fmt.Sprintf("begin with the latest `N` lines, up to %d", maxLogLines))
	cmd.Flags().StringVar(&c.filter, "invocation", "", "only lines of the invocation with this `ID`")
	cmd.Flags().StringVar(&c.revision, "revision", "", "only lines of this `REVISION`: its ID, or on a platform its number")
	cmd.Flags().StringVar(&c.since, "since", "", "only lines of the last `TIME`, such as 10m or 2h")
	cmd.Flags().BoolVar(&c.json, "json", false, "write JSON, one object a line")
	return cmd
}

func (c *logsCommand) run(ctx context.Context, ref string) error {
	if c.limit < 1 || c.limit > maxLogLines {
		return usagef("--limit is %d: it may be 1 to %d", c.limit, maxLogLines)
	}
	var since time.Time
	if c.since != "" {
		ago, err := agent.ParseDuration(c.since)
		if err != nil {
			return usagef("--since: %w", err)
		}
		since = time.Now().Add(-ago)
	}
	settings, err := c.program.settings()
	if err != nil {
		return err
	}
	colours := terminal.PaletteFor(c.out, settings.NoColor)
	return c.program.readNamed(ctx, ref, func(client *runagent.Client, target *local.Agent, live bool) error {
		some := false
		query := runagent.LogQuery{Follow: c.follow && live, Limit: c.limit, InvocationID: c.filter, Revision: c.revision, Since: since}
		for line, err := range client.Logs(ctx, target.ID, query) {
			if err != nil {
				return err
			}
			if err := c.write(colours, line); err != nil {
				return err
			}
			some = true
		}
		if !some && !c.follow {
			fmt.Fprintln(c.talk, "No lines: nothing was printed or logged.")
		}
		if c.follow && !live {
			return fmt.Errorf("agent %q is not being served, so no new lines come; start it with `runagent serve %s`", target.Name, sample.Word(target.Dir))
		}
		return nil
	})
}

func (c *logsCommand) write(colours terminal.Palette, line api.LogLine) error {
	if c.json {
		return terminal.WriteLine(c.out, line)
	}
	_, err := fmt.Fprintf(c.out, "%s %s %s\n", colours.Dim(line.Time.Local().Format("15:04:05.000")),
		colours.Dim(terminal.LogPrefix(line.InvocationID, line.Stream)), terminal.LogText(colours, line.Stream, line.Level, line.Text))
	if err != nil {
		return fmt.Errorf("print log line: %w", err)
	}
	return nil
}
