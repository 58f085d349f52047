package platform

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/runagent/runagent/api"
	"github.com/runagent/runagent/internal/cli/terminal"
	"github.com/runagent/runagent/sdk/go/runagent"
)

func (d *Desk) newStatusCommand() *cobra.Command {
	asJSON := false
	cmd := &cobra.Command{
		Use:               "status [AGENT]",
		Short:             "Show how the platform's agents are",
		Long:              "Show how the agents of the platform are, or one of them with its revisions. An\nagent that is asleep wakes up when it is called.",
		Example:           "  runagent status\n  runagent status my-agent --json",
		Args:              d.upTo(0, 1, ""),
		ValidArgsFunction: d.completeAgents,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return d.statusOfAll(cmd.Context(), asJSON)
			}
			return d.on(args, func(client *runagent.Client, agent string) error {
				return d.statusOf(cmd.Context(), client, agent, asJSON)
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "write JSON")
	return cmd
}

func (d *Desk) statusOfAll(ctx context.Context, asJSON bool) error {
	client, err := d.Connect()
	if err != nil {
		return err
	}
	agents, err := client.Agents(ctx)
	if err != nil {
		return err
	}
	if asJSON {
		return terminal.WriteJSON(d.Out, agents)
	}
	if len(agents) == 0 {
		d.say("No agent is deployed at %s. Deploy one with `runagent deploy DIR`.", client.URL())
		return nil
	}
	rows := make([][]string, len(agents))
	for i, a := range agents {
		rows[i] = []string{a.Slug, a.State, a.Status, a.Version, strconv.Itoa(len(a.Entrypoints)), a.ID}
	}
	return terminal.WriteTable(d.Out, []string{"AGENT", "STATE", "HEALTH", "VERSION", "ENTRYPOINTS", "ID"}, rows)
}

// agentStatus is what status --json prints of one agent.
type agentStatus struct {
	Agent     *api.Agent     `json:"agent"`
	Health    *api.Health    `json:"health"`
	Scale     *api.Scale     `json:"scale,omitempty"`
	Revisions []api.Revision `json:"revisions"`
}

func (d *Desk) statusOf(ctx context.Context, client *runagent.Client, name string, asJSON bool) error {
	var s agentStatus
	var err error
	if s.Agent, err = client.Agent(ctx, name); err != nil {
		return err
	}
	if s.Health, err = client.AgentHealth(ctx, name); err != nil {
		return err
	}
	if s.Revisions, err = client.Revisions(ctx, name); err != nil {
		return err
	}
	if s.Agent.Revision != "" { // it is in service
		if s.Scale, err = client.Scale(ctx, name); err != nil {
			return err
		}
	}
	if asJSON {
		return terminal.WriteJSON(d.Out, s)
	}
	fmt.Fprintf(d.Out, "%s is %s (%s)\n", s.Agent.Name, s.Agent.State, s.Agent.Status)
	for _, check := range s.Health.Checks {
		if check.Status != api.Healthy {
			fmt.Fprintf(d.Out, "  %s: %s\n", check.Name, terminal.OneLine(check.Message))
		}
	}
	fmt.Fprintf(d.Out, "%s/v1/agents/%s\n", client.URL(), s.Agent.Slug)
	if s.Scale != nil {
		fmt.Fprintf(d.Out, "Scaled to %s\n", scaleLine(s.Scale))
		if err := d.loadTable(s.Scale.Revisions); err != nil {
			return err
		}
	}
	fmt.Fprintln(d.Out)
	if err := d.revisionTable(s.Revisions[:min(5, len(s.Revisions))]); err != nil {
		return err
	}
	return d.whoIsLeft(ctx, client, &s)
}

// whoIsLeft lists the calls that still run on revisions that were replaced.
func (d *Desk) whoIsLeft(ctx context.Context, client *runagent.Client, s *agentStatus) error {
	draining := map[string]*api.Revision{}
	for i := range s.Revisions {
		if r := &s.Revisions[i]; r.Draining != nil && r.Draining.InFlight > 0 {
			draining[r.ID] = r
			fmt.Fprintf(d.Out, "\nrevision %d gets no more calls; %s left, until %s at most\n",
				r.Number, count(r.Draining.InFlight, "call"), r.Draining.Until.Local().Format(time.TimeOnly))
		}
	}
	if len(draining) == 0 {
		return nil
	}
	running, err := client.Invocations(ctx, runagent.InvocationQuery{Agent: s.Agent.ID, Status: "running", Limit: 1000})
	if err != nil {
		return err
	}
	var rows [][]string
	for _, inv := range running.Invocations {
		if r := draining[inv.Revision]; r != nil {
			rows = append(rows, []string{strconv.Itoa(r.Number), inv.ID, inv.Entrypoint, inv.CreatedAt.Local().Format(time.TimeOnly)})
		}
	}
	return terminal.WriteTable(d.Out, []string{"REVISION", "INVOCATION", "ENTRYPOINT", "SINCE"}, rows)
}

func (d *Desk) newRevisionsCommand() *cobra.Command {
	asJSON := false
	cmd := &cobra.Command{
		Use:               "revisions [AGENT]",
		Short:             "List the revisions of an agent on the platform, newest first",
		Example:           "  runagent revisions my-agent\n  runagent revisions my-agent --json",
		Args:              d.upTo(0, 1, ""),
		ValidArgsFunction: d.completeAgents,
		RunE: func(cmd *cobra.Command, args []string) error {
			return d.on(args, func(client *runagent.Client, agent string) error {
				revs, err := client.Revisions(cmd.Context(), agent)
				if err != nil {
					return err
				}
				if asJSON {
					return terminal.WriteJSON(d.Out, revs)
				}
				return d.revisionTable(revs)
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "write JSON")
	return cmd
}

func (d *Desk) revisionTable(revs []api.Revision) error {
	rows := make([][]string, len(revs))
	for i := range revs {
		r := &revs[i]
		about := r.Message
		if r.Error != "" {
			about = r.Error
		}
		rows[i] = []string{
			strconv.Itoa(r.Number), r.State, share(r.Percent, r.CanaryUntil), r.CreatedAt.Local().Format(time.DateTime), r.Digest[:min(len(r.Digest), 19)], terminal.Clip(about, 80),
		}
	}
	return terminal.WriteTable(d.Out, []string{"REVISION", "STATE", "CALLS", "CREATED", "DIGEST", "MESSAGE"}, rows)
}

func (d *Desk) newRollbackCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "rollback AGENT [REVISION]",
		Short: "Bring an earlier revision back into service",
		Long: `Bring a revision that served before back into service: REVISION is its number, as
"runagent revisions" shows it; without one it is the one that served last. The
revision that serves now goes on until the other has come up.`,
		Example:           "  runagent rollback my-agent\n  runagent rollback my-agent 3",
		Args:              d.upTo(1, 2, "the agent"),
		ValidArgsFunction: d.completeAgents,
		RunE: func(cmd *cobra.Command, args []string) error {
			return d.on(args, func(client *runagent.Client, agent string) error {
				wanted := ""
				if len(args) > 1 {
					wanted = args[1]
				}
				rev, err := client.Rollback(cmd.Context(), agent, wanted)
				return d.await(cmd.Context(), client, rev, err)
			})
		},
	}
	return cmd
}

// await follows what was begun to its end and tells how it went.
func (d *Desk) await(ctx context.Context, client *runagent.Client, rev *api.Revision, err error) error {
	if err != nil {
		return err
	}
	if rev, err = d.follow(ctx, client, rev); err != nil {
		return err
	}
	return d.ended(client, rev, false)
}

func (d *Desk) newStopCommand() *cobra.Command {
	return &cobra.Command{
		Use:               "stop AGENT",
		Short:             "Take an agent on the platform out of service",
		Long:              "Take an agent out of service: its calls in flight end, new ones are refused until\n\"runagent start\".",
		Example:           "  runagent stop my-agent",
		Args:              d.upTo(1, 1, "the agent"),
		ValidArgsFunction: d.completeAgents,
		RunE: func(cmd *cobra.Command, args []string) error {
			return d.on(args, func(client *runagent.Client, agent string) error {
				if err := client.StopAgent(cmd.Context(), agent); err != nil {
					return err
				}
				d.say("%s is stopped.", agent)
				return nil
			})
		},
	}
}

func (d *Desk) newStartCommand() *cobra.Command {
	return &cobra.Command{
		Use:               "start AGENT",
		Short:             "Bring a stopped agent on the platform back into service",
		Example:           "  runagent start my-agent",
		Args:              d.upTo(1, 1, "the agent"),
		ValidArgsFunction: d.completeAgents,
		RunE: func(cmd *cobra.Command, args []string) error {
			return d.on(args, func(client *runagent.Client, agent string) error {
				rev, err := client.StartAgent(cmd.Context(), agent)
				return d.await(cmd.Context(), client, rev, err)
			})
		},
	}
}

func (d *Desk) newDeleteCommand() *cobra.Command {
	yes := false
	cmd := &cobra.Command{
		Use:               "delete AGENT --yes",
		Short:             "Forget an agent on the platform, with its revisions and data",
		Example:           "  runagent delete my-agent --yes",
		Args:              d.upTo(1, 1, "the agent"),
		ValidArgsFunction: d.completeAgents,
		RunE: func(cmd *cobra.Command, args []string) error {
			return d.on(args, func(client *runagent.Client, agent string) error {
				if !yes {
					return d.Usage("this deletes %s at %s with its revisions and all it has stored: add --yes to do so", agent, client.URL())
				}
				if err := client.DeleteAgent(cmd.Context(), agent); err != nil {
					return err
				}
				d.say("%s is deleted.", agent)
				return nil
			})
		},
	}
	cmd.Flags().BoolVar(&yes, "yes", false, "do it")
	return cmd
}
