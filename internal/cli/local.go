package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/runagent/runagent/internal/agent"
	"github.com/runagent/runagent/internal/discovery"
	"github.com/runagent/runagent/sdk/go/runagent"
)

// completionWait bounds how long a shell waits for names to complete.
const completionWait = time.Second

// localAgent is an agent as the discovery database knows it. Its process may
// have died since.
type localAgent struct {
	ID        string `json:"agent_id"`
	Name      string `json:"name"`
	Dir       string `json:"dir"`
	URL       string `json:"url"`
	Framework string `json:"framework"`
	// Status is serving, stopped or, of one that should serve and doesn't
	// answer, unreachable.
	Status string `json:"status"`
}

// States of a local agent.
const (
	serving     = "serving"
	stopped     = "stopped"
	unreachable = "unreachable"
)

// is reports whether ref, an ID, a name, a slug or the path of a folder, means a.
func (a *localAgent) is(ref string) bool {
	return ref == a.ID || strings.EqualFold(ref, a.Name) || ref == agent.Slug(a.Name) || sameFolder(ref, a.Dir)
}

// client returns a client of the server that serves a.
func (a *localAgent) client(p *Program) (*runagent.Client, error) {
	return runagent.New(a.URL, runagent.Options{UserAgent: "runagent-cli/" + p.Version})
}

// explain adds to an error of a call to a what to do when nobody is there.
func (a *localAgent) explain(err error) error {
	var op *net.OpError
	if errors.As(err, &op) && op.Op == "dial" {
		return fmt.Errorf("agent %q does not answer at %s; start it with `runagent serve %s`", a.Name, a.URL, a.Dir)
	}
	return err
}

// findAgent returns the local agent that ref means. Without ref that is the
// agent of the working directory, else the only one being served.
func (p *Program) findAgent(ctx context.Context, ref string) (*localAgent, error) {
	agents, err := p.localAgents(ctx)
	if err != nil {
		return nil, err
	}
	if ref == "" {
		return defaultAgent(agents)
	}
	found := selectAgents(agents, func(a *localAgent) bool { return a.is(ref) })
	if live := selectAgents(found, (*localAgent).serves); len(live) > 0 {
		found = live
	}
	switch {
	case len(found) > 1:
		return nil, usagef("%q means %d agents: %s; name one by its ID", ref, len(found), listIDs(found))
	case len(found) == 1 && !found[0].serves():
		return nil, fmt.Errorf("agent %q is not being served; start it with `runagent serve %s`", found[0].Name, found[0].Dir)
	case len(found) == 1:
		return &found[0], nil
	case isAgentFolder(ref):
		return nil, fmt.Errorf("the agent in %s is not being served; start it with `runagent serve %s`", ref, ref)
	}
	return nil, fmt.Errorf("there is no local agent %q; `runagent list` shows those there are", ref)
}

func defaultAgent(agents []localAgent) (*localAgent, error) {
	live := selectAgents(agents, (*localAgent).serves)
	if here := selectAgents(live, func(a *localAgent) bool { return sameFolder(".", a.Dir) }); len(here) == 1 {
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
	return nil, usagef("%d agents are being served: name one of %s", len(live), listIDs(live))
}

func (a *localAgent) serves() bool { return a.Status == serving }

func selectAgents(agents []localAgent, want func(*localAgent) bool) []localAgent {
	var selected []localAgent
	for i := range agents {
		if want(&agents[i]) {
			selected = append(selected, agents[i])
		}
	}
	return selected
}

func listIDs(agents []localAgent) string {
	ids := make([]string, len(agents))
	for i, a := range agents {
		ids[i] = a.ID
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

// completeAgents offers the names of local agents to a shell.
func (p *Program) completeAgents(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), completionWait)
	defer cancel()
	agents, err := p.localAgents(ctx)
	if err != nil {
		return nil, cobra.ShellCompDirectiveDefault
	}
	names := make([]string, 0, len(agents))
	for _, a := range selectAgents(agents, (*localAgent).serves) {
		names = append(names, a.Name+"\t"+a.Dir)
	}
	return names, cobra.ShellCompDirectiveDefault
}

// localAgents returns the agents that the discovery database names.
func (p *Program) localAgents(ctx context.Context) ([]localAgent, error) {
	settings, err := p.settings()
	if err != nil {
		return nil, err
	}
	db, err := discovery.Open(filepath.Join(settings.DiscoveryDir, discovery.FileName))
	if err != nil {
		return nil, err
	}
	defer db.Close()
	rows, err := db.List(ctx)
	if err != nil {
		return nil, err
	}
	agents := make([]localAgent, len(rows))
	for i, row := range rows {
		agents[i] = newLocalAgent(row)
	}
	return agents, nil
}

func newLocalAgent(row discovery.Row) localAgent {
	a := localAgent{ID: row.AgentID, Name: row.Name, Dir: row.Path, Framework: row.Framework, Status: stopped}
	if a.Name == "" {
		a.Name = row.AgentID
	}
	host := row.Host
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		host = "localhost"
	}
	a.URL = "http://" + net.JoinHostPort(host, strconv.Itoa(row.Port))
	if row.Status == discovery.StatusServing {
		a.Status = serving
	}
	return a
}
