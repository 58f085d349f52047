package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/runagent/runagent/api"
	"github.com/runagent/runagent/internal/agent"
	"github.com/runagent/runagent/internal/app"
	"github.com/runagent/runagent/internal/cli/terminal"
	"github.com/runagent/runagent/internal/config"
)

type schemaCommand struct {
	program *Program
	serve   serveCommand
	tag     string
}

func newSchemaCommand(p *Program) *cobra.Command {
	c := &schemaCommand{program: p, serve: serveCommand{program: p}}
	cmd := &cobra.Command{
		Use:   "schema [DIR]",
		Short: "Print what an agent's entrypoints take and give",
		Long: `Print, as JSON, the entrypoints of the agent in DIR with the JSON Schemas of their
inputs and results, as a served agent tells them under /v1/agents/AGENT. They come
from signatures, annotations and docstrings, so the code is loaded, in the
environment it would be served with; no entrypoint is called.`,
		Example: "  runagent schema my-agent\n  runagent schema my-agent --tag main",
		Args:    atMost(1),
		RunE:    func(cmd *cobra.Command, args []string) error { return c.run(cmd, first(args)) },
	}
	f := cmd.Flags()
	f.StringVar(&c.tag, "tag", "", "only the entrypoint with this `TAG`")
	f.StringVar(&c.serve.flags.Python, "python", "", "the interpreter's `PATH`, or a virtual environment's")
	f.Bool("verbose", false, "show all of a traceback, frameworks' frames too")
	f.StringVar(&c.serve.flags.EnvFile, "env-file", "", "read variables from this `FILE` instead of .env in the folder")
	return cmd
}

func (c *schemaCommand) run(cmd *cobra.Command, dir string) error {
	settings, err := c.program.settings()
	if err != nil {
		return err
	}
	o, _ := c.serve.options(cmd, dir, settings)
	o.Log = c.serve.logger(c.program.Err, config.Text)
	// stdout is for the schemas; what the code prints while it loads is talk.
	o.Console = terminal.NewConsole(c.program.Err, c.program.Err, terminal.PaletteFor(c.program.Err, settings.NoColor), false)
	return c.print(cmd.Context(), o)
}

// schemas is what the command prints.
type schemas struct {
	AgentID     string           `json:"agent_id"`
	Name        string           `json:"name"`
	Entrypoints []api.Entrypoint `json:"entrypoints"`
}

func (c *schemaCommand) print(ctx context.Context, o app.ServeOptions) error {
	a, callables, err := app.Inspect(ctx, o)
	if err != nil {
		return err
	}
	if c.tag != "" {
		for i := range callables {
			if callables[i].Tag == c.tag {
				return terminal.WriteJSON(c.program.Out, wireEntrypoint(&callables[i]))
			}
		}
		return usagef("agent %q has no entrypoint %q", a.Name, c.tag)
	}
	out := schemas{AgentID: a.ID, Name: a.Name, Entrypoints: []api.Entrypoint{}}
	for i := range callables {
		out.Entrypoints = append(out.Entrypoints, wireEntrypoint(&callables[i]))
	}
	return terminal.WriteJSON(c.program.Out, out)
}

func wireEntrypoint(c *agent.Callable) api.Entrypoint {
	return api.Entrypoint{
		Tag: c.Tag, Type: string(c.Type), Streams: c.Streams, File: c.File, Module: c.Module,
		Description: c.Description, Signature: c.Signature, InputSchema: c.InputSchema, OutputSchema: c.OutputSchema,
	}
}
