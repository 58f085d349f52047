package platform

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/runagent/runagent/internal/agent"
	"github.com/runagent/runagent/internal/app/platform"
	"github.com/runagent/runagent/internal/app/platform/handover"
	"github.com/runagent/runagent/internal/app/platform/memory"
	"github.com/runagent/runagent/internal/bundle"
	"github.com/runagent/runagent/internal/cli/terminal"
	"github.com/runagent/runagent/internal/config"
)

const startHelp = `Run a platform: one address behind which many agents live, each brought there by
"runagent deploy". All there is lies in the folder that --data names; nothing else
is needed.

The first start makes an admin key and shows it once, or writes it into the new
file that --admin-key-file names. Every request needs a key but those to /health/….

Agents run as processes of this user, with no sandbox yet: whoever holds a key
can run code here. So other machines are let in with --insecure only.

SIGINT and SIGTERM let the calls in flight end; a second one stops at once. SIGHUP
starts the program anew from its file, which may be a newer one, and hands the
address over: no call is lost. The old process ends when its calls have, or
--drain-timeout is over. The new one has another number; --pid-file keeps it.`

type startCommand struct {
	desk      *Desk
	o         platform.Options
	maxMemory string
	logFormat string
	verbose   bool
}

func (d *Desk) newPlatformCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "platform",
		Short:   "Run a platform for many agents",
		Example: "  runagent platform start --data /var/lib/runagent",
		Args:    d.upTo(0, 0, ""),
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(d.newPlatformStartCommand(), d.newPlatformStatusCommand(), d.newBackupCommand(), d.newRestoreCommand())
	return cmd
}

func (d *Desk) newPlatformStartCommand() *cobra.Command {
	c := &startCommand{desk: d}
	cmd := &cobra.Command{
		Use:   "start --data DIR",
		Short: "Start a platform on this machine",
		Long:  startHelp,
		Example: `  runagent platform start --data ./data
  runagent platform start --data /var/lib/runagent --admin-key-file /root/runagent.key`,
		Args: d.upTo(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error { return c.run(cmd) },
	}
	f, o := cmd.Flags(), &c.o
	f.StringVar(&o.Data, "data", "", "the `FOLDER` that holds all there is; made if it is not there")
	f.StringVar(&o.Listen, "listen", platform.DefaultListen, "the `ADDRESS` to listen on, host:port; port 0 for any")
	f.StringVar(&o.AdminKeyFile, "admin-key-file", "", "write the admin key of the first start into this new `FILE` instead of showing it")
	f.StringVar(&o.MasterKeyFile, "master-key-file", "", "the key that secrets are encrypted with; made if it is not there (default: master.key in the data folder)")
	f.BoolVar(&o.Insecure, "insecure", false, "listen where other machines can reach it, although agents are not confined yet")
	f.IntVar(&o.Builds, "build-concurrency", 2, "build the environments of up to `N` agents at once")
	f.StringVar(&c.maxMemory, "max-memory", "80%", "what all agents may take together: a part of this machine's memory, or a size such as 8GiB")
	f.DurationVar(&o.BuildBounds.Time, "build-timeout", 15*time.Minute, "how long one installation may take")
	f.Var(bytesFlag{&o.BuildBounds.Memory, 4 << 30}.set(), "build-memory", "how much memory one installation may take, such as 4GiB")
	f.Var(bytesFlag{&o.BuildBounds.Disk, 10 << 30}.set(), "build-disk", "how much disk one installation may take")
	f.Var(bytesFlag{&o.Quota, 0}, "data-quota", "how much the data folder may take; unused environments go for it (default: no bound)")
	f.Var(bytesFlag{&o.Limits.Packed, bundle.DefaultLimits().Packed}.set(), "max-bundle", "how large an uploaded bundle may be")
	f.Var(bytesFlag{&o.Limits.Bytes, bundle.DefaultLimits().Bytes}.set(), "max-unpacked", "how large what is in a bundle may be")
	f.IntVar(&o.Limits.Files, "max-files", bundle.DefaultLimits().Files, "how many files a bundle may hold")
	f.DurationVar(&o.StartTimeout, "start-timeout", 2*time.Minute, "how long an agent may take to be imported")
	f.DurationVar(&o.Idle, "idle-timeout", 5*time.Minute, "how long an agent without calls keeps its instances, unless its manifest says otherwise")
	f.DurationVar(&o.DrainTimeout, "drain-timeout", 5*time.Minute, "how long calls may go on of a revision, or of a process by SIGHUP, that was replaced")
	f.DurationVar(&o.ShutdownTimeout, "shutdown-timeout", 10*time.Second, "how long calls in flight may take to end at the stop")
	f.StringVar(&o.PIDFile, "pid-file", "", "keep the number of the process that has the platform in this `FILE`")
	f.StringVar(&c.logFormat, "log-format", config.Text, "text or json")
	f.BoolVar(&c.verbose, "verbose", false, "log more")
	return cmd
}

func (c *startCommand) run(cmd *cobra.Command) error {
	if err := c.check(); err != nil {
		return err
	}
	limit, err := memory.ParseLimit(c.maxMemory, memory.Total())
	if err != nil {
		return c.desk.Usage("--max-memory: %w", err)
	}
	c.o.MaxMemory = limit
	settings, err := c.desk.Settings()
	if err != nil {
		return err
	}
	if c.o.Data, err = filepath.Abs(c.o.Data); err != nil {
		return fmt.Errorf("find the working directory: %w", err)
	}
	c.o.Environ, c.o.Version, c.o.Hurry = settings.Environ, c.desk.Version, c.desk.Hurry
	spool := terminal.NewSpool(c.desk.Err) // who does not read holds up nothing
	defer spool.Close()
	talk := spool.For(c.desk.Err)
	c.o.Console = console{spool.For(c.desk.Out), talk}
	c.o.Log = c.logger(talk)
	return c.start(cmd.Context())
}

// start runs the platform; SIGHUP replaces its process, but when it comes since
// the terminal is gone it means the end.
func (c *startCommand) start(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	hangups := handover.WatchHangups()
	defer hangups.Stop()
	upgrades := make(chan os.Signal, 1)
	over := make(chan struct{})
	var wg sync.WaitGroup
	defer wg.Wait()
	defer close(over)
	wg.Go(func() {
		for {
			select {
			case sig := <-hangups.C():
				if hangups.Gone() {
					cancel()
					return
				}
				select {
				case upgrades <- sig:
				default: // one waits already
				}
			case <-over:
				return
			}
		}
	})
	c.o.Upgrade = upgrades
	return c.desk.Start(ctx, c.o)
}

// check returns what is wrong with the values of flags.
func (c *startCommand) check() error {
	o, usage := c.o, c.desk.Usage
	host, _, err := net.SplitHostPort(o.Listen)
	ip := net.ParseIP(host)
	switch {
	case o.Data == "":
		return usage("name the folder for everything with --data")
	case err != nil:
		return usage("--listen is %q, not an address such as 127.0.0.1:8460", o.Listen)
	case !o.Insecure && host != "localhost" && (ip == nil || !ip.IsLoopback()):
		return usage("--listen %s lets other machines in, while agents are not confined yet: whoever holds a key can run code here; add --insecure to allow that", o.Listen)
	case o.Builds < 1:
		return usage("--build-concurrency is %d: it must be at least 1", o.Builds)
	case o.StartTimeout <= 0:
		return usage("--start-timeout is %v: it must be more than 0", o.StartTimeout)
	case o.BuildBounds.Time <= 0:
		return usage("--build-timeout is %v: it must be more than 0", o.BuildBounds.Time)
	case o.Limits.Files < 1:
		return usage("--max-files is %d: it must be at least 1", o.Limits.Files)
	case o.Idle <= 0:
		return usage("--idle-timeout is %v: it must be more than 0", o.Idle)
	case o.DrainTimeout < 0:
		return usage("--drain-timeout is %v: it can't be negative", o.DrainTimeout)
	case o.ShutdownTimeout < 0:
		return usage("--shutdown-timeout is %v: it can't be negative", o.ShutdownTimeout)
	case c.logFormat != config.Text && c.logFormat != config.JSON:
		return usage("--log-format is %q: it may be text or json", c.logFormat)
	}
	return nil
}

func (c *startCommand) logger(talk io.Writer) *slog.Logger {
	level := slog.LevelInfo
	if c.verbose {
		level = slog.LevelDebug
	}
	return terminal.NewLog(talk, c.logFormat, level)
}

// bytesFlag is a number of bytes, such as 4GiB.
type bytesFlag struct {
	n        *int64
	standard int64
}

// set sets the flag to what it is without a word of the user's.
func (b bytesFlag) set() bytesFlag {
	*b.n = b.standard
	return b
}

// String implements pflag.Value.
func (b bytesFlag) String() string {
	switch n := *b.n; {
	case n == 0:
		return ""
	case n%(1<<30) == 0:
		return fmt.Sprintf("%dGiB", n>>30)
	case n%(1<<20) == 0:
		return fmt.Sprintf("%dMiB", n>>20)
	default:
		return fmt.Sprint(n)
	}
}

// Type implements pflag.Value: what help calls it.
func (b bytesFlag) Type() string { return "SIZE" }

// Set implements pflag.Value.
func (b bytesFlag) Set(text string) error {
	n, err := agent.ParseSize(text)
	if err == nil {
		*b.n = n
	}
	return err
}

// console shows the operator what happens.
type console struct{ out, talk io.Writer }

// OnKey shows the admin key.
func (c console) OnKey(key string) {
	fmt.Fprintf(c.out, "Admin key, shown this once: %s\n", key)
}

// OnKeyFile tells where the admin key is.
func (c console) OnKeyFile(path string) { fmt.Fprintf(c.out, "Admin key written to %s\n", path) }

// OnReady tells where the platform is.
func (c console) OnReady(url string, agents int, took time.Duration) {
	fmt.Fprintf(c.out, "Platform at %s with %s (ready in %s)\n\nrunagent login %s\n", url, count(agents, "agent"), terminal.Duration(took), url)
}

// OnStop tells that the end has begun.
func (c console) OnStop(inFlight int, timeout time.Duration) {
	if inFlight == 0 {
		fmt.Fprintln(c.talk, "Stopping.")
		return
	}
	fmt.Fprintf(c.talk, "Stopping: waiting up to %s for %s; again stops at once.\n", terminal.Duration(timeout), count(inFlight, "call"))
}

// OnHandover tells that a new process takes over.
func (c console) OnHandover(inFlight int, timeout time.Duration) {
	fmt.Fprintf(c.talk, "A new process takes over. This one waits up to %s for %s, and ends.\n", terminal.Duration(timeout), count(inFlight, "call"))
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

var _ platform.Console = console{}
