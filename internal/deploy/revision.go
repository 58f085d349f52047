// Package deploy brings revisions of an agent into service: build, start,
// probe, switch, drain. It knows no process, no database and no HTTP.
package deploy

import (
	"time"

	"github.com/runagent/runagent/internal/agent"
)

// State is where a revision is in its life.
type State string

// The states of a revision, in order; Failed ends those that never served.
const (
	Pending  State = "pending"
	Building State = "building"
	Starting State = "starting"
	Ready    State = "ready"
	Retired  State = "retired"
	Failed   State = "failed"
)

// Revision is an immutable version of an agent: its code, manifest and environment.
type Revision struct {
	ID    string
	Agent *agent.Agent
	// Number counts the revisions of an agent from 1; 0 where nobody counts.
	Number int
	// Snapshot is a folder with a copy of the sources, "" to read Agent.Dir.
	Snapshot string
	// Edited are the sources that differ from those in service, whose snapshot
	// is Before: one that was Python then must still be.
	Edited []string
	Before string
	// Vars are the variables of the manifest and .env, expanded.
	Vars map[string]string
	// Environment is what Build made.
	Environment Environment
	CreatedAt   time.Time
	// Progress is told each step of the build; nil tells nobody.
	Progress func(text string)
	// Rebuild builds an environment again that is known to fail.
	Rebuild bool

	// State and what follows are written by the Deployer only.
	State     State
	Callables []agent.Callable
	Took      Timings
}

// Timings are how long the steps of a deploy took.
type Timings struct{ Build, Start, Probe, Switch time.Duration }

// Environment is the interpreter and requirements that a revision runs with.
type Environment struct {
	// Key names what went into it: equal keys are interchangeable.
	Key string
	// Python is the interpreter's path, Version its version.
	Python, Version string
	// Dir is where it lives.
	Dir string
	// Lock names the versions of all that is installed, "" where nothing had to
	// be locked: an environment that is gone is made again from it.
	Lock string
}
