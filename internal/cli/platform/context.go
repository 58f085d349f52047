package platform

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/runagent/runagent/internal/cli/platform/contexts"
	"github.com/runagent/runagent/internal/cli/terminal"
)

const contextHelp = `Show which platform commands speak to, and the others that "runagent login" has
remembered; or change that. A platform may be named by any part of its URL that no
other has. RUNAGENT_URL wins over all of it.`

func (d *Desk) newContextCommand() *cobra.Command {
	asJSON := false
	cmd := &cobra.Command{
		Use:   "context",
		Short: "Choose between the platforms that are logged in to",
		Long:  contextHelp,
		Example: `  runagent context
  runagent context use agents.example.com
  runagent context rm 127.0.0.1:8460`,
		Args: d.upTo(0, 0, ""),
		RunE: func(*cobra.Command, []string) error { return d.listContexts(asJSON) },
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "write JSON")
	cmd.AddCommand(d.changeContext("use URL", "Make a platform the one that commands speak to", func(home, url string) error {
		d.say("Commands speak to %s now.", url)
		return contexts.Use(home, url)
	}), d.changeContext("rm URL", "Forget a platform and the key for it", func(home, url string) error {
		d.say("%s is forgotten, and the key for it.", url)
		return contexts.Remove(home, url)
	}))
	return cmd
}

// knownPlatform is one line of context --json.
type knownPlatform struct {
	URL     string `json:"url"`
	Current bool   `json:"current"`
}

func (d *Desk) listContexts(asJSON bool) error {
	settings, err := d.Settings()
	if err != nil {
		return err
	}
	known, err := contexts.Load(settings.Home)
	if err != nil {
		return err
	}
	list := []knownPlatform{}
	rows := [][]string{}
	for _, url := range known.Names() {
		current := url == known.Current
		list = append(list, knownPlatform{url, current})
		mark := ""
		if current {
			mark = "*"
		}
		rows = append(rows, []string{mark, url})
	}
	if asJSON {
		return terminal.WriteJSON(d.Out, list)
	}
	if settings.URL != "" {
		d.say("RUNAGENT_URL is set, so commands speak to %s.", settings.URL)
	}
	if len(list) == 0 {
		d.say("No platform is known. Log in to one with `runagent login URL`.")
		return nil
	}
	return terminal.WriteTable(d.Out, []string{"", "PLATFORM"}, rows)
}

// changeContext makes a command that does something with a known platform.
func (d *Desk) changeContext(use, short string, do func(home, url string) error) *cobra.Command {
	name, _, _ := strings.Cut(use, " ")
	return &cobra.Command{
		Use: use, Short: short,
		Example: "  runagent context " + name + " http://127.0.0.1:8460",
		Args:    d.upTo(1, 1, "the platform"),
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			settings, err := d.Settings()
			if err != nil {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			known, _ := contexts.Load(settings.Home) // without one there is nothing to offer
			return known.Names(), cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(_ *cobra.Command, args []string) error {
			settings, err := d.Settings()
			if err != nil {
				return err
			}
			url, err := d.known(settings.Home, args[0])
			if err != nil {
				return err
			}
			return do(settings.Home, url)
		},
	}
}

// known returns the URL of the platform that the user means.
func (d *Desk) known(home, part string) (string, error) {
	all, err := contexts.Load(home)
	if err != nil {
		return "", err
	}
	part = strings.TrimSuffix(part, "/")
	if _, ok := all.Keys[part]; ok {
		return part, nil
	}
	var found []string
	for _, url := range all.Names() {
		if strings.Contains(url, part) {
			found = append(found, url)
		}
	}
	switch {
	case len(found) == 1:
		return found[0], nil
	case len(found) > 1:
		return "", d.Usage("%q may be %s: name one of them whole", part, strings.Join(found, " or "))
	case len(all.Keys) == 0:
		return "", d.Usage("no platform is known: log in to one with `runagent login URL`")
	}
	return "", d.Usage("no platform %q is known; there is %s", part, strings.Join(all.Names(), ", "))
}
