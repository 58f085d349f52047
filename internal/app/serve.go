package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/google/uuid"

	"github.com/runagent/runagent/internal/agent"
	"github.com/runagent/runagent/internal/app/engine"
	"github.com/runagent/runagent/internal/build"
	"github.com/runagent/runagent/internal/deploy"
	"github.com/runagent/runagent/internal/discovery"
	"github.com/runagent/runagent/internal/fault"
	"github.com/runagent/runagent/internal/garbage"
	"github.com/runagent/runagent/internal/invocation"
	"github.com/runagent/runagent/internal/server"
	"github.com/runagent/runagent/internal/store"
	"github.com/runagent/runagent/internal/watch"
	"github.com/runagent/runagent/shim"
)

// portsToTry is how many ports after the wanted one may be taken.
const portsToTry = 100

// service is one served folder.
type service struct {
	o        ServeOptions
	began    time.Time
	shim     string
	history  *store.History
	logs     *engine.Logbook
	engine   *engine.Engine
	traffic  deploy.Traffic
	deployer *deploy.Deployer
	server   *server.Server
	listener net.Listener
	watcher  *watch.Watcher // nil with --no-reload
	wanted   int            // the port that was taken, or 0
	// snapshots is where this server keeps copies of the sources.
	snapshots string
	discovery *discovery.DB
	announced string // the agent's ID in discovery
	executor  *invocation.Executor
	troubles  troubles

	// ends undoes what was started, last first.
	ends []func(context.Context)
}

// Serve serves the folder until ctx ends, then lets the calls in flight end
// and stops everything in reverse. Errors: agent.Problems when the folder is
// not an agent, *instance.ImportError when its code can't be imported,
// *fault.Error for what else the author can mend.
func Serve(ctx context.Context, o ServeOptions) (err error) {
	s := &service{o: o, began: time.Now()}
	s.troubles.program = s.healthChecks
	defer func() { s.stop(ctx) }()
	rev, err := s.prepare(ctx)
	if err != nil {
		return err
	}
	if err := s.deploy(ctx, rev); err != nil {
		return err
	}
	s.engine.RetainZygotes(rev)
	return s.run(ctx, rev)
}

// deploy brings the first revision into service, or says what to mend.
func (s *service) deploy(ctx context.Context, rev *deploy.Revision) error {
	err := s.deployer.Deploy(ctx, rev)
	if err == nil {
		return nil
	}
	if found := s.sourceProblems(ctx, rev); len(found) > 0 {
		return found
	}
	return err
}

// prepare builds all parts and reads the folder, but runs none of its code.
func (s *service) prepare(ctx context.Context) (*deploy.Revision, error) {
	var err error
	if s.shim, err = shim.Extract(s.o.Home); err != nil {
		return nil, fmt.Errorf("%w; set RUNAGENT_HOME to a folder that can be written", err)
	}
	if err := s.listen(ctx); err != nil {
		return nil, err
	}
	s.history, err = store.OpenHistory(filepath.Join(s.o.Home, historyName), s.o.Keep.historyOptions(s.o.Log))
	if err != nil {
		return nil, fmt.Errorf("open the records: %w", err)
	}
	s.own(func(context.Context) {
		if err := s.history.Close(); err != nil {
			s.o.Log.Error("records not closed", "error", err)
		}
	})
	s.background("records", s.history.Run)
	s.background("pace of garbage collection", garbage.Pace)
	if err := s.makeEngine(s.history); err != nil {
		return nil, err
	}
	if err := s.newServer(); err != nil {
		return nil, err
	}
	s.openDiscovery()
	if !s.o.NoReload {
		if s.watcher, err = s.watchFolder(); err != nil {
			return nil, err
		}
		s.background("watch", s.watcher.Run)
	}
	return s.revision(ctx)
}

// makeEngine builds what brings revisions into service; kept is given the
// lines that user code prints.
func (s *service) makeEngine(kept invocation.Logs) error {
	s.logs = engine.NewLogbook(kept, s.o.Console.OnLog)
	s.engine = engine.New(engine.Options{
		Home: s.o.Home, Shim: s.shim, Version: s.o.Version, Environ: s.o.Environ, AgentEnviron: s.o.Environ,
		Python: s.o.Python, Instances: s.o.Instances, DebugPort: s.o.DebugPort, OnProgress: s.o.Console.OnProgress, Logs: s.logs, Log: s.o.Log,
	})
	s.own(func(context.Context) {
		if err := s.engine.Close(); err != nil {
			s.o.Log.Error("engine not closed", "error", err)
		}
	})
	s.deployer = deploy.New(deploy.Options{
		Builder: s.engine, Pools: s.engine, Traffic: &s.traffic, DrainTimeout: drainTimeout, Log: s.o.Log,
	})
	s.own(s.deployer.Close)
	return s.ownSnapshots()
}

// drainTimeout bounds the calls on code that a save has replaced.
const drainTimeout = 5 * time.Minute

func (s *service) newServer() error {
	s.executor = invocation.NewExecutor(invocation.Options{
		Directory: &s.traffic, Invoker: s.engine, Recorder: &failures{Recorder: s.history, console: s.o.Console}, NoDeadlines: s.o.DebugPort != 0, Log: s.o.Log,
	})
	var hosts []string
	if s.o.Insecure {
		hosts = []string{"*"}
	}
	var err error
	s.server, err = server.New(server.Options{
		Executor: s.executor, Agents: s, History: ownHistory{s.history, s.agentID}, Logs: s.logs, Log: s.o.Log, Version: s.o.Version,
		Checks: s.troubles.checks, Hosts: hosts, CORSOrigins: s.o.CORSOrigins, ReadTimeout: s.o.ReadTimeout,
	})
	if err != nil {
		return fmt.Errorf("make the server: %w", err)
	}
	return nil
}

// agentID is the ID of the agent that is served now.
func (s *service) agentID() string {
	if rev := s.deployer.Current(); rev != nil {
		return rev.Agent.ID
	}
	return ""
}

// listen takes the wanted port, or the next free one unless it was asked for.
func (s *service) listen(ctx context.Context) error {
	var lc net.ListenConfig
	for i := range portsToTry {
		port := s.o.Port
		if port != 0 {
			port += i
		}
		ln, err := lc.Listen(ctx, "tcp", net.JoinHostPort(s.o.Host, strconv.Itoa(port)))
		if err == nil {
			s.listener = ln
			if i > 0 {
				s.wanted = s.o.Port
			}
			s.own(func(context.Context) { _ = ln.Close() })
			return nil
		}
		if !errors.Is(err, syscall.EADDRINUSE) {
			return fault.New(fault.Conflict, "can't listen on %s: %w", s.o.Host, err)
		}
		if s.o.PortGiven {
			return fault.New(fault.Conflict, "port %d is taken by another program; choose another with --port, or leave --port out to take the next free one", s.o.Port)
		}
	}
	return fault.New(fault.Conflict, "ports %d to %d are all taken", s.o.Port, s.o.Port+portsToTry-1)
}

// revision reads the folder as it is now. All that is wrong with it is told at once.
func (s *service) revision(ctx context.Context) (*deploy.Revision, error) {
	a, problems := agent.Load(s.o.Dir, agent.LoadOptions{})
	if a == nil {
		return nil, problems.Err()
	}
	if s.watcher != nil {
		s.watcher.Include(build.Included(a.Dir, a.Manifest.Requirements))
	}
	problems = append(problems, agent.CheckSources(a.Manifest, nil)...)
	vars, secrets, err := s.variables(a)
	var more agent.Problems
	if err != nil && !errors.As(err, &more) {
		return nil, err
	}
	if err := append(problems, more...).Sorted().Err(); err != nil {
		return nil, err
	}
	snapshot, err := s.snapshot(ctx, a.Dir)
	if err != nil {
		return nil, err
	}
	s.logs.Mask(a.ID, secrets)
	id, err := uuid.NewV7()
	if err != nil {
		return nil, fmt.Errorf("make an ID: %w", err)
	}
	rev := &deploy.Revision{ID: id.String(), Agent: a, Snapshot: snapshot, Vars: vars, CreatedAt: time.Now(), State: deploy.Pending}
	if now := s.deployer.Current(); now != nil {
		rev.Before = now.Snapshot
		rev.Edited, err = watch.Edited(snapshot, now.Snapshot)
	}
	return rev, err
}

// variables are what .env and the manifest set, and those among them that
// must not be shown.
func (s *service) variables(a *agent.Agent) (vars map[string]string, secrets []string, err error) {
	file := s.o.EnvFile
	if file == "" {
		file = filepath.Join(a.Dir, ".env")
	}
	vars, err = agent.ReadDotEnv(file)
	if errors.Is(err, fs.ErrNotExist) && s.o.EnvFile == "" {
		vars, err = map[string]string{}, nil
	}
	if err != nil {
		return nil, nil, err
	}
	for name, value := range vars {
		if engine.LooksSecret(name) {
			secrets = append(secrets, value)
		}
	}
	expanded, problems := agent.ExpandEnv(a.Manifest, func(name string) (string, bool) {
		if v, ok := vars[name]; ok {
			return v, true
		}
		return engine.Lookup(s.o.Environ, name)
	})
	if err := problems.Err(); err != nil {
		return nil, nil, err
	}
	for name, value := range expanded {
		vars[name] = value
		if engine.LooksSecret(name) {
			secrets = append(secrets, value)
		}
	}
	return vars, secrets, nil
}

// run answers calls until ctx ends.
func (s *service) run(ctx context.Context, rev *deploy.Revision) error {
	served := make(chan error, 1)
	go func() { served <- s.server.Serve(context.WithoutCancel(ctx), s.listener) }()
	s.own(func(ctx context.Context) {
		if err := s.server.Shutdown(ctx); err != nil {
			s.o.Log.Warn("calls in flight were cut off", "error", err)
		}
		if err := <-served; err != nil {
			s.o.Log.Error("server ended", "error", err)
		}
	})
	s.announce(ctx, rev)
	s.o.Console.OnReady(Ready{
		URL: s.url(), WantedPort: s.wanted, Agent: rev.Agent, Callables: rev.Callables,
		Python: rev.Environment.Version, Environment: rev.Environment.Dir, Took: time.Since(s.began),
	})
	s.background("collection of environments", s.engine.CollectEnvironments)
	if s.watcher == nil {
		<-ctx.Done()
		return nil
	}
	follower{reload: s.reload, warn: s.o.Console.OnWarning}.run(ctx, s.watcher.Changes())
	return nil
}

func (s *service) url() string { return "http://" + net.JoinHostPort(s.address()) }

// address is where programs on this machine reach the agent: whoever listens on
// all addresses has none that could be called.
func (s *service) address() (host, port string) {
	host, port, err := net.SplitHostPort(s.listener.Addr().String())
	if err == nil && net.ParseIP(host).IsUnspecified() {
		host = "127.0.0.1"
	}
	return host, port
}

// own has end called when the service stops, after all that is owned later.
func (s *service) own(end func(context.Context)) { s.ends = append(s.ends, end) }

// background runs f until the service stops, and waits for it then.
func (s *service) background(name string, f func(context.Context) error) {
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := f(ctx); err != nil && ctx.Err() == nil {
			s.o.Log.Error("background work ended", "work", name, "error", err)
		}
	})
	s.own(func(context.Context) {
		cancel()
		wg.Wait()
	})
}

// stop ends everything in reverse; calls in flight get until the shutdown
// timeout, or until the author asks again.
func (s *service) stop(ctx context.Context) {
	patience, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.o.ShutdownTimeout)
	defer cancel()
	over := make(chan struct{})
	defer close(over)
	go func() { // ends with stop
		select {
		case <-s.o.Hurry:
			cancel()
		case <-over:
		}
	}()
	if s.server != nil && ctx.Err() != nil {
		s.o.Console.OnStop(s.engine.InFlight(), s.o.ShutdownTimeout)
	}
	for i := len(s.ends) - 1; i >= 0; i-- {
		s.ends[i](patience)
	}
}
