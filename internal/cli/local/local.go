// Package local knows the agents of this machine: those that the discovery
// database names, served now or once.
package local

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/runagent/runagent/internal/agent"
	"github.com/runagent/runagent/internal/cli/sample"
	"github.com/runagent/runagent/internal/discovery"
)

// Agent is an agent as the discovery database knows it. Its process may have
// died since.
type Agent struct {
	ID        string `json:"agent_id"`
	Name      string `json:"name"`
	Dir       string `json:"dir"`
	URL       string `json:"url"`
	Framework string `json:"framework"`
	// Status is Serving, Stopped or, of one that should serve and doesn't
	// answer, Unreachable.
	Status string `json:"status"`
}

// States of an Agent.
const (
	Serving     = "serving"
	Stopped     = "stopped"
	Unreachable = "unreachable"
)

// Serves reports whether the agent is said to be served.
func (a *Agent) Serves() bool { return a.Status == Serving }

// is reports whether ref, a name, a slug or the path of a folder, means a.
func (a *Agent) is(ref string) bool {
	return strings.EqualFold(ref, a.Name) || ref == agent.Slug(a.Name) || sameFolder(ref, a.Dir)
}

// Agents are agents of this machine, those that are served first, then the newest.
type Agents []Agent

// List returns the agents that the discovery database in dir names.
func List(ctx context.Context, dir string) (Agents, error) {
	db, err := discovery.Open(filepath.Join(dir, discovery.FileName))
	if err != nil {
		return nil, err
	}
	defer db.Close()
	rows, err := db.List(ctx)
	if err != nil {
		return nil, err
	}
	agents := make(Agents, len(rows))
	for i, row := range rows {
		agents[i] = fromRow(row)
	}
	return agents, nil
}

func fromRow(row discovery.Row) Agent {
	a := Agent{ID: row.AgentID, Name: row.Name, Dir: row.Path, Framework: row.Framework, Status: Stopped}
	if a.Name == "" {
		a.Name = row.AgentID
	}
	host := row.Host
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		host = "localhost"
	}
	a.URL = "http://" + net.JoinHostPort(host, strconv.Itoa(row.Port))
	if row.Status == discovery.StatusServing {
		a.Status = Serving
	}
	return a
}

// Served returns those that are said to be served.
func (as Agents) Served() Agents { return as.which((*Agent).Serves) }

// FindServed returns the agent that ref means, which must be served. Without
// ref that is the agent of the working directory, else the only one that is.
func (as Agents) FindServed(ref string) (*Agent, error) {
	if ref == "" {
		return as.servedHere()
	}
	found := as.meant(ref)
	switch {
	case len(found) > 1:
		return nil, ambiguous(ref, found)
	case len(found) == 1 && !found[0].Serves():
		return nil, fmt.Errorf("agent %q is not being served; start it with `runagent serve %s`", found[0].Name, sample.Word(found[0].Dir))
	case len(found) == 1:
		return &found[0], nil
	case isAgentFolder(ref):
		return nil, fmt.Errorf("the agent in %s is not being served; start it with `runagent serve %s`", ref, sample.Word(ref))
	}
	return nil, unknown(ref)
}

func (as Agents) servedHere() (*Agent, error) {
	live := as.Served()
	if here := live.in("."); len(here) == 1 {
		return &here[0], nil
	}
	switch {
	case isAgentFolder("."):
		return nil, errors.New("the agent in this folder is not being served; start it with `runagent serve`")
	case len(live) == 1:
		return &live[0], nil
	case len(live) == 0:
		return nil, errors.New("no agent is being served; start one with `runagent serve DIR`")
	}
	return nil, several(fmt.Sprintf("%d agents are being served", len(live)), live)
}

// Find returns the agent that ref means, served or not. Without ref that is
// the agent of the working directory, else the only one being served, else the
// only one there is.
func (as Agents) Find(ref string) (*Agent, error) {
	if ref == "" {
		return as.here()
	}
	found := as.meant(ref)
	switch {
	case len(found) > 1:
		return nil, ambiguous(ref, found)
	case len(found) == 1:
		return &found[0], nil
	case isAgentFolder(ref):
		return fromFolder(ref)
	}
	return nil, unknown(ref)
}

func (as Agents) here() (*Agent, error) {
	if here := as.in("."); len(here) == 1 {
		return &here[0], nil
	}
	live := as.Served()
	switch {
	case isAgentFolder("."):
		return fromFolder(".")
	case len(live) == 1:
		return &live[0], nil
	case len(as) == 1:
		return &as[0], nil
	case len(as) == 0:
		return nil, errors.New("no agent was ever served on this machine; start one with `runagent serve DIR`")
	case len(live) > 1:
		return nil, several(fmt.Sprintf("%d agents are being served", len(live)), live)
	}
	return nil, several(fmt.Sprintf("there are %d agents on this machine", len(as)), as)
}

// meant are the agents that ref means: of those the served ones, if there are any.
func (as Agents) meant(ref string) Agents {
	if named := as.which(func(a *Agent) bool { return a.ID == ref }); len(named) > 0 {
		return named
	}
	found := as.which(func(a *Agent) bool { return a.is(ref) })
	if live := found.Served(); len(live) > 0 {
		return live
	}
	return found
}

// in returns the agents of a folder: of those the served ones, if there are any.
func (as Agents) in(dir string) Agents {
	found := as.which(func(a *Agent) bool { return sameFolder(dir, a.Dir) })
	if live := found.Served(); len(live) > 0 {
		return live
	}
	return found
}

func (as Agents) which(want func(*Agent) bool) Agents {
	var selected Agents
	for i := range as {
		if want(&as[i]) {
			selected = append(selected, as[i])
		}
	}
	return selected
}

// fromFolder returns the agent of a folder that was never announced.
func fromFolder(dir string) (*Agent, error) {
	a, problems := agent.Load(dir, agent.LoadOptions{})
	if a == nil {
		return nil, problems
	}
	name := a.Name
	if name == "" {
		name = a.ID
	}
	return &Agent{ID: a.ID, Name: name, Dir: a.Dir, Framework: a.Manifest.Framework, Status: Stopped}, nil
}

// AmbiguousError is a reference that means several agents.
type AmbiguousError struct{ text string }

// Error names them.
func (e *AmbiguousError) Error() string { return e.text }

func ambiguous(ref string, found Agents) error {
	return &AmbiguousError{fmt.Sprintf("%q means %d agents: %s; name one by its ID", ref, len(found), found.ids())}
}

func several(what string, found Agents) error {
	return &AmbiguousError{fmt.Sprintf("%s: name one of %s", what, found.ids())}
}

func unknown(ref string) error {
	return fmt.Errorf("there is no local agent %q; `runagent list --all` shows those there are", ref)
}

func (as Agents) ids() string {
	ids := make([]string, len(as))
	for i := range as {
		ids[i] = as[i].ID
	}
	return strings.Join(ids, ", ")
}

func isAgentFolder(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, agent.ManifestName))
	return err == nil
}

// sameFolder reports whether two paths lead to one existing folder.
func sameFolder(a, b string) bool {
	infoA, errA := os.Stat(a)
	infoB, errB := os.Stat(b)
	return errA == nil && errB == nil && infoA.IsDir() && os.SameFile(infoA, infoB)
}
