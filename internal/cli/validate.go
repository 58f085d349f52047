package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/runagent/runagent/internal/agent"
	"github.com/runagent/runagent/internal/cli/terminal"
	"github.com/runagent/runagent/internal/config"
)

type validateCommand struct {
	program *Program
	out     io.Writer
	talk    io.Writer
	json    bool
	schema  bool
}

func newValidateCommand(p *Program) *cobra.Command {
	c := &validateCommand{program: p, out: p.Out, talk: p.Err}
	cmd := &cobra.Command{
		Use:   "validate [DIR]",
		Short: "Check an agent's manifest and sources",
		Long: `Check the manifest of the agent in DIR and what it names: types and values fit,
tags are unique, every ${VAR} has a value, files and functions exist. The code is
parsed and never run. All that is wrong is printed at once, one problem a line as
file:line:column: message, and the exit code is 1.`,
		Example: `  runagent validate my-agent
  runagent validate --json
  runagent validate --schema > runagent.schema.json`,
		Args: atMost(1),
		RunE: func(cmd *cobra.Command, args []string) error { return c.run(cmd.Context(), first(args)) },
	}
	cmd.Flags().BoolVar(&c.json, "json", false, "write JSON")
	cmd.Flags().BoolVar(&c.schema, "schema", false, "print the JSON Schema of manifests instead")
	return cmd
}

// validation is what --json prints.
type validation struct {
	Valid    bool           `json:"valid"`
	AgentID  string         `json:"agent_id,omitempty"`
	Name     string         `json:"agent_name,omitempty"`
	Problems agent.Problems `json:"problems"`
}

func (c *validateCommand) run(ctx context.Context, dir string) error {
	if c.schema {
		_, err := c.out.Write(agent.Schema())
		return err
	}
	settings, err := c.program.settings()
	if err != nil {
		return err
	}
	dir = agentFolder(dir)
	a, problems := agent.Load(dir, agent.LoadOptions{})
	if a != nil {
		more, err := c.look(ctx, settings, a, dir)
		if err != nil {
			return err
		}
		problems = append(problems, more...)
	}
	return c.write(a, problems.Sorted())
}

// look returns what is wrong beyond the manifest: with variables and sources.
func (c *validateCommand) look(ctx context.Context, settings config.Config, a *agent.Agent, dir string) (agent.Problems, error) {
	var problems agent.Problems
	vars, err := agent.ReadDotEnv(filepath.Join(dir, ".env"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.As(err, &problems) {
		return nil, err
	}
	_, unresolved := agent.ExpandEnv(a.Manifest, func(name string) (string, bool) {
		if value, ok := vars[name]; ok {
			return value, true
		}
		return settings.Lookup(name)
	})
	problems = append(problems, unresolved...)
	if !a.Manifest.HasPython() {
		return problems, nil
	}
	var reports []agent.SourceReport
	inspector, err := newInspector(ctx, settings, a.Dir, a.Manifest.Python)
	if err == nil {
		reports, err = inspector.Inspect(ctx, a.Dir, a.Manifest.Functions())
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err != nil {
		fmt.Fprintf(c.talk, "Functions are not checked: %v\n", err)
	}
	return append(problems, agent.CheckSources(a.Manifest, reports)...), nil
}

func (c *validateCommand) write(a *agent.Agent, problems agent.Problems) error {
	if c.json {
		result := validation{Valid: len(problems) == 0, Problems: problems}
		if problems == nil {
			result.Problems = agent.Problems{}
		}
		if a != nil {
			result.AgentID, result.Name = a.ID, a.Name
		}
		if err := terminal.WriteJSON(c.out, result); err != nil {
			return err
		}
	} else {
		for _, problem := range problems {
			fmt.Fprintln(c.out, problem)
		}
	}
	if len(problems) > 0 {
		return errReported
	}
	if !c.json {
		fmt.Fprintf(c.out, "%s is valid: %d entrypoints\n", a.Name, len(a.Manifest.Entrypoints))
	}
	return nil
}
