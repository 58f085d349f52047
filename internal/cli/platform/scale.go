package platform

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/runagent/runagent/api"
	"github.com/runagent/runagent/internal/cli/terminal"
	"github.com/runagent/runagent/sdk/go/runagent"
)

const scaleHelp = `Set how many instances an agent on the platform has; without flags, show it. The
platform starts an instance when those there are have more than TARGET calls at
once each, open streams included, and ends it when it was not needed for a
minute. It stays so across deploys and restarts, whatever the manifest's
"scaling" says; --reset makes that hold again.`

type scaleCommand struct {
	desk     *Desk
	min, max int
	target   float64
	idle     time.Duration
	reset    bool
	json     bool
}

func (d *Desk) newScaleCommand() *cobra.Command {
	c := &scaleCommand{desk: d}
	cmd := &cobra.Command{
		Use:               "scale AGENT",
		Short:             "Set how many instances an agent on the platform has",
		Long:              scaleHelp,
		Example:           "  runagent scale my-agent --min 1 --max 5\n  runagent scale my-agent --target 20 --idle-timeout 30m",
		Args:              d.upTo(1, 1, "the agent"),
		ValidArgsFunction: d.completeAgents,
		RunE: func(cmd *cobra.Command, args []string) error {
			return d.on(args, func(client *runagent.Client, agent string) error { return c.run(cmd, client, agent) })
		},
	}
	f := cmd.Flags()
	f.IntVar(&c.min, "min", 0, "keep at least `N` instances, even when nobody calls; 0 lets it sleep")
	f.IntVar(&c.max, "max", 0, "have at most `N` instances of a revision")
	f.Float64Var(&c.target, "target", 0, "the calls at once that an instance is meant to have")
	f.DurationVar(&c.idle, "idle-timeout", 0, "how long without a call until it sleeps")
	f.BoolVar(&c.reset, "reset", false, "forget what was set before")
	f.BoolVar(&c.json, "json", false, "write JSON")
	return cmd
}

func (c *scaleCommand) run(cmd *cobra.Command, client *runagent.Client, agent string) error {
	set := cmd.Flags().Changed
	req := api.ScaleRequest{Reset: c.reset}
	if set("min") {
		req.MinInstances = &c.min
	}
	if set("max") {
		req.MaxInstances = &c.max
	}
	if set("target") {
		if math.IsNaN(c.target) || math.IsInf(c.target, 0) {
			return c.desk.Usage("--target takes a number")
		}
		req.Target = &c.target
	}
	if seconds := c.idle.Seconds(); set("idle-timeout") {
		req.IdleTimeoutSeconds = &seconds
	}
	var scale *api.Scale
	var err error
	if req == (api.ScaleRequest{}) {
		scale, err = client.Scale(cmd.Context(), agent)
	} else {
		scale, err = client.SetScale(cmd.Context(), agent, req)
	}
	if err != nil {
		return err
	}
	if c.json {
		return terminal.WriteJSON(c.desk.Out, scale)
	}
	fmt.Fprintf(c.desk.Out, "%s: %s\n", agent, scaleLine(scale))
	return c.desk.loadTable(scale.Revisions)
}

// scaleLine says how an agent is scaled; what was set for it is marked.
func scaleLine(s *api.Scale) string {
	mark := func(field string) string {
		if slices.Contains(s.Set, field) {
			return " (set)"
		}
		return ""
	}
	idle := time.Duration(s.IdleTimeoutSeconds * float64(time.Second))
	return fmt.Sprintf("%d%s to %d%s instances, for %s calls at once each%s, asleep after %s%s",
		s.MinInstances, mark("min_instances"), s.MaxInstances, mark("max_instances"),
		strconv.FormatFloat(s.Target, 'g', 6, 64), mark("target"), terminal.Duration(idle), mark("idle_timeout"))
}

func (d *Desk) loadTable(loads []api.RevisionLoad) error {
	if len(loads) == 0 {
		return nil
	}
	rows := make([][]string, len(loads))
	for i, l := range loads {
		memory := ""
		if l.MemoryBytes > 0 {
			memory = size(l.MemoryBytes)
		}
		rows[i] = []string{
			strconv.Itoa(l.Number), strconv.Itoa(l.Instances), strconv.Itoa(l.Wanted), strconv.Itoa(l.InFlight), strconv.Itoa(l.Queued), memory,
		}
	}
	return terminal.WriteTable(d.Out, []string{"REVISION", "INSTANCES", "WANTED", "IN FLIGHT", "QUEUED", "MEMORY EACH"}, rows)
}
