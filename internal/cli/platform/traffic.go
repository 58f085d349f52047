package platform

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/runagent/runagent/api"
	"github.com/runagent/runagent/internal/cli/terminal"
	"github.com/runagent/runagent/sdk/go/runagent"
)

const trafficHelp = `Split the calls of an agent on the platform between its revisions, in percent;
without a split, show it. Calls of one session go to one revision. A revision
that is not up comes up first, and who gets no more calls ends those it has.

Any revision can be called directly: "AGENT@REVISION", or the header
X-RunAgent-Revision.`

func (d *Desk) newTrafficCommand() *cobra.Command {
	asJSON := false
	cmd := &cobra.Command{
		Use:               "traffic AGENT [REVISION=PERCENT,...]",
		Short:             "Split an agent's calls between its revisions",
		Long:              trafficHelp,
		Example:           "  runagent traffic my-agent 3=10,2=90\n  runagent traffic my-agent",
		Args:              d.upTo(1, 2, "the agent"),
		ValidArgsFunction: d.completeAgents,
		RunE: func(cmd *cobra.Command, args []string) error {
			return d.on(args, func(client *runagent.Client, agent string) error {
				traffic, err := d.traffic(cmd.Context(), client, agent, args[1:])
				if err != nil {
					return err
				}
				if asJSON {
					return terminal.WriteJSON(d.Out, traffic)
				}
				return d.trafficTable(traffic)
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "write JSON")
	return cmd
}

func (d *Desk) traffic(ctx context.Context, client *runagent.Client, agent string, split []string) (*api.Traffic, error) {
	if len(split) == 0 {
		return client.Traffic(ctx, agent)
	}
	var shares []api.TrafficWish
	for _, part := range strings.Split(split[0], ",") {
		revision, text, ok := strings.Cut(strings.TrimSpace(part), "=")
		percent, err := strconv.Atoi(strings.TrimSuffix(text, "%"))
		if !ok || err != nil || revision == "" {
			return nil, d.Usage("%q is not REVISION=PERCENT, such as 3=10", part)
		}
		shares = append(shares, api.TrafficWish{Revision: revision, Percent: percent})
	}
	return client.SetTraffic(ctx, agent, shares...)
}

func (d *Desk) trafficTable(traffic *api.Traffic) error {
	if len(traffic.Traffic) == 0 {
		d.say("No revision of it gets calls.")
		return nil
	}
	rows := make([][]string, len(traffic.Traffic))
	for i, s := range traffic.Traffic {
		rows[i] = []string{strconv.Itoa(s.Number), share(s.Percent, s.CanaryUntil), s.Revision}
	}
	return terminal.WriteTable(d.Out, []string{"REVISION", "CALLS", "ID"}, rows)
}

// share says how many of the calls a revision gets.
func share(percent int, canaryUntil *time.Time) string {
	switch {
	case canaryUntil != nil:
		return strconv.Itoa(percent) + "% until " + canaryUntil.Local().Format(time.TimeOnly)
	case percent > 0:
		return strconv.Itoa(percent) + "%"
	}
	return ""
}
