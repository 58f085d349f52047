// Package app wires everything: it builds the parts by plain constructors,
// starts them in order and stops them in reverse. It alone knows every
// concrete type.
package app

import (
	"log/slog"
	"time"

	"github.com/runagent/runagent/internal/agent"
	"github.com/runagent/runagent/internal/invocation"
)

// DefaultPort is where an agent is served unless told otherwise.
const DefaultPort = 8450

// ServeOptions says how one folder is served. The command line has checked
// each field by itself; what needs the folder or the network is Serve's to check.
type ServeOptions struct {
	// Dir is the agent's folder.
	Dir string
	// Home is where RunAgent keeps environments, snapshots and records.
	Home string
	// DiscoveryDir holds the database that published clients read. It is Home
	// unless RUNAGENT_CACHE_DIR names another folder.
	DiscoveryDir string
	// Environ is the environment of this process, as os.Environ gives it. It
	// is handed on to the agent; VIRTUAL_ENV and PATH choose its Python.
	Environ []string
	// Version is RunAgent's own, for the API and the User-Agent.
	Version string

	// Host is the address to listen on; one that is not loopback comes only
	// with Insecure.
	Host string
	// Port is the port to listen on; 0 lets the system choose.
	Port int
	// PortGiven says that the author asked for Port: when it is taken, Serve
	// fails instead of taking the next free one.
	PortGiven bool
	// Insecure lets other machines call, and turns off the check of Host.
	Insecure bool
	// CORSOrigins are the web origins whose pages may call, such as
	// "http://localhost:3000"; none means no page may.
	CORSOrigins []string

	// Instances is how many instances run; at least 1.
	Instances int
	// DebugPort is where a debugger is waited for before the agent is imported,
	// with all deadlines off; 0 waits for none. It goes with one instance, and
	// with NoReload.
	DebugPort int
	// NoReload keeps the code that was there at the start.
	NoReload bool
	// Watch holds further glob patterns, relative to Dir, whose changes reload.
	Watch []string
	// Python is the interpreter to use; "" chooses VIRTUAL_ENV, then .venv in
	// the folder, then an environment built from the requirements.
	Python string
	// EnvFile is read instead of Dir/.env; "" means Dir/.env if it exists.
	EnvFile string

	// Keep bounds the records.
	Keep KeepRules
	// ShutdownTimeout is how long calls in flight may take to end after ctx has.
	ShutdownTimeout time.Duration
	// ReadTimeout is how long a request may take to arrive; 0 means the
	// server's own bound.
	ReadTimeout time.Duration
	// Hurry is closed when the author asks a second time to stop: what still
	// runs is ended at once. It may be nil.
	Hurry <-chan struct{}

	// Console is told what the author should see. It is required.
	Console Console
	// Log receives RunAgent's own log. It is required.
	Log *slog.Logger
}

// KeepRules bounds the records of each agent; what is over either bound goes.
type KeepRules struct {
	// Age is how long records are kept; 0 means without bound.
	Age time.Duration
	// Count is how many are kept of each agent; 0 means without bound. From 1,000
	// on it may be exceeded by a tenth.
	Count int
}

// DefaultKeep are the bounds unless the author gives others.
func DefaultKeep() KeepRules { return KeepRules{Age: 7 * 24 * time.Hour, Count: 10_000} }

// Console shows the author what happens while an agent is served. Its methods
// are called from several goroutines and must return soon.
type Console interface {
	// OnProgress tells of a step of a slow start, such as a line of the installer.
	OnProgress(text string)
	// OnReady tells, once, that calls are answered.
	OnReady(Ready)
	// OnReload tells how a change of the folder went.
	OnReload(Reload)
	// OnLog passes on a line of user code, or of an instance's own.
	OnLog(invocation.LogLine)
	// OnFailure tells how calls have failed.
	OnFailure(Failure)
	// OnWarning tells of something odd that was handled, in one sentence.
	OnWarning(text string)
	// OnStop tells that no more calls are taken and inFlight are awaited.
	OnStop(inFlight int, timeout time.Duration)
}

// Ready says what is served and where.
type Ready struct {
	// URL is the base, such as "http://127.0.0.1:8450".
	URL string
	// WantedPort is the port that was taken when another one is used, else 0.
	WantedPort int
	Agent      *agent.Agent
	// Callables are the entrypoints as the first instance reported them.
	Callables []agent.Callable
	// Python is the interpreter's version, Environment where it lives.
	Python, Environment string
	// Took is the time from the start to now.
	Took time.Duration
}

// Reload says how a change of the folder went.
type Reload struct {
	// Changed are the paths that changed, relative to the agent's folder.
	Changed []string
	// Took is the time from the change to new code answering.
	Took time.Duration
	// Callables are the entrypoints of the new code; empty when it failed.
	Callables []agent.Callable
	// Problems is why the new code can't serve; empty when it does. The last
	// good code keeps serving then.
	Problems []Problem
}

// Problem is one thing to fix in the agent's folder.
type Problem struct {
	// File is relative to the agent's folder, or absolute where it lies
	// elsewhere; "" when there is no place to name.
	File string
	// Line and Column count from 1; 0 when unknown.
	Line, Column int
	Message      string
	// Traceback is Python's, when user code raised at import.
	Traceback string
}
