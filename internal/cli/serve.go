package cli

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/url"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/runagent/runagent/internal/app"
	"github.com/runagent/runagent/internal/cli/keep"
	"github.com/runagent/runagent/internal/cli/terminal"
	"github.com/runagent/runagent/internal/config"
)

type serveCommand struct {
	program   *Program
	flags     app.ServeOptions
	logFormat string
	verbose   bool
	// serve is app.Serve.
	serve func(ctx context.Context, o app.ServeOptions) error
}

const serveHelp = `Serve the agent in DIR, a folder with a runagent.config.json, until Ctrl-C.

It runs with --python, else the active virtual environment, else .venv in the
folder, else an environment of its own with the folder's requirements installed.
A saved file is taken over without a lost call; a broken one never takes the
service down.

Environment: RUNAGENT_HOME is where RunAgent keeps its files (else
RUNAGENT_CACHE_DIR, else ~/.runagent); RUNAGENT_HOST, RUNAGENT_PORT and
RUNAGENT_LOG_FORMAT are defaults for the flags of the same names.`

func newServeCommand(p *Program, serve func(context.Context, app.ServeOptions) error) *cobra.Command {
	c := &serveCommand{program: p, serve: serve}
	cmd := &cobra.Command{
		Use:   "serve [DIR]",
		Short: "Serve an agent on this machine",
		Long:  serveHelp,
		Example: `  runagent serve my-agent
  runagent serve --port 9000 --python .venv/bin/python --watch 'prompts/*.md'`,
		Args: atMost(1),
		RunE: func(cmd *cobra.Command, args []string) error { return c.run(cmd, first(args)) },
	}
	f, o := cmd.Flags(), &c.flags
	f.StringVar(&o.Host, "host", "127.0.0.1", "the `ADDRESS` to listen on")
	f.IntVar(&o.Port, "port", app.DefaultPort, "the `PORT` to listen on, 0 for any (default 8450, or the next free one)")
	f.Lookup("port").DefValue = "0"
	f.BoolVar(&o.Insecure, "insecure", false, "let other machines call, all of them and without a key")
	f.StringArrayVar(&o.CORSOrigins, "cors-origin", nil, "let web pages of this `ORIGIN` call; may be given again")
	f.IntVar(&o.Instances, "instances", 1, "run `N` instances")
	f.IntVar(&o.DebugPort, "debug-port", 0, "wait for a debugger at `PORT`: deadlines and reloads are off; needs debugpy in the agent's environment")
	f.BoolVar(&o.NoReload, "no-reload", false, "keep the code of the start")
	f.StringArrayVar(&o.Watch, "watch", nil, "reload on changes of files that match `GLOB`, too; may be given again")
	f.StringVar(&o.Python, "python", "", "the interpreter's `PATH`, or a virtual environment's")
	f.StringVar(&o.EnvFile, "env-file", "", "read variables from this `FILE` instead of .env in the folder")
	o.Keep = app.DefaultKeep()
	f.Var(keep.Flag{Rules: &o.Keep}, "keep", "keep the records of this long and this many calls, or all")
	f.DurationVar(&o.ShutdownTimeout, "shutdown-timeout", 10*time.Second, "how long calls in flight may take to end at the stop")
	f.DurationVar(&o.ReadTimeout, "read-timeout", 30*time.Second, "how long a request may take to arrive")
	f.StringVar(&c.logFormat, "log-format", config.Text, "text or json")
	f.BoolVar(&c.verbose, "verbose", false, "say more")
	_ = cmd.RegisterFlagCompletionFunc("log-format",
		cobra.FixedCompletions([]string{config.Text, config.JSON}, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

func (c *serveCommand) run(cmd *cobra.Command, dir string) error {
	settings, err := c.program.settings()
	if err != nil {
		return err
	}
	o, format := c.options(cmd, dir, settings)
	if err := check(o, format); err != nil {
		return err
	}
	spool := terminal.NewSpool(c.program.Err)
	defer spool.Close()
	out, talk := spool.For(c.program.Out), spool.For(c.program.Err)
	o.Log = c.logger(talk, format)
	colours := terminal.Palette{On: terminal.PaletteFor(c.program.Out, settings.NoColor).On && terminal.PaletteFor(c.program.Err, settings.NoColor).On}
	o.Console = terminal.NewConsole(out, talk, colours, c.verbose)
	if format == config.JSON {
		o.Console = terminal.LogConsole{Log: o.Log}
	}
	ctx, stop := untilHangup(cmd.Context())
	defer stop()
	return c.serve(ctx, o)
}

// untilHangup ends with ctx, or when the terminal is closed, unless nohup has it
// that this means nothing.
func untilHangup(ctx context.Context) (context.Context, context.CancelFunc) {
	if signal.Ignored(syscall.SIGHUP) {
		return context.WithCancel(ctx)
	}
	return signal.NotifyContext(ctx, syscall.SIGHUP)
}

// options joins flags and settings; a flag that was given wins.
func (c *serveCommand) options(cmd *cobra.Command, dir string, settings config.Config) (app.ServeOptions, string) {
	o, format := c.flags, c.logFormat
	o.Dir = agentFolder(dir)
	o.Home, o.DiscoveryDir = settings.Home, settings.DiscoveryDir
	o.Environ, o.Version = settings.Environ, c.program.Version
	o.Hurry = c.program.hurry
	o.NoReload = o.NoReload || o.DebugPort != 0 // a new instance would wait for a debugger of its own
	given := cmd.Flags().Changed
	if !given("host") {
		o.Host = settings.Host
	}
	if inner, ok := strings.CutPrefix(o.Host, "["); ok { // as in a URL
		o.Host = strings.TrimSuffix(inner, "]")
	}
	o.PortGiven = given("port")
	if !o.PortGiven && settings.Port != 0 {
		o.Port, o.PortGiven = settings.Port, true
	}
	if !given("log-format") {
		format = settings.LogFormat
	}
	return o, format
}

// check returns what is wrong with the values of flags.
func check(o app.ServeOptions, format string) error {
	switch {
	case !o.Insecure && !isLoopback(o.Host):
		return usagef("--host %s lets other machines run this agent's code without a key; add --insecure to allow that", o.Host)
	case o.Port < 0 || o.Port > 65535:
		return usagef("--port is %d, not a number from 0 to 65535", o.Port)
	case o.Instances < 1:
		return usagef("--instances is %d: it must be at least 1", o.Instances)
	case o.DebugPort < 0 || o.DebugPort > 65535:
		return usagef("--debug-port is %d, not a number from 1 to 65535", o.DebugPort)
	case o.DebugPort != 0 && o.Instances > 1:
		return usagef("--debug-port goes with one instance, --instances is %d", o.Instances)
	case o.ShutdownTimeout < 0:
		return usagef("--shutdown-timeout is %v: it can't be negative", o.ShutdownTimeout)
	case o.ReadTimeout <= 0:
		return usagef("--read-timeout is %v: it must be positive", o.ReadTimeout)
	case format != config.Text && format != config.JSON:
		return usagef("--log-format is %q: it may be text or json", format)
	}
	for _, origin := range o.CORSOrigins {
		if !isOrigin(origin) {
			return usagef("--cors-origin is %q, not an origin such as http://localhost:3000", origin)
		}
	}
	if o.EnvFile != "" {
		if _, err := os.Stat(o.EnvFile); err != nil {
			return fmt.Errorf("--env-file: %w", err)
		}
	}
	return nil
}

// isLoopback reports whether only this machine can reach host.
func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func isOrigin(text string) bool {
	u, err := url.Parse(text)
	return err == nil && slices.Contains([]string{"http", "https"}, u.Scheme) && u.Host != "" &&
		text == u.Scheme+"://"+u.Host
}

// logger writes RunAgent's own log to talk. What an author must see goes to
// the console, so that text holds the odd things only.
func (c *serveCommand) logger(talk io.Writer, format string) *slog.Logger {
	level := slog.LevelWarn
	if format == config.JSON {
		level = slog.LevelInfo
	}
	if c.verbose {
		level = slog.LevelDebug
	}
	return terminal.NewLog(talk, format, level)
}
