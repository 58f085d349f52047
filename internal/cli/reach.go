package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"github.com/runagent/runagent/internal/app"
	"github.com/runagent/runagent/internal/cli/local"
	"github.com/runagent/runagent/internal/cli/sample"
	"github.com/runagent/runagent/sdk/go/runagent"
)

// completionWait bounds how long a shell waits for names to complete.
const completionWait = time.Second

// agents returns the agents of this machine.
func (p *Program) agents(ctx context.Context) (local.Agents, error) {
	settings, err := p.settings()
	if err != nil {
		return nil, err
	}
	return local.List(ctx, settings.DiscoveryDir)
}

// clientOf returns a client of the server that serves a.
func (p *Program) clientOf(a *local.Agent) (*runagent.Client, error) {
	return runagent.New(a.URL, runagent.Options{UserAgent: "runagent-cli/" + p.Version})
}

// read hands do a client that can tell what is recorded of a: of its server or,
// when that is not there, of what is kept on this machine. live says which.
func (p *Program) read(a *local.Agent, do func(client *runagent.Client, live bool) error) error {
	if a.Serves() {
		client, err := p.clientOf(a)
		if err != nil {
			return err
		}
		if err := do(client, true); !nobodyThere(err) {
			return err
		}
	}
	settings, err := p.settings()
	if err != nil {
		return err
	}
	records, err := app.OpenRecords(settings.Home, p.Version)
	if err != nil {
		return fmt.Errorf("agent %q is not being served: %w", a.Name, err)
	}
	client, err := runagent.New("http://localhost", runagent.Options{HTTPClient: &http.Client{Transport: records}})
	if err == nil {
		err = do(client, false)
	}
	return errors.Join(err, records.Close())
}

// nobodyThere reports whether err says that nothing listens at a server's address.
func nobodyThere(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "dial"
}

// explain adds to an error of a call what to do when nobody is there.
func explain(at *place, err error) error {
	if a := at.agent; at.here && nobodyThere(err) {
		return fmt.Errorf("agent %q does not answer at %s; start it with `runagent serve %s`", a.Name, a.URL, sample.Word(a.Dir))
	}
	return err
}

// completeAgents offers the names of the agents being served to a shell.
func (p *Program) completeAgents(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), completionWait)
	defer cancel()
	agents, err := p.agents(ctx)
	if err != nil {
		return nil, cobra.ShellCompDirectiveDefault
	}
	names := make([]string, 0, len(agents))
	for _, a := range agents.Served() {
		names = append(names, a.Name+"\t"+a.Dir)
	}
	return names, cobra.ShellCompDirectiveDefault
}
