// Package draft is the commands that make agents: from a template, of code that
// is there, and of projects made for other platforms.
package draft

import (
	"context"
	"io"

	"github.com/spf13/cobra"

	"github.com/runagent/runagent/internal/cli/draft/ask"
	"github.com/runagent/runagent/internal/runtime/python"
)

// Desk is what the commands are given by the program.
type Desk struct {
	Out, Err io.Writer
	// Terminal is where the person who typed the command can be asked.
	Terminal ask.Terminal
	// Candidates returns what could be called in the files of a folder.
	Candidates func(ctx context.Context, dir string) []python.Candidate
	// Usage makes the error of a command that is used in a wrong way.
	Usage func(format string, args ...any) error
}

// Commands returns the commands.
func (d *Desk) Commands() []*cobra.Command {
	return []*cobra.Command{d.newInitCommand(), d.newImportCommand()}
}

// oneFolder accepts a folder as the only argument, or none.
func (d *Desk) oneFolder(_ *cobra.Command, args []string) error {
	if len(args) > 1 {
		return d.Usage("unexpected argument %q", args[1])
	}
	return nil
}

// folder is the one that was named, or the working directory.
func folder(args []string) string {
	if len(args) == 0 || args[0] == "" {
		return "."
	}
	return args[0]
}
