package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/runagent/runagent/internal/cli/terminal"
	"github.com/runagent/runagent/sdk/go/runagent"
)

// answerGrace is how much longer than --timeout we wait for the server to say
// that the time is over.
const answerGrace = 10 * time.Second

type runCommand struct {
	program *Program
	tag     string
	input   string
	pairs   []pair
	session string
	stream  bool
	timeout time.Duration
	in      io.Reader
	out     io.Writer
}

const runHelp = `Call an entrypoint of an agent that is being served on this machine, or is
deployed on the platform, and print what it returns as JSON.

AGENT is the agent's folder, name or ID. Without it, it is the agent of the
working directory, else the only one being served. An agent of this machine goes
before one of the platform, unless RUNAGENT_URL names that.

The input is given as --input, as flags that are no flags of this command, or
as both: ` + "`--message hello`" + ` is the input {"message": "hello"}. A value is taken as
JSON if it is JSON and as text if not (for the text 5 write '"5"'), a flag without
a value is true, and a dash in a name becomes an underscore. A name that is a
flag of this command can be given in --input only.

Ctrl-C cancels the call in the agent.`

func newRunCommand(p *Program) *cobra.Command {
	cmd := runCommandNamed(p, "run", false)
	cmd.Short = "Call an entrypoint and print its result"
	cmd.Example = `  runagent run my-agent --tag main --message hello --times 2
  runagent run --tag main --input '{"message": "hello"}'
  runagent run my-agent --tag main --input @input.json
  echo '["hello"]' | runagent run my-agent --tag main --input -`
	return cmd
}

func newRunStreamCommand(p *Program) *cobra.Command {
	cmd := runCommandNamed(p, "run-stream", true)
	cmd.Short = "Call an entrypoint and print each chunk as it comes"
	cmd.Example = "  runagent run-stream my-agent --tag main_stream --message hello"
	return cmd
}

func runCommandNamed(p *Program, name string, stream bool) *cobra.Command {
	c := &runCommand{program: p, in: p.In, out: p.Out}
	cmd := &cobra.Command{
		Use:  name + " [AGENT] [--KEY VALUE…]",
		Long: runHelp,
		// Unknown flags are input: the flags are parsed by parse.
		DisableFlagParsing: true,
		ValidArgsFunction:  p.completeAgents,
		RunE: func(cmd *cobra.Command, args []string) error {
			if slices.Contains(args, "--help") || slices.Contains(args, "-h") {
				return cmd.Help()
			}
			rest, err := c.parse(cmd, args)
			if err != nil {
				return err
			}
			return c.run(cmd.Context(), first(rest))
		},
	}
	cmd.Flags().StringVar(&c.tag, "tag", "", "the entrypoint's `TAG`; may be left out when there is only one, or one tagged main or generic")
	cmd.Flags().StringVar(&c.input, "input", "", "the input: `JSON`, @FILE, or - for the standard input")
	cmd.Flags().BoolVar(&c.stream, "stream", stream, "print chunks as they come, one JSON value a line")
	cmd.Flags().StringVar(&c.session, "session", "", "the `ID` of the session the call belongs to: while traffic is split, its calls go to one revision")
	cmd.Flags().DurationVar(&c.timeout, "timeout", 0, "how long the call may take, such as 30s (default: the agent's own limit)")
	cmd.Flags().Bool("verbose", false, "show all of a traceback, frameworks' frames too")
	return cmd
}

// parse takes the flags out of args and returns what is left.
func (c *runCommand) parse(cmd *cobra.Command, args []string) ([]string, error) {
	known, pairs, err := splitInput(cmd.Flags(), args)
	if err != nil {
		return nil, err
	}
	if err := cmd.Flags().Parse(known); err != nil {
		return nil, usagef("%w", err)
	}
	if c.timeout < 0 {
		return nil, usagef("--timeout is %v: it can't be negative", c.timeout)
	}
	c.pairs = pairs
	rest := cmd.Flags().Args()
	return rest, atMost(1)(cmd, rest)
}

func (c *runCommand) run(ctx context.Context, ref string) error {
	call, err := c.call()
	if err != nil {
		return err
	}
	at, err := c.program.served(ctx, ref)
	if err != nil {
		return err
	}
	call.Agent = at.agent.ID + at.revision
	if c.timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, c.timeout+answerGrace)
		defer cancel()
	}
	if c.stream {
		return explain(at, c.runStream(ctx, at.client, call))
	}
	answer, err := at.client.Invoke(ctx, call)
	if err != nil {
		return explain(at, err)
	}
	return terminal.WriteJSON(c.out, answer.Result)
}

// call makes the call of what the flags say.
func (c *runCommand) call() (runagent.Call, error) {
	call := runagent.Call{Entrypoint: c.tag, Timeout: c.timeout, SessionID: c.session}
	var base json.RawMessage
	if c.input != "" {
		var err error
		if base, err = readInput(c.input, c.in); err != nil {
			return call, err
		}
	}
	var err error
	call.Input, call.Args, err = joinInput(base, c.pairs)
	return call, err
}

// runStream prints each chunk as it comes. What a plain entrypoint returns
// counts as one.
func (c *runCommand) runStream(ctx context.Context, client *runagent.Client, call runagent.Call) error {
	for event, err := range client.Stream(ctx, call) {
		switch {
		case err != nil:
			return err
		case event.Kind == runagent.Chunk:
			err = terminal.WriteLine(c.out, event.Content)
		case event.Kind == runagent.Done && event.Done.Chunks == 0 && isValue(event.Done.Result):
			err = terminal.WriteLine(c.out, event.Done.Result)
		}
		if err != nil {
			return fmt.Errorf("print chunk: %w", err)
		}
	}
	return nil
}

// isValue reports whether raw holds something: a stream ends with null.
func isValue(raw json.RawMessage) bool {
	return len(raw) > 0 && string(raw) != "null"
}
