package platform

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/runagent/runagent/internal/cli/terminal"
)

const secretsHelp = `Keep what agents must know and nobody else may read, such as keys of models. An
agent sees a secret as a variable, from its next deploy, rollback or start on; the
manifest may refer to it as ${NAME}. Values are encrypted, masked in logs and never
given back.`

func (d *Desk) newSecretsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "secrets",
		Short:   "Keep secrets for the agents of the platform",
		Long:    secretsHelp,
		Example: "  runagent secrets set OPENAI_API_KEY < key.txt\n  runagent secrets list",
		Args:    d.upTo(0, 0, ""),
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(d.newSecretsSetCommand(), d.newSecretsListCommand(), d.newSecretsRemoveCommand())
	return cmd
}

func (d *Desk) newSecretsSetCommand() *cobra.Command {
	agent := ""
	cmd := &cobra.Command{
		Use:   "set NAME",
		Short: "Set a secret to what the standard input holds",
		Long: `Set a secret to what the standard input holds, without the line break at its end;
on a terminal it is asked for. Without --agent all agents see it; one of the
agent's own wins.`,
		Example: "  runagent secrets set OPENAI_API_KEY < key.txt\n  runagent secrets set TOKEN --agent my-agent",
		Args:    d.upTo(1, 1, "the secret"),
		RunE: func(cmd *cobra.Command, args []string) error {
			client, err := d.Connect()
			if err != nil {
				return err
			}
			value, err := d.readValue()
			if err != nil {
				return err
			}
			if err := client.SetSecret(cmd.Context(), agent, args[0], value); err != nil {
				return err
			}
			d.say("%s is set; agents see it from their next deploy, rollback or start on.", args[0])
			return nil
		},
	}
	cmd.Flags().StringVar(&agent, "agent", "", "only for this `AGENT`")
	return cmd
}

// readValue reads a secret from a terminal, which does not show it, or from
// the standard input.
func (d *Desk) readValue() (string, error) {
	var text []byte
	var err error
	if file, ok := d.In.(*os.File); ok && term.IsTerminal(int(file.Fd())) {
		fmt.Fprint(d.Err, "Value: ")
		text, err = term.ReadPassword(int(file.Fd()))
		fmt.Fprintln(d.Err)
	} else {
		text, err = io.ReadAll(io.LimitReader(d.In, 1<<20))
	}
	if err != nil {
		return "", fmt.Errorf("read the secret: %w", err)
	}
	if !utf8.Valid(text) {
		return "", errors.New("the secret is not UTF-8 text, which alone is kept as it is: encode it, for example with base64")
	}
	value := strings.TrimSuffix(strings.TrimSuffix(string(text), "\n"), "\r")
	if value == "" {
		return "", errors.New("the standard input holds no secret")
	}
	return value, nil
}

func (d *Desk) newSecretsListCommand() *cobra.Command {
	asJSON := false
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List the names of the secrets",
		Example: "  runagent secrets list --json",
		Args:    d.upTo(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, err := d.Connect()
			if err != nil {
				return err
			}
			secrets, err := client.Secrets(cmd.Context())
			if err != nil {
				return err
			}
			if asJSON {
				return terminal.WriteJSON(d.Out, secrets)
			}
			if len(secrets) == 0 {
				d.say("There are no secrets.")
				return nil
			}
			rows := make([][]string, len(secrets))
			for i, s := range secrets {
				whose := s.Agent
				if s.AgentID == "" {
					whose = "(all)"
				}
				rows[i] = []string{s.Name, whose, s.UpdatedAt.Local().Format(time.DateTime)}
			}
			return terminal.WriteTable(d.Out, []string{"SECRET", "AGENT", "SET"}, rows)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "write JSON")
	return cmd
}

func (d *Desk) newSecretsRemoveCommand() *cobra.Command {
	agent := ""
	cmd := &cobra.Command{
		Use:     "rm NAME",
		Short:   "Forget a secret",
		Example: "  runagent secrets rm TOKEN --agent my-agent",
		Args:    d.upTo(1, 1, "the secret"),
		RunE: func(cmd *cobra.Command, args []string) error {
			client, err := d.Connect()
			if err != nil {
				return err
			}
			if err := client.DeleteSecret(cmd.Context(), agent, args[0]); err != nil {
				return err
			}
			d.say("%s is forgotten; agents lose it at their next deploy, rollback or start.", args[0])
			return nil
		},
	}
	cmd.Flags().StringVar(&agent, "agent", "", "that of this `AGENT`")
	return cmd
}
