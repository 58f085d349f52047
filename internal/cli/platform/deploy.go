package platform

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/runagent/runagent/api"
	"github.com/runagent/runagent/internal/agent"
	"github.com/runagent/runagent/internal/bundle"
	"github.com/runagent/runagent/internal/cli/terminal"
	"github.com/runagent/runagent/sdk/go/runagent"
)

const deployHelp = `Bring the agent in DIR into service on the platform, as a new revision. The one
before serves until the new one has come up, and goes on if it does not.

What .gitignore and .runagentignore name is not uploaded, and neither are .env,
.git and virtual environments; files that look like secrets stop the deploy. The
same files are uploaded once.

Ctrl-C ends the waiting, not the deploy.`

type deployCommand struct {
	desk         *Desk
	env          []string
	message      string
	traffic      int
	canary       int
	trial        time.Duration
	noWait       bool
	json         bool
	allowSecrets bool
	rebuild      bool
}

// deployed is what --json prints.
type deployed struct {
	Agent         string  `json:"agent"`
	AgentID       string  `json:"agent_id"`
	Revision      string  `json:"revision"`
	Number        int     `json:"number"`
	State         string  `json:"state"`
	Digest        string  `json:"digest"`
	UploadedBytes int64   `json:"uploaded_bytes"`
	Error         string  `json:"error,omitempty"`
	Timings       timings `json:"timings_ms"`
}

// timings are how long the steps took, in milliseconds.
type timings struct {
	Pack   float64 `json:"pack"`
	Upload float64 `json:"upload"`
	api.DeployTimings
}

func (d *Desk) newDeployCommand() *cobra.Command {
	c := &deployCommand{desk: d}
	cmd := &cobra.Command{
		Use:   "deploy [DIR]",
		Short: "Bring an agent into service on the platform",
		Long:  deployHelp,
		Example: `  runagent deploy my-agent --message "Answer in French"
  runagent deploy --env MODEL=small --json`,
		Args: d.upTo(0, 1, ""),
		RunE: func(cmd *cobra.Command, args []string) error {
			dir := "."
			if len(args) > 0 {
				dir = args[0]
			}
			return c.run(cmd, dir)
		},
	}
	f := cmd.Flags()
	f.StringArrayVar(&c.env, "env", nil, "give the agent a plain variable, `NAME=VALUE`; may be given again")
	f.StringVar(&c.message, "message", "", "say what changed")
	f.IntVar(&c.traffic, "traffic", 100, "give it `PERCENT` of the calls, the other revisions keep the rest; 0: those that name it")
	f.IntVar(&c.canary, "canary", 0, "give it `PERCENT` of the calls on trial, then all, or none as soon as it does worse")
	f.DurationVar(&c.trial, "for", 5*time.Minute, "how long the trial of --canary is")
	f.BoolVar(&c.noWait, "no-wait", false, "don't wait until the revision serves")
	f.BoolVar(&c.json, "json", false, "write JSON")
	f.BoolVar(&c.allowSecrets, "allow-secret-files", false, "upload files that look like secrets, too")
	f.BoolVar(&c.rebuild, "rebuild", false, "install requirements once more that are known to fail")
	return cmd
}

func (c *deployCommand) run(cmd *cobra.Command, dir string) error {
	ctx := cmd.Context()
	env, err := c.variables()
	if err != nil {
		return err
	}
	canary, err := c.canaryWish(cmd)
	if err != nil {
		return err
	}
	a, problems := agent.Load(dir, agent.LoadOptions{})
	if err := problems.Err(); err != nil {
		return err
	}
	client, err := c.desk.Connect()
	if err != nil {
		return err
	}
	out := deployed{}
	if err := c.hand(ctx, client, a, &out); err != nil {
		return err
	}
	req := api.DeployRequest{Digest: out.Digest, Message: c.message, Env: env, Rebuild: c.rebuild, Canary: canary}
	if cmd.Flags().Changed("traffic") {
		req.Traffic = &c.traffic
	}
	rev, err := client.Deploy(ctx, a.Slug, req)
	if err != nil {
		return err
	}
	if !c.noWait {
		if rev, err = c.desk.follow(ctx, client, rev); err != nil {
			return err
		}
	}
	return c.tell(client, rev, out)
}

// canaryWish is what --canary and --for ask for, nil for no trial.
func (c *deployCommand) canaryWish(cmd *cobra.Command) (*api.Canary, error) {
	on, timed := cmd.Flags().Changed("canary"), cmd.Flags().Changed("for")
	switch {
	case !on && timed:
		return nil, c.desk.Usage("--for says how long a trial is; ask for one with --canary PERCENT")
	case !on:
		return nil, nil //nolint:nilnil // no trial is asked for
	case cmd.Flags().Changed("traffic"):
		return nil, c.desk.Usage("--canary and --traffic exclude each other: --traffic gives a part of the calls without a trial")
	case c.canary < 1 || c.canary > 99:
		return nil, c.desk.Usage("--canary is %d: it may be 1 to 99 percent of the calls", c.canary)
	case c.trial < time.Second || c.trial > 7*24*time.Hour:
		return nil, c.desk.Usage("--for is %v: a trial may be a second (1s) to a week (168h)", c.trial)
	}
	return &api.Canary{Percent: c.canary, ForSeconds: c.trial.Seconds()}, nil
}

// variables are those of --env.
func (c *deployCommand) variables() (map[string]string, error) {
	env := map[string]string{}
	for _, pair := range c.env {
		name, value, ok := strings.Cut(pair, "=")
		if !ok || name == "" {
			return nil, c.desk.Usage("--env is %q, not NAME=VALUE", pair)
		}
		if looksSecret(name) || bundle.LooksSecret(value) != "" || holdsPassword(value) {
			c.desk.say("warning: %s looks like a secret; what --env gives is kept readable, so set it with `runagent secrets set %s`", name, name)
		}
		env[name] = value
	}
	return env, nil
}

// holdsPassword reports whether value is an address with a password in it.
func holdsPassword(value string) bool {
	u, err := url.Parse(value)
	if err != nil || u.Host == "" {
		return false
	}
	password, _ := u.User.Password()
	return password != ""
}

func looksSecret(name string) bool {
	for _, word := range []string{"KEY", "TOKEN", "SECRET", "PASSWORD", "PASSWD", "CREDENTIAL"} {
		if strings.Contains(strings.ToUpper(name), word) {
			return true
		}
	}
	return false
}

// hand packs the folder and uploads it, unless the platform has it.
func (c *deployCommand) hand(ctx context.Context, client *runagent.Client, a *agent.Agent, out *deployed) error {
	began := time.Now()
	file, err := os.CreateTemp("", "runagent-bundle-*")
	if err != nil {
		return fmt.Errorf("pack: %w", err)
	}
	defer file.Close()
	// Without a name it goes with this process, whatever ends that.
	if err := os.Remove(file.Name()); err != nil {
		return fmt.Errorf("pack: %w", err)
	}
	limits, err := limitsOf(ctx, client)
	if err != nil {
		return err
	}
	sum, err := bundle.Pack(ctx, a.Dir, file, bundle.PackOptions{AllowSecrets: c.allowSecrets, Limits: limits, Needed: needed(a)})
	if err != nil {
		return err
	}
	out.Digest, out.Timings.Pack = sum.Digest, milliseconds(began)
	c.desk.say("packed %s, %s", count(sum.Files, "file"), size(sum.Packed))
	began = time.Now()
	defer func() { out.Timings.Upload = milliseconds(began) }()
	_, err = client.Bundle(ctx, sum.Digest)
	if !runagent.HasCode(err, runagent.CodeNotFound) {
		if err == nil {
			c.desk.say("uploaded nothing: the platform has these files")
		}
		return err
	}
	if _, err := client.UploadBundle(ctx, sum.Digest, file, sum.Packed); err != nil {
		return fmt.Errorf("upload: %w", err)
	}
	out.UploadedBytes = sum.Packed
	c.desk.say("uploaded %s", size(sum.Packed))
	return nil
}

// needed are the files that a folder can't be deployed without.
func needed(a *agent.Agent) []string {
	files := []string{agent.ManifestName}
	for _, f := range a.Manifest.Functions() {
		if f.File != "" {
			files = append(files, path.Clean(f.File))
		}
	}
	if named := a.Manifest.Requirements; named != "" {
		files = append(files, path.Clean(named))
	}
	return files
}

// limitsOf are those of the platform.
func limitsOf(ctx context.Context, client *runagent.Client) (bundle.Limits, error) {
	l, err := client.Limits(ctx)
	if runagent.HasCode(err, runagent.CodeNotFound) {
		return bundle.Limits{}, nil // an older one, with the default limits
	}
	if err != nil {
		return bundle.Limits{}, err
	}
	return bundle.Limits{Packed: l.Bundle.Packed, Bytes: l.Bundle.Bytes, Files: l.Bundle.Files}, nil
}

// tell prints how the deploy went.
func (c *deployCommand) tell(client *runagent.Client, rev *api.Revision, out deployed) error {
	out.Agent, out.AgentID, out.Revision, out.Number = rev.Agent, rev.AgentID, rev.ID, rev.Number
	out.State, out.Error = rev.State, rev.Error
	if t := rev.Timings; t != nil {
		out.Timings.DeployTimings = *t
	}
	if c.json {
		if err := terminal.WriteJSON(c.desk.Out, out); err != nil {
			return err
		}
	} else if c.noWait {
		fmt.Fprintf(c.desk.Out, "%s: revision %d is on its way\n", rev.Agent, rev.Number)
	}
	if c.noWait {
		return nil
	}
	return c.desk.ended(client, rev, c.json)
}

// ended tells how a deploy ended that was followed to its end.
func (d *Desk) ended(client *runagent.Client, rev *api.Revision, quiet bool) error {
	if rev.State == "ready" {
		if !quiet {
			fmt.Fprintf(d.Out, "%s: revision %d serves%s\n", rev.Agent, rev.Number, where(client, rev))
		}
		return nil
	}
	if rev.State == "retired" && rev.Error == "" {
		d.say("%s: revision %d served, and was replaced by a newer one already", rev.Agent, rev.Number)
		return nil
	}
	text := fmt.Sprintf("%s: revision %d did not come into service: %s", rev.Agent, rev.Number, rev.Error)
	if rev.Traceback != "" {
		traces := terminal.Tracebacks{Colours: terminal.PaletteFor(d.Err, false)}
		text += "\n" + traces.Render(rev.Traceback, rev.Error)
	}
	return errors.New(text)
}

// where says which calls a revision gets.
func where(client *runagent.Client, rev *api.Revision) string {
	url := client.URL() + "/v1/agents/" + rev.Agent
	switch rev.Percent {
	case 100:
		return " at " + url
	case 0:
		return fmt.Sprintf(" who names it, as %s@%d", url, rev.Number)
	}
	trial := ""
	if rev.CanaryUntil != nil {
		trial = ", on trial until " + rev.CanaryUntil.Local().Format(time.TimeOnly) + ","
	}
	return fmt.Sprintf(" %d%% of the calls%s at %s", rev.Percent, trial, url)
}

// follow shows the steps of a deploy and returns the revision as it ended.
func (d *Desk) follow(ctx context.Context, client *runagent.Client, rev *api.Revision) (*api.Revision, error) {
	settings, err := d.Settings()
	if err != nil {
		return nil, err
	}
	steps := terminal.NewSteps(d.Err, settings.NoColor)
	defer steps.End("")
	for event, err := range client.FollowDeploy(ctx, rev.AgentID, rev.ID) {
		switch {
		case err != nil:
			return nil, fmt.Errorf("follow the deploy: %w; `runagent revisions %s` tells how it went", err, rev.Agent)
		case event.Revision != nil:
			return event.Revision, nil
		case event.Step != "":
			steps.Begin(event.Step)
		default:
			steps.Detail(event.Text)
		}
	}
	return nil, fmt.Errorf("follow the deploy: the platform hung up; `runagent revisions %s` tells how it went", rev.Agent)
}

func milliseconds(since time.Time) float64 { return float64(time.Since(since).Microseconds()) / 1000 }

// size writes a number of bytes for people.
func size(n int64) string {
	switch {
	case n >= 1<<30:
		return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
	case n >= 1<<20:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	case n >= 1<<10:
		return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
	}
	return count(int(n), "byte")
}
