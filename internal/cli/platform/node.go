package platform

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/runagent/runagent/api"
	"github.com/runagent/runagent/internal/cli/terminal"
)

const nodeHelp = `Show how the platform is that you are logged in to: its version, how long it runs, its
agents by tier of readiness (hot: an instance, warm: a zygote, cold: neither), memory,
disk, and how agents are kept apart.`

func (d *Desk) newPlatformStatusCommand() *cobra.Command {
	asJSON := false
	cmd := &cobra.Command{
		Use:     "status",
		Short:   "Show how a platform is",
		Long:    nodeHelp,
		Example: "  runagent platform status\n  runagent platform status --json",
		Args:    d.upTo(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return d.platformStatus(cmd.Context(), asJSON)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "write JSON")
	return cmd
}

func (d *Desk) platformStatus(ctx context.Context, asJSON bool) error {
	client, err := d.Connect()
	if err != nil {
		return err
	}
	s, err := client.PlatformStatus(ctx)
	if err != nil {
		return err
	}
	if asJSON {
		return terminal.WriteJSON(d.Out, s)
	}
	fmt.Fprintf(d.Out, "Platform at %s\n", client.URL())
	writeStatus(d.Out, s)
	return nil
}

func writeStatus(w io.Writer, s *api.PlatformStatus) {
	line := func(name, format string, args ...any) {
		fmt.Fprintf(w, "  %-10s %s\n", name, fmt.Sprintf(format, args...))
	}
	line("version", "%s, process %d, up %s", s.Version, s.PID, terminal.Duration(time.Duration(s.UptimeSeconds)*time.Second))
	line("agents", "%d: %d hot, %d warm, %d cold, %d out of service", s.Agents.Total, s.Agents.Hot, s.Agents.Warm, s.Agents.Cold, s.Agents.Out)
	line("processes", "%s, %s of which %d are frozen", count(s.Instances, "instance"), count(s.Zygotes, "zygote"), s.Frozen)
	line("calls", "%d in flight, %d waiting, %d succeeded and %d failed since the start", s.Calls.InFlight, s.Calls.Waiting, s.Calls.Good, s.Calls.Bad)
	m := s.Memory
	line("memory", "agents %s of %s, server %s, machine %s free", size(m.Agents), size(m.Limit), size(m.Server), size(m.Free))
	k := s.Disk
	line("disk", "bundles %s, code %s, environments %s, agents' data %s, databases %s; %s free",
		size(k.Bundles), size(k.Code), size(k.Environments), size(k.Data), size(k.Databases), size(k.Free))
	line("isolation", "level %s; memory bounded by %s%s; freezing by %s%s", s.Isolation.Level,
		s.Isolation.MemoryBy, why(s.Isolation.WhyNotMemory), s.Isolation.FreezeBy, why(s.Isolation.WhyNotFreeze))
}

func why(text string) string {
	if text == "" {
		return ""
	}
	return " (" + text + ")"
}
