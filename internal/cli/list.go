package cli

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/runagent/runagent/internal/cli/local"
	"github.com/runagent/runagent/internal/cli/terminal"
)

// How many agents are asked at once whether they live, and how long each may take.
const (
	probesAtOnce = 8
	probeTimeout = 2 * time.Second
)

type listCommand struct {
	program *Program
	out     io.Writer
	talk    io.Writer
	all     bool
	json    bool
}

func newListCommand(p *Program) *cobra.Command {
	c := &listCommand{program: p, out: p.Out, talk: p.Err}
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List the agents served on this machine, and those of the platform",
		Example: "  runagent list\n  runagent list --all --json",
		Args:    atMost(0),
		RunE:    func(cmd *cobra.Command, _ []string) error { return c.run(cmd.Context()) },
	}
	cmd.Flags().BoolVar(&c.all, "all", false, "also those that are not being served now")
	cmd.Flags().BoolVar(&c.json, "json", false, "write JSON")
	return cmd
}

func (c *listCommand) run(ctx context.Context) error {
	agents, err := c.program.agents(ctx)
	if err != nil {
		return err
	}
	if err := c.probe(ctx, agents); err != nil {
		return err
	}
	if !c.all {
		agents = agents.Served()
	}
	deployed, err := c.program.listPlatform(ctx)
	if err != nil {
		fmt.Fprintf(c.talk, "warning: the platform's agents are not shown: %v\n", err)
	}
	agents = append(agents, deployed...)
	if c.json {
		if agents == nil {
			agents = local.Agents{}
		}
		return terminal.WriteJSON(c.out, agents)
	}
	if len(agents) == 0 {
		fmt.Fprintln(c.talk, "No agent is being served. Start one with `runagent serve DIR`.")
		return nil
	}
	rows := make([][]string, len(agents))
	for i, a := range agents {
		rows[i] = []string{a.Name, a.Status, a.URL, a.ID, a.Dir}
	}
	return terminal.WriteTable(c.out, []string{"AGENT", "STATUS", "URL", "ID", "FOLDER"}, rows)
}

// probe marks the agents whose process is gone: the database can't know of one
// that was killed.
func (c *listCommand) probe(ctx context.Context, agents local.Agents) error {
	var probes errgroup.Group
	probes.SetLimit(probesAtOnce)
	for i := range agents {
		if !agents[i].Serves() {
			continue
		}
		probes.Go(func() error {
			if !c.answers(ctx, &agents[i]) {
				agents[i].Status = local.Unreachable
			}
			return ctx.Err()
		})
	}
	return probes.Wait()
}

// answers reports whether the agent's own server answers at its address.
func (c *listCommand) answers(ctx context.Context, a *local.Agent) bool {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	client, err := c.program.clientOf(a)
	if err != nil {
		return false
	}
	_, err = client.Agent(ctx, a.ID)
	return err == nil
}
