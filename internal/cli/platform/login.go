package platform

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/runagent/runagent/internal/auth"
	"github.com/runagent/runagent/internal/cli/platform/contexts"
)

const loginHelp = `Remember a platform and the key for it; from then on "deploy" and the other
commands speak to it. The key is asked for on the terminal, read from the standard
input with --key-stdin, or that of RUNAGENT_API_KEY. It is kept in contexts.json
in RUNAGENT_HOME, which only you can read.

Without a login, RUNAGENT_URL (or RUNAGENT_BASE_URL) and RUNAGENT_API_KEY name a
platform; where they are set they win.`

func (d *Desk) newLoginCommand() *cobra.Command {
	stdin := false
	cmd := &cobra.Command{
		Use:   "login URL",
		Short: "Remember a platform and the key for it",
		Long:  loginHelp,
		Example: `  runagent login http://127.0.0.1:8460
  runagent login http://127.0.0.1:8460 --key-stdin < admin.key`,
		Args: d.upTo(1, 1, "the platform's URL, such as http://127.0.0.1:8460"),
		RunE: func(cmd *cobra.Command, args []string) error { return d.login(cmd.Context(), args[0], stdin) },
	}
	cmd.Flags().BoolVar(&stdin, "key-stdin", false, "read the key from the standard input")
	return cmd
}

func (d *Desk) login(ctx context.Context, address string, stdin bool) error {
	settings, err := d.Settings()
	if err != nil {
		return err
	}
	address = strings.TrimSuffix(address, "/")
	if u, err := url.Parse(address); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return d.Usage("%q does not look like http://host:port", address)
	} else if u.User != nil {
		return d.Usage("leave user and password out of the URL: a platform asks for an API key, and nothing else")
	}
	key := settings.APIKey
	if stdin || key == "" {
		if key, err = d.readKey(stdin); err != nil {
			return err
		}
	}
	if !auth.WellFormed(key) {
		return errors.New("this is not a whole API key: one begins with ra_ and has 37 characters")
	}
	client, err := d.client(address, key)
	if err != nil {
		return err
	}
	if _, err := client.Agents(ctx); err != nil {
		return fmt.Errorf("log in to %s: %w", address, err)
	}
	if err := contexts.Add(settings.Home, address, key); err != nil {
		return err
	}
	d.say("Logged in to %s.", address)
	return nil
}

// readKey reads the key from a terminal, which does not show it, or from the
// standard input.
func (d *Desk) readKey(stdin bool) (string, error) {
	if stdin {
		text, err := io.ReadAll(io.LimitReader(d.In, 4096))
		if err != nil {
			return "", fmt.Errorf("read the key: %w", err)
		}
		return strings.TrimSpace(string(text)), nil
	}
	file, ok := d.In.(*os.File)
	if !ok || !term.IsTerminal(int(file.Fd())) {
		return "", d.Usage("there is no terminal to ask for the key: hand it over with --key-stdin")
	}
	fmt.Fprint(d.Err, "API key: ")
	text, err := term.ReadPassword(int(file.Fd()))
	fmt.Fprintln(d.Err)
	if err != nil {
		return "", fmt.Errorf("read the key: %w", err)
	}
	return strings.TrimSpace(string(text)), nil
}
