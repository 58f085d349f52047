// Package platform wires the platform: many agents on one machine, each
// brought into service by deploys, behind one address that asks for keys.
package platform

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/runagent/runagent/internal/app/engine"
	"github.com/runagent/runagent/internal/app/platform/canary"
	"github.com/runagent/runagent/internal/app/platform/fleet"
	"github.com/runagent/runagent/internal/app/platform/folders"
	"github.com/runagent/runagent/internal/app/platform/handover"
	"github.com/runagent/runagent/internal/app/platform/intake"
	"github.com/runagent/runagent/internal/app/platform/keyring"
	"github.com/runagent/runagent/internal/app/platform/memory"
	"github.com/runagent/runagent/internal/app/platform/progress"
	"github.com/runagent/runagent/internal/app/platform/recent"
	"github.com/runagent/runagent/internal/app/platform/standby"
	"github.com/runagent/runagent/internal/autoscale"
	"github.com/runagent/runagent/internal/build/bounds"
	"github.com/runagent/runagent/internal/bundle"
	"github.com/runagent/runagent/internal/deploy"
	"github.com/runagent/runagent/internal/fault"
	"github.com/runagent/runagent/internal/garbage"
	"github.com/runagent/runagent/internal/invocation"
	"github.com/runagent/runagent/internal/sandbox/cgroup"
	"github.com/runagent/runagent/internal/secret"
	"github.com/runagent/runagent/internal/server"
	"github.com/runagent/runagent/internal/store"
	"github.com/runagent/runagent/internal/store/state"
	"github.com/runagent/runagent/internal/telemetry"
	"github.com/runagent/runagent/shim"
)

// DefaultListen is where a platform listens unless told otherwise.
const DefaultListen = "127.0.0.1:8460"

const (
	stateName   = "state.db"
	historyName = "history.db"
	// masterKeyName is where the master key is unless it is told otherwise.
	masterKeyName = "master.key"
	// wokenAtStart is how many of the agents that served last get instances at
	// once when the platform starts.
	wokenAtStart = 8
	// warmedAtStart is how many of those that served before get a zygote.
	warmedAtStart = 16
	// wokenAtOnce is how many of both start side by side.
	wokenAtOnce = 4
	// revisionsKept is how many revisions of an agent can be gone back to.
	revisionsKept = 50
)

// Options says how a platform runs. The command line has checked each field.
type Options struct {
	// Data is the folder that holds all there is.
	Data string
	// Listen is the address, host:port.
	Listen string
	// AdminKeyFile is where the key of the first start is written, "" to show it.
	AdminKeyFile string
	// MasterKeyFile holds the key that secrets are encrypted with, "" for one in Data.
	MasterKeyFile string
	// Insecure lets other machines call.
	Insecure bool
	// Environ is the environment of this process; agents get little of it.
	Environ []string
	Version string
	// Builds is how many environments are built at once, BuildBounds what one
	// of them may take.
	Builds      int
	BuildBounds bounds.Bounds
	// StartTimeout bounds how long an instance may take to start.
	StartTimeout time.Duration
	// Quota bounds what Data takes on the disk, 0 for no bound.
	Quota int64
	// MaxMemory is what all agents may take together, in bytes.
	MaxMemory int64
	// Idle is how long an agent without calls keeps its instances.
	Idle time.Duration
	// DrainTimeout bounds the calls on a revision, or a process, that was replaced.
	DrainTimeout time.Duration
	// ShutdownTimeout bounds the calls in flight at the end.
	ShutdownTimeout time.Duration
	// PIDFile gets the number of the process that has the platform, "" for none.
	PIDFile string
	// Upgrade is told when a new process of the same program must take over.
	Upgrade <-chan os.Signal
	// Hurry is closed when the operator asks a second time to stop.
	Hurry <-chan struct{}
	// Limits bound bundles.
	Limits  bundle.Limits
	Console Console
	Log     *slog.Logger
}

// Console shows the operator what happens.
type Console interface {
	keyring.Console
	// OnReady tells that calls are answered, and how many agents there are.
	OnReady(url string, agents int, took time.Duration)
	// OnStop tells that no more calls are taken and inFlight are awaited.
	OnStop(inFlight int, timeout time.Duration)
	// OnHandover tells that a new process takes over, while the calls in flight
	// get to their end here.
	OnHandover(inFlight int, timeout time.Duration)
}

// service is one running platform.
type service struct {
	o        Options
	began    time.Time
	folders  folders.Folders
	state    *state.DB
	vault    *secret.Vault
	history  *store.History
	intake   *intake.Intake
	logs     *engine.Logbook
	engine   *engine.Engine
	standby  *standby.Pools
	fleet    *fleet.Fleet
	scaler   *autoscale.Loop
	traffic  deploy.Traffic
	deployer *deploy.Deployer
	canaries *canary.Watch
	progress *progress.Book
	recent   recent.Use
	executor *invocation.Executor
	server   *server.Server
	place    *handover.Place
	alone    <-chan struct{} // closed once no process is left that this one replaced
	listener net.Listener
	replaced atomic.Bool                 // by a newer process
	release  func()                      // gives the data folder up
	departed chan error                  // how the calls of a process ended that was replaced
	trouble  func(revision string) error // why one has no instance
	groups   *cgroup.Tree
	memory   *memory.Watch
	metrics  *telemetry.Metrics

	// life ends when deploys under way must.
	life    context.Context //nolint:containedctx // of all deploys
	endLife context.CancelCauseFunc
	deploys sync.WaitGroup
	codes   folders.Uses

	registry sync.Mutex // held while it is decided which agents there are
	visitors visitors
	// lost is why agents were not brought back, by their IDs; restore fills it.
	lost map[string]error

	ends []func(context.Context)
}

// errStopping is why deploys end that the platform does not wait for.
var errStopping = errors.New("the platform is stopping; deploy again")

// newService returns a service that does nothing yet.
func newService(o Options) *service {
	alone := make(chan struct{})
	close(alone)
	s := &service{o: o, alone: alone, began: time.Now(), folders: folders.Folders{Data: o.Data}, progress: progress.New(), lost: map[string]error{}}
	s.memory = memory.NewWatch(memory.Options{Machine: room{s}, Limit: o.MaxMemory, Log: o.Log})
	s.metrics = telemetry.New(telemetry.Options{Version: o.Version, Gauges: s.gauges, Name: s.slug})
	return s
}

// Start runs a platform until ctx ends, then lets the calls in flight end and
// stops everything in reverse. Errors that the operator can mend are *fault.Error.
func Start(ctx context.Context, o Options) error {
	s := newService(o)
	defer func() { s.stop(ctx) }()
	if err := s.settle(ctx); err != nil {
		return err
	}
	if err := s.open(ctx); err != nil {
		return err
	}
	if err := s.makeEngine(ctx); err != nil {
		return err
	}
	live, err := s.restore(ctx)
	if err != nil {
		return err
	}
	if err := s.makeServer(ctx); err != nil {
		return err
	}
	return s.run(ctx, live)
}

// settle gets the address and the data folder, from an older process if that
// gives them. Who calls meanwhile waits in the socket's queue.
func (s *service) settle(ctx context.Context) (err error) {
	if s.place, err = handover.New(s.o.PIDFile); err != nil {
		return err
	}
	s.own(func(context.Context) { s.place.Close() })
	if s.alone = s.place.Alone(); s.place.Successor() {
		if err := s.canOpen(ctx); err != nil {
			return err
		}
		if err := s.listen(); err != nil {
			return err
		}
		if err := s.place.Take(); err != nil {
			return fmt.Errorf("take over: %w", err)
		}
		s.release, err = s.folders.AwaitLock(ctx)
	} else {
		s.release, err = s.folders.Lock()
	}
	if err != nil {
		return err
	}
	s.own(func(context.Context) { s.release() })
	if s.listener == nil {
		return s.listen()
	}
	return nil
}

// canOpen looks, while another process has the data folder, for what would make
// open fail: then that one goes on.
func (s *service) canOpen(ctx context.Context) error {
	if err := state.Check(ctx, filepath.Join(s.o.Data, stateName)); err != nil {
		return err
	}
	if err := store.CheckHistory(ctx, filepath.Join(s.o.Data, historyName)); err != nil {
		return err
	}
	_, err := s.openVault()
	return err
}

func (s *service) openVault() (*secret.Vault, error) {
	return secret.OpenVault(cmp.Or(s.o.MasterKeyFile, filepath.Join(s.o.Data, masterKeyName)))
}

func (s *service) listen() (err error) {
	if s.listener, err = s.place.Listen(s.o.Listen); err != nil {
		return fault.New(fault.Conflict, "can't listen on %s: %w", s.o.Listen, err).WithSuggestion("Choose another address with --listen.")
	}
	s.own(func(context.Context) { _ = s.listener.Close() })
	return nil
}

// open opens what is kept in the data folder.
func (s *service) open(ctx context.Context) (err error) {
	if err := s.folders.Make(); err != nil {
		return err
	}
	if s.state, err = state.Open(filepath.Join(s.o.Data, stateName), time.Now); err != nil {
		return err
	}
	s.own(func(context.Context) { s.note("state not closed", s.state.Close()) })
	if s.vault, err = s.openVault(); err != nil {
		return err
	}
	if err := s.openIntake(); err != nil {
		return err
	}
	s.history, err = store.OpenHistory(filepath.Join(s.o.Data, historyName), store.HistoryOptions{Log: s.o.Log})
	if err != nil {
		return fmt.Errorf("open the records: %w", err)
	}
	s.own(func(context.Context) { s.note("records not closed", s.history.Close()) })
	s.background("records", s.history.Run)
	s.background("pace of garbage collection", garbage.Pace)
	if n, err := s.state.SettleInterrupted(ctx); err != nil {
		return err
	} else if n > 0 {
		s.o.Log.Warn("deploys were under way when the platform ended", "revisions", n)
	}
	return nil
}

// makeEngine builds what runs revisions and brings them into service.
func (s *service) makeEngine(ctx context.Context) error {
	root, err := shim.Extract(s.o.Data)
	if err != nil {
		return fmt.Errorf("unpack the shim: %w", err)
	}
	s.logs = engine.NewLogbook(s.history, func(invocation.LogLine) {})
	s.groups = cgroup.Open(cgroup.Options{Name: s.folders.GroupName(), Beside: s.place.Successor(), Limit: s.o.MaxMemory})
	s.own(func(context.Context) { s.groups.Close() })
	s.engine = engine.New(engine.Options{
		Groups: s.groups, Home: s.o.Data, Shim: root, Version: s.o.Version, Environ: engine.BuildEnviron(s.o.Environ), AgentEnviron: engine.AgentEnviron(s.o.Environ),
		OnBuild: s.metrics.Built, OnStart: s.metrics.Started, Builds: max(1, s.o.Builds), BuildBounds: s.o.BuildBounds, Room: s.room, ReadyWithin: s.o.StartTimeout,
		Instances: 1, Deployed: true, Logs: s.logs, Log: s.o.Log, OnQueue: s.lookAtLoad,
	})
	s.own(func(context.Context) { s.note("engine not closed", s.engine.Close()) })
	s.trouble = s.engine.Trouble
	s.conduct(admitted{s.engine, s.memory}, func() { s.engine.RestZygotes(s.standby.Awake()) })
	if err := s.scale(ctx, s.engine); err != nil {
		return err
	}
	s.background("memory", s.memory.Run)
	s.background("upkeep", s.upkeep)
	return nil
}

// conduct makes what brings revisions into service on m; onSleep is called
// when some have fallen asleep.
func (s *service) conduct(m standby.Machine, onSleep func()) {
	s.standby = standby.New(standby.Options{
		Machine: m, Linger: standby.Linger, OnGone: s.forget, OnSleep: onSleep, Log: s.o.Log,
	})
	s.own(s.standby.Close)
	s.canaries = canary.New(canary.Options{Split: s.splitTrial, Decided: s.decided, Log: s.o.Log})
	l := ledger{s.state, s.progress, s.inherit, s.canaries.Switched}
	s.deployer = deploy.New(deploy.Options{
		Builder: m, Pools: s.standby, Traffic: &s.traffic,
		Ledger: l, DrainTimeout: s.o.DrainTimeout, Log: s.o.Log,
		Probing: l.probing,
	})
	s.own(s.deployer.Close)
	s.own(s.endDeparture)
	s.own(func(context.Context) { s.canaries.Close() })
	s.own(func(context.Context) { s.standby.NoMoreCalls() })
	s.life, s.endLife = context.WithCancelCause(context.Background())
	s.own(func(context.Context) {
		s.endLife(errStopping)
		s.deploys.Wait()
	})
}

// makeServer makes the server; requests are answered from run on.
func (s *service) makeServer(ctx context.Context) error {
	keys, err := keyring.Open(ctx, s.state, s.o.AdminKeyFile, s.o.Console)
	if err != nil {
		return err
	}
	s.executor = invocation.NewExecutor(invocation.Options{
		Directory: directory{&s.traffic, s.state, s.visit}, Invoker: s.standby, Recorder: s.canaries.Record(s.metrics.Record(s.history)), Log: s.o.Log,
	})
	hosts := []string{}
	if s.o.Insecure {
		hosts = []string{"*"}
	}
	s.server, err = server.New(server.Options{
		Metrics: s.metrics.Handler(), Executor: s.executor, Agents: s, History: s.history, Logs: s.logs, Log: s.o.Log, Version: s.o.Version,
		Checks: s.checks, Hosts: hosts, Platform: s, Intake: s.intake,
		Authenticate: func(key string) error {
			_, err := keys.Check(key)
			return err
		},
	})
	if err != nil {
		return fmt.Errorf("make the server: %w", err)
	}
	return nil
}

// run answers calls until ctx ends, or another process takes over.
func (s *service) run(ctx context.Context, live []*deploy.Revision) error {
	served := make(chan error, 1)
	go func() { served <- s.server.Serve(context.WithoutCancel(ctx), s.listener) }()
	s.own(func(ctx context.Context) {
		if s.replaced.Load() {
			s.depart(ctx)
		} else {
			s.place.Close() // it holds the socket open, too
			s.noteCut(s.server.Shutdown(ctx))
		}
		s.note("server ended", <-served)
	})
	s.background("waking", func(ctx context.Context) error { return s.wakeFirst(ctx, live) })
	s.o.Console.OnReady("http://"+s.listener.Addr().String(), len(live), time.Since(s.began))
	s.note("no process can take over", s.place.Hold())
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-s.o.Upgrade:
			if err := s.place.Give(ctx); err != nil {
				s.o.Log.Error("no new process took over; this one goes on", "error", err)
				continue
			}
			s.replaced.Store(true)
			return nil
		}
	}
}

// depart makes way for the process that takes over: no request comes here any
// more, and none changes anything. The calls in flight go on.
func (s *service) depart(ctx context.Context) {
	s.server.Retire(ctx, s.listener)
	s.departed = make(chan error, 1)
	go func() { s.departed <- s.server.Shutdown(ctx) }()
	settled, cancel := context.WithTimeout(ctx, s.o.ShutdownTimeout)
	defer cancel()
	s.note("requests not awaited that change the platform", s.server.Settle(settled))
}

// endDeparture gives the data folder to the process that takes over, once all
// has ended that changes it, and waits for the calls in flight.
func (s *service) endDeparture(context.Context) {
	if s.departed != nil {
		s.release()
		s.noteCut(<-s.departed)
	}
}

func (s *service) noteCut(err error) {
	if err != nil {
		s.o.Log.Warn("calls in flight were cut off", "error", err)
	}
}

// note logs an error that ends nothing.
func (s *service) note(what string, err error) {
	if err != nil {
		s.o.Log.Error("platform trouble", "what", what, "error", err)
	}
}

// own has end called when the platform stops, after all that is owned later.
func (s *service) own(end func(context.Context)) { s.ends = append(s.ends, end) }

// background runs f until the platform stops, and waits for it then.
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
// timeout, or the drain timeout where a new process takes those that come, or
// until the operator asks again.
func (s *service) stop(ctx context.Context) {
	timeout, replaced := s.o.ShutdownTimeout, s.replaced.Load()
	if replaced {
		timeout = s.o.DrainTimeout
	}
	patience, cancel := context.WithTimeout(context.WithoutCancel(ctx), timeout)
	defer cancel()
	if replaced { // the operator has less patience from when he asks for the end on
		defer context.AfterFunc(ctx, func() { time.AfterFunc(s.o.ShutdownTimeout, cancel) })()
	}
	over := make(chan struct{})
	defer close(over)
	go func() { // ends with stop
		select {
		case <-s.o.Hurry:
			cancel()
		case <-over:
		}
	}()
	switch {
	case replaced:
		s.o.Console.OnHandover(s.engine.InFlight(), timeout)
	case s.server != nil && ctx.Err() != nil:
		s.o.Console.OnStop(s.engine.InFlight(), timeout)
	}
	for i := len(s.ends) - 1; i >= 0; i-- {
		s.ends[i](patience)
	}
}
