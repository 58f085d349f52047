// Package peer knows the servers that are measured: how each is installed,
// started and spoken to, and what it can't do.
package peer

import (
	"context"
	"fmt"
	"path/filepath"
	"time"
)

// Row is one line of the table: a server with its settings and its door.
type Row struct {
	Name string
	// About says in a phrase what runs, for the table's legend.
	About string
	// Env is the folder of bench/peers whose requirements.lock is installed;
	// empty: no Python of its own.
	Env string
	// Dialect is how calls are said and answers checked.
	Dialect Dialect
	// Prepare makes the scratch folder ready; it may be nil.
	Prepare func(p Place) error
	// Command returns how the server is started.
	Command func(p Place) Command
	// Ready is the path that answers 200 when the server is up.
	Ready string
	// Recorded, if set, returns how many calls a stopped server has recorded: all
	// that it was sent, or its figures do not count.
	Recorded func(ctx context.Context, p Place) (int, error)
	// Short rows are in the five-minute run.
	Short bool
	// Once: measured in one round of shared workloads, since no target compares it.
	Once bool
	// Cannot says why the row leaves workloads out, by their names.
	Cannot map[string]string
	// Only, if set, names the workloads the row is there for.
	Only []string
	// StartLimit is how long it may take to come up; 0: 20 s.
	StartLimit time.Duration
}

// Place is where a server runs.
type Place struct {
	// Bench is the folder bench/ of the repository, Bin holds what was built.
	Bench, Bin string
	// Env is the virtual environment of the row.
	Env string
	// Scratch is a folder of the run's own; Agent is a copy of bench/agent in it.
	Scratch, Agent string
	Port           int
	Workload       string
}

// Command is an argument vector, and variables beside the few all servers get.
type Command struct {
	Args []string
	Vars []string
	Dir  string
}

// Addr is where the server listens.
func (p Place) Addr() string { return fmt.Sprintf("127.0.0.1:%d", p.Port) }

// bin returns a program of the row's environment.
func (p Place) bin(name string) string { return filepath.Join(p.Env, "bin", name) }

// app returns a file of the row's folder.
func (p Place) app(row string) string { return filepath.Join(p.Bench, "peers", row) }

// Skips returns why the row leaves the workload out; empty: it does not.
func (r *Row) Skips(workload string) string {
	if why := r.Cannot[workload]; why != "" {
		return why
	}
	if workload == Records && r.Name != RunAgent {
		return "only RunAgent's records are looked at"
	}
	if len(r.Only) == 0 {
		return ""
	}
	for _, only := range r.Only {
		if only == workload {
			return ""
		}
	}
	return "this row is there for other workloads"
}
