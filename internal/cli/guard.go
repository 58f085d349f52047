package cli

import (
	"github.com/spf13/cobra"

	"github.com/runagent/runagent/internal/app"
)

// newGuardCommand is how a server starts this program beside itself, to end
// everything it started when it is gone. It is not for people.
func newGuardCommand() *cobra.Command {
	return &cobra.Command{
		Use:    app.GuardCommand,
		Short:  "Guard the processes of a server (started by it)",
		Hidden: true,
		Args:   atMost(0),
		RunE:   func(*cobra.Command, []string) error { return app.Guard() },
	}
}
