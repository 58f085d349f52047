package draft

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/runagent/runagent/internal/agent"
	"github.com/runagent/runagent/internal/cli/sample"
	"github.com/runagent/runagent/internal/cli/terminal"
	"github.com/runagent/runagent/internal/fault"
	"github.com/runagent/runagent/internal/scaffold"
)

type importCommand struct {
	*Desk
	from  string
	print bool
	force bool
}

// importFiles are what import reads, by the name --from calls it.
var importFiles = []struct{ from, file string }{
	{"langgraph", scaffold.LangGraphName},
	{"agentcore", scaffold.AgentCoreName},
	{"runagent", agent.ManifestName},
}

func (d *Desk) newImportCommand() *cobra.Command {
	c := &importCommand{Desk: d}
	cmd := &cobra.Command{
		Use:   "import [DIR]",
		Short: "Write the manifest of a project made for another platform",
		Long: `Read the configuration of the project in DIR, a langgraph.json of LangGraph's
platform, a .bedrock_agentcore.yaml of Bedrock AgentCore or the manifest of the
published RunAgent, and write the runagent.config.json that serves its code as
it is. What can't be carried over is listed. No code is run.`,
		Example: "  runagent import my-project\n  runagent import --print",
		Args:    d.oneFolder,
		RunE:    func(cmd *cobra.Command, args []string) error { return c.run(cmd.Context(), folder(args)) },
	}
	cmd.Flags().StringVar(&c.from, "from", "", "what to read, if there are several: langgraph, agentcore or runagent")
	cmd.Flags().BoolVar(&c.print, "print", false, "print the manifest instead of writing it")
	cmd.Flags().BoolVar(&c.force, "force", false, "replace a manifest that is there")
	_ = cmd.RegisterFlagCompletionFunc("from",
		cobra.FixedCompletions([]string{"langgraph", "agentcore", "runagent"}, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

func (c *importCommand) run(ctx context.Context, dir string) error {
	from, err := c.choose(dir)
	if err != nil {
		return err
	}
	if from == "runagent" {
		return c.published(dir)
	}
	candidates := c.Candidates(ctx, dir)
	read := scaffold.FromLangGraph
	if from == "agentcore" {
		read = scaffold.FromAgentCore
	}
	proposal, err := read(dir, candidates)
	if err != nil {
		return err
	}
	text, err := proposal.Manifest()
	if err != nil {
		return err
	}
	return c.write(dir, text, proposal.Notes, c.force)
}

// choose returns which of the configurations in dir to read.
func (c *importCommand) choose(dir string) (string, error) {
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return "", fmt.Errorf("there is no folder %s", dir)
	}
	var there, known []string
	for _, one := range importFiles {
		known = append(known, one.file)
		_, err := os.Stat(filepath.Join(dir, one.file))
		switch {
		case c.from == one.from && err != nil:
			return "", fmt.Errorf("%s has no %s", dir, one.file)
		case c.from == one.from:
			return one.from, nil
		case err == nil && (one.from != "runagent" || len(there) == 0): // one that was imported before
			there = append(there, one.from)
		}
	}
	switch {
	case c.from != "":
		return "", c.Usage("--from is %q: it may be langgraph, agentcore or runagent", c.from)
	case len(there) == 0:
		return "", fmt.Errorf("%s has none of %s; `runagent init %s` makes a manifest of the code itself", dir, strings.Join(known, ", "), sample.Word(dir))
	case len(there) > 1:
		return "", c.Usage("%s has the configurations of %s: choose with --from", dir, strings.Join(there, " and "))
	}
	return there[0], nil
}

// published deals with a manifest of the published RunAgent, which nearly
// always is good as it is.
func (c *importCommand) published(dir string) error {
	text, notes, err := scaffold.FromRunAgent(dir)
	if err != nil {
		return err
	}
	if text == nil {
		fmt.Fprintf(c.Err, "%s is valid as it is.\nNow: runagent serve %s\n", filepath.Join(dir, agent.ManifestName), sample.Word(dir))
		return nil
	}
	return c.write(dir, text, notes, c.force)
}

func (c *importCommand) write(dir string, text []byte, notes []string, replace bool) error {
	path := filepath.Join(dir, agent.ManifestName)
	for _, note := range notes {
		fmt.Fprintf(c.Err, "note: %s\n", terminal.OneLine(note))
	}
	if c.print {
		_, err := c.Out.Write(text)
		return err
	}
	err := scaffold.Write(dir, text, replace)
	if fault.CodeOf(err) == fault.Conflict {
		return fmt.Errorf("%w; --force replaces it, --print only shows what would be written", err)
	}
	if err != nil {
		return err
	}
	fmt.Fprintln(c.Out, path)
	fmt.Fprintf(c.Err, "Now: runagent serve %s\n", sample.Word(dir))
	return nil
}
