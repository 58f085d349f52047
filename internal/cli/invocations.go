package cli

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/runagent/runagent/api"
	"github.com/runagent/runagent/internal/cli/local"
	"github.com/runagent/runagent/internal/cli/terminal"
	"github.com/runagent/runagent/sdk/go/runagent"
)

// pageSize is how many records are asked for at once.
const pageSize = 200

var statuses = []string{"queued", "running", "succeeded", "failed", "canceled", "timed_out"}

type invocationsCommand struct {
	program *Program
	out     io.Writer
	talk    io.Writer
	status  string
	limit   int
	json    bool
}

func newInvocationsCommand(p *Program) *cobra.Command {
	c := &invocationsCommand{program: p, out: p.Out, talk: p.Err}
	cmd := &cobra.Command{
		Use:   "invocations [AGENT]",
		Short: "List the invocations of an agent, newest first",
		Long: `List the recorded invocations of an agent, newest first, whether it is being
served now or was once. AGENT is as in "runagent run".`,
		Example:           "  runagent invocations my-agent --status failed\n  runagent invocations --limit 1 --json",
		Args:              atMost(1),
		ValidArgsFunction: p.completeAgents,
		RunE:              func(cmd *cobra.Command, args []string) error { return c.run(cmd.Context(), first(args)) },
	}
	cmd.Flags().StringVar(&c.status, "status", "", "only those that are `STATUS`: "+strings.Join(statuses, ", "))
	cmd.Flags().IntVar(&c.limit, "limit", 20, "at most `N`")
	cmd.Flags().BoolVar(&c.json, "json", false, "write JSON, with input, output and error")
	_ = cmd.RegisterFlagCompletionFunc("status", cobra.FixedCompletions(statuses, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

func (c *invocationsCommand) run(ctx context.Context, ref string) error {
	if c.status != "" && !slices.Contains(statuses, c.status) {
		return usagef("--status is %q: it may be %s", c.status, strings.Join(statuses, ", "))
	}
	if c.limit < 1 {
		return usagef("--limit is %d: it must be at least 1", c.limit)
	}
	var records []api.Invocation
	err := c.program.readNamed(ctx, ref, func(client *runagent.Client, target *local.Agent, _ bool) (err error) {
		records, err = c.collect(ctx, client, target.ID)
		return err
	})
	if err != nil {
		return err
	}
	if c.json {
		return terminal.WriteJSON(c.out, records)
	}
	if len(records) == 0 {
		fmt.Fprintln(c.talk, "No invocations.")
		return nil
	}
	rows := make([][]string, len(records))
	for i := range records {
		rows[i] = invocationRow(&records[i])
	}
	return terminal.WriteTable(c.out, []string{"INVOCATION", "ENTRYPOINT", "STATUS", "CREATED", "TOOK", "START", "ERROR"}, rows)
}

// collect reads pages up to the limit.
func (c *invocationsCommand) collect(ctx context.Context, client *runagent.Client, agentID string) ([]api.Invocation, error) {
	records := []api.Invocation{}
	query := runagent.InvocationQuery{Agent: agentID, Status: c.status}
	for len(records) < c.limit {
		query.Limit = min(c.limit-len(records), pageSize)
		page, err := client.Invocations(ctx, query)
		if err != nil {
			return nil, err
		}
		records = append(records, page.Invocations...)
		if page.NextCursor == "" || len(page.Invocations) == 0 {
			break
		}
		query.Cursor = page.NextCursor
	}
	return records[:min(len(records), c.limit)], nil
}

func invocationRow(inv *api.Invocation) []string {
	took, failure := "", ""
	if inv.FinishedAt != nil {
		took = terminal.Duration(inv.FinishedAt.Sub(inv.CreatedAt))
	}
	if inv.Error != nil {
		failure = terminal.Clip(inv.Error.Message, 60)
	}
	created := inv.CreatedAt.Local().Format(time.DateTime)
	return []string{inv.ID, inv.Entrypoint, inv.Status, created, took, inv.Start, failure}
}
