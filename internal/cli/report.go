package cli

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/runagent/runagent/internal/agent"
	"github.com/runagent/runagent/internal/cli/local"
	"github.com/runagent/runagent/internal/cli/terminal"
	"github.com/runagent/runagent/internal/fault"
	"github.com/runagent/runagent/internal/instance"
	"github.com/runagent/runagent/sdk/go/runagent"
)

// usageError is a command used in a wrong way.
type usageError struct{ err error }

func usagef(format string, args ...any) error { return &usageError{fmt.Errorf(format, args...)} }

// Error returns what is wrong.
func (e *usageError) Error() string { return e.err.Error() }

// Unwrap returns the cause.
func (e *usageError) Unwrap() error { return e.err }

// errReported ends a command that failed and has already said why.
var errReported = errors.New("already reported")

// report tells why cmd ended and returns the exit code that says so too.
func (p *Program) report(cmd *cobra.Command, err error) int {
	var usage *usageError
	var ambiguous *local.AmbiguousError
	var problems agent.Problems
	var remote *runagent.Error
	var broken *instance.ImportError
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, errReported):
	case errors.As(err, &usage), errors.As(err, &ambiguous):
		fmt.Fprintf(p.Err, "runagent: %v\nSee: %s --help\n", err, cmd.CommandPath())
		return exitUsage
	case errors.As(err, &remote):
		p.reportRemote(cmd, remote, err)
	case errors.As(err, &problems):
		fmt.Fprintln(p.Err, problems.Error())
	case errors.As(err, &broken):
		fmt.Fprintf(p.Err, "runagent: %v\n", err)
		p.reportTraceback(cmd, broken.Traceback, err)
	default:
		fmt.Fprintf(p.Err, "runagent: %v\n", err)
		if local := fault.As(err); local != nil && local.Suggestion != "" {
			fmt.Fprintln(p.Err, local.Suggestion)
		}
	}
	return exitFailed
}

// reportRemote tells what a server reported: one line of ours, then where user
// code failed.
func (p *Program) reportRemote(cmd *cobra.Command, remote *runagent.Error, err error) {
	fmt.Fprintf(p.Err, "runagent: %v\n", err)
	if x := remote.Exception(); x != nil {
		p.reportTraceback(cmd, x.Traceback, err)
	}
	if remote.Suggestion != "" {
		fmt.Fprintln(p.Err, remote.Suggestion)
	}
	if remote.RetryAfter > 0 {
		fmt.Fprintf(p.Err, "Try again in %v.\n", remote.RetryAfter)
	}
}

// reportTraceback shows where user code failed; said is what was told of it.
func (p *Program) reportTraceback(cmd *cobra.Command, traceback string, said error) {
	if traceback == "" {
		return
	}
	verbose, _ := cmd.Flags().GetBool("verbose") // false where there is no such flag
	fmt.Fprintln(p.Err, p.tracebacks(verbose).Render(traceback, said.Error()))
}

// tracebacks is how tracebacks are shown on stderr.
func (p *Program) tracebacks(verbose bool) terminal.Tracebacks {
	settings, err := p.settings()
	t := terminal.Tracebacks{Colours: terminal.PaletteFor(p.Err, err != nil || settings.NoColor), Verbose: verbose}
	if t.Dir, err = os.Getwd(); err != nil {
		t.Dir = ""
	}
	return t
}
