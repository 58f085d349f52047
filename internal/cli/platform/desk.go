// Package platform is the commands of a platform: those that run one, and
// those that deploy to one and look after what is there.
package platform

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"github.com/runagent/runagent/internal/agent"
	"github.com/runagent/runagent/internal/app/platform"
	"github.com/runagent/runagent/internal/cli/platform/contexts"
	"github.com/runagent/runagent/internal/config"
	"github.com/runagent/runagent/sdk/go/runagent"
)

// Desk is what the commands are given by the program.
type Desk struct {
	In       io.Reader
	Out, Err io.Writer
	Version  string
	// Settings reads the configuration.
	Settings func() (config.Config, error)
	// Usage makes the error of a command that is used in a wrong way.
	Usage func(format string, args ...any) error
	// Hurry is closed when the user asks a second time to stop.
	Hurry <-chan struct{}
	// Start is platform.Start.
	Start func(context.Context, platform.Options) error
}

// Commands returns the commands.
func (d *Desk) Commands() []*cobra.Command {
	return []*cobra.Command{
		d.newPlatformCommand(), d.newLoginCommand(), d.newContextCommand(), d.newDeployCommand(), d.newStatusCommand(), d.newRevisionsCommand(),
		d.newRollbackCommand(), d.newStopCommand(), d.newStartCommand(), d.newDeleteCommand(),
		d.newScaleCommand(), d.newTrafficCommand(), d.newSecretsCommand(),
	}
}

// ErrNoPlatform says that no platform was named in any way.
var ErrNoPlatform = errors.New("no platform is known: name one with `runagent login URL`, or RUNAGENT_URL and RUNAGENT_API_KEY")

// Connect returns a client of the platform that the user means: that of
// RUNAGENT_URL, else the one they logged in to last. Errors: ErrNoPlatform.
func (d *Desk) Connect() (*runagent.Client, error) {
	settings, err := d.Settings()
	if err != nil {
		return nil, err
	}
	known, err := contexts.Load(settings.Home)
	if err != nil {
		return nil, err
	}
	url := cmp.Or(settings.URL, known.Current)
	if url == "" {
		return nil, ErrNoPlatform
	}
	return d.client(url, cmp.Or(settings.APIKey, known.Keys[url]))
}

func (d *Desk) client(url, key string) (*runagent.Client, error) {
	return runagent.New(url, runagent.Options{APIKey: key, UserAgent: "runagent-cli/" + d.Version})
}

// Ref returns the name under which a platform knows what the user calls ref: a
// folder's agent goes by its slug, and without ref it is that of the working
// directory.
func Ref(ref string) (string, error) {
	dir := cmp.Or(ref, ".")
	if _, err := os.Stat(filepath.Join(dir, agent.ManifestName)); err != nil {
		if ref == "" {
			return "", errors.New("name an agent: this folder holds none")
		}
		return ref, nil
	}
	a, problems := agent.Load(dir, agent.LoadOptions{})
	if err := problems.Err(); err != nil {
		return "", err
	}
	return a.Slug, nil
}

// upTo checks that a command gets at most n arguments, and at least least.
func (d *Desk) upTo(least, n int, what string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		switch {
		case len(args) > n:
			return d.Usage("unexpected argument %q", args[n])
		case len(args) < least:
			return d.Usage("name %s", what)
		}
		return nil
	}
}

// on connects and does something with the agent that the user named.
func (d *Desk) on(args []string, do func(client *runagent.Client, agent string) error) error {
	ref := ""
	if len(args) > 0 {
		ref = args[0]
	}
	name, err := Ref(ref)
	if err != nil {
		return err
	}
	client, err := d.Connect()
	if err != nil {
		return err
	}
	return do(client, name)
}

// completeAgents offers the platform's agents to a shell.
func (d *Desk) completeAgents(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	client, err := d.Connect()
	if err != nil || len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	agents, err := client.Agents(cmd.Context())
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var slugs []string
	for i := range agents {
		slugs = append(slugs, agents[i].Slug)
	}
	slices.Sort(slugs)
	return slugs, cobra.ShellCompDirectiveNoFileComp
}

func (d *Desk) say(format string, args ...any) { fmt.Fprintf(d.Err, format+"\n", args...) }
