package cli

import (
	"fmt"
	"io"
	"runtime"

	"github.com/spf13/cobra"

	"github.com/runagent/runagent/internal/cli/terminal"
)

type versionCommand struct {
	version string
	out     io.Writer
	json    bool
}

func newVersionCommand(p *Program) *cobra.Command {
	c := &versionCommand{version: p.Version, out: p.Out}
	cmd := &cobra.Command{
		Use:     "version",
		Short:   "Show the version of this program",
		Example: "  runagent version --json",
		Args:    atMost(0),
		RunE:    func(*cobra.Command, []string) error { return c.run() },
	}
	cmd.Flags().BoolVar(&c.json, "json", false, "write JSON")
	return cmd
}

func (c *versionCommand) run() error {
	platform := runtime.GOOS + "/" + runtime.GOARCH
	if c.json {
		return terminal.WriteJSON(c.out, map[string]string{
			"version": c.version, "go": runtime.Version(), "platform": platform,
		})
	}
	_, err := fmt.Fprintf(c.out, "runagent %s (%s, %s)\n", c.version, runtime.Version(), platform)
	return err
}
