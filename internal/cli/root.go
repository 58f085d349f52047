// Package cli is the command line: root.go and one file per command. Its
// commands speak to servers through the Go SDK; serve alone starts one.
package cli

import (
	"cmp"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/runagent/runagent/internal/agent"
	"github.com/runagent/runagent/internal/app"
	"github.com/runagent/runagent/internal/config"
)

//go:generate go run ../../cmd/runagent docs ../../docs/cli

// Exit codes.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
)

// errInterrupted is why a command ends when the user asks it to.
var errInterrupted = errors.New("interrupted")

// Program is what a command line is given by its process, or by a test.
type Program struct {
	Version  string
	In       io.Reader
	Out, Err io.Writer
	// Environ is the environment; nil means the process's own.
	Environ []string
	// Signals asks the command to stop; a second one, to stop at once.
	Signals <-chan os.Signal

	// hurry is closed by the second signal.
	hurry chan struct{}
}

// Main runs the command that args name and returns the exit code: 0 fine,
// 1 failed, 2 wrong usage.
func Main(args []string, p Program) int {
	ctx, stop := p.watchSignals()
	defer stop()
	root := newRoot(&p)
	root.SetArgs(args)
	cmd, err := root.ExecuteContextC(ctx)
	if errors.Is(err, errInterrupted) || errors.Is(err, context.Canceled) && errors.Is(context.Cause(ctx), errInterrupted) {
		err = errInterrupted
	}
	return p.report(cmd, err)
}

// watchSignals returns a context that the first signal ends. stop ends the
// watching and waits for it.
func (p *Program) watchSignals() (ctx context.Context, stop func()) {
	p.hurry = make(chan struct{})
	ctx, cancel := context.WithCancelCause(context.Background())
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		select {
		case <-p.Signals:
			cancel(errInterrupted)
		case <-quit:
			return
		}
		select {
		case <-p.Signals:
			close(p.hurry)
		case <-quit:
		}
	}()
	return ctx, func() {
		close(quit)
		<-done
		cancel(nil)
	}
}

func newRoot(p *Program) *cobra.Command {
	root := &cobra.Command{
		Use:   "runagent",
		Short: "Make a folder of agent code a running service",
		Long: `RunAgent makes a folder of Python agent code and a runagent.config.json a
running service, and calls what is served.`,
		Example: `  runagent init my-agent
  runagent serve my-agent
  runagent run my-agent --tag main --message hello`,
		Args:          cobra.ArbitraryArgs,
		SilenceErrors: true,
		SilenceUsage:  true,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return cmd.Help()
			}
			return unknownCommand(cmd, args[0])
		},
	}
	root.Version = p.Version // for those who type --version
	root.SetVersionTemplate("runagent {{.Version}}\n")
	root.SetIn(p.In)
	root.SetOut(p.Out)
	root.SetErr(p.Err)
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usagef("%w", err) })
	root.SetHelpCommand(newHelpCommand())
	addCompletionCommand(root)
	root.AddCommand(
		newValidateCommand(p), newSchemaCommand(p), newServeCommand(p, app.Serve),
		newRunCommand(p), newRunStreamCommand(p), newListCommand(p), newLogsCommand(p), newInvocationsCommand(p),
		newVersionCommand(p), newDocsCommand(),
	)
	root.AddCommand(p.draftDesk().Commands()...)
	root.AddCommand(p.desk().Commands()...)
	return root
}

// addCompletionCommand adds cobra's own, which has a page of examples per shell,
// but for an unknown shell, which is wrong usage: its output goes into shells.
func addCompletionCommand(root *cobra.Command) {
	root.InitDefaultCompletionCmd("completion")
	completion, _, _ := root.Find([]string{"completion"})
	completion.Example = "  source <(runagent completion bash)\n  runagent completion fish > ~/.config/fish/completions/runagent.fish"
	var shells []string
	for _, shell := range completion.Commands() {
		shell.Args = atMost(0)
		shells = append(shells, shell.Name())
	}
	completion.Args = cobra.ArbitraryArgs
	completion.RunE = func(_ *cobra.Command, args []string) error {
		if len(args) > 0 {
			return usagef("there is no completion for %q; there are: %s", args[0], strings.Join(shells, ", "))
		}
		return usagef("name the shell: %s", strings.Join(shells, ", "))
	}
}

// newHelpCommand is cobra's, but for an unknown topic, which is wrong usage.
func newHelpCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "help [COMMAND]",
		Short:   "Show how a command is used",
		Example: "  runagent help serve",
		RunE: func(cmd *cobra.Command, args []string) error {
			found, rest, err := cmd.Root().Find(args)
			if err != nil || found == cmd.Root() && len(rest) > 0 {
				return unknownCommand(cmd.Root(), args[0])
			}
			found.InitDefaultHelpFlag()
			return found.Help()
		},
	}
}

func unknownCommand(root *cobra.Command, name string) error {
	root.SuggestionsMinimumDistance = 2
	if near := root.SuggestionsFor(name); len(near) > 0 {
		return usagef("there is no command %q; did you mean %q?", name, near[0])
	}
	return usagef("there is no command %q", name)
}

// settings reads the configuration. Commands that need none don't call it, so
// that a bad variable can't keep help and version from the user.
func (p *Program) settings() (config.Config, error) {
	load := config.FromEnvironment
	if p.Environ != nil {
		load = func() (config.Config, error) { return config.Load(p.Environ) }
	}
	c, err := load()
	if err != nil {
		return c, usagef("%s", strings.ReplaceAll(err.Error(), "\n", "; "))
	}
	return c, nil
}

// atMost returns an argument check for a command that takes up to n.
func atMost(n int) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) > n {
			return usagef("unexpected argument %q", args[n])
		}
		return nil
	}
}

// agentFolder returns the folder that an argument means: the one it names, or
// that of the manifest it names, else the working directory.
func agentFolder(arg string) string {
	if filepath.Base(arg) == agent.ManifestName {
		return filepath.Dir(arg)
	}
	return cmp.Or(arg, ".")
}

// first returns the first argument, or "".
func first(args []string) string {
	if len(args) == 0 {
		return ""
	}
	return args[0]
}
