package app

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"path/filepath"
	"strconv"
	"time"

	"github.com/runagent/runagent/internal/deploy"
	"github.com/runagent/runagent/internal/discovery"
)

const (
	// countEvery is how often the numbers of calls are told there.
	countEvery = 10 * time.Second
	// aliveWithin is how soon a server that lives answers on loopback.
	aliveWithin = 500 * time.Millisecond
)

// openDiscovery opens the discovery database. Without it agents serve as
// well: clients then need host and port.
func (s *service) openDiscovery() {
	db, err := discovery.Open(filepath.Join(s.o.DiscoveryDir, discovery.FileName))
	if err != nil {
		s.o.Console.OnWarning("clients can't find this agent by name, only by host and port: " + err.Error())
		return
	}
	s.discovery = db
	s.own(func(context.Context) { _ = db.Close() })
	// Servers that were killed left rows behind.
	s.background("sweep of discovery", func(ctx context.Context) error { return db.Sweep(ctx, alive) })
}

// alive reports whether a server of ours answers for the agent.
func alive(host string, port int, agentID string) bool {
	client := http.Client{Timeout: aliveWithin}
	resp, err := client.Get("http://" + net.JoinHostPort(host, strconv.Itoa(port)) + "/api/v1/health")
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	var envelope struct {
		AgentID string `json:"agent_id"`
		Data    struct {
			AgentID string `json:"agent_id"`
		} `json:"data"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&envelope); err != nil {
		return false
	}
	return envelope.AgentID == agentID || envelope.Data.AgentID == agentID
}

// announce tells clients on this machine where the agent is.
func (s *service) announce(ctx context.Context, rev *deploy.Revision) {
	if s.discovery == nil {
		return
	}
	addr, ok := s.listener.Addr().(*net.TCPAddr)
	if !ok {
		return
	}
	host, _ := s.address()
	a := rev.Agent
	first := s.announced == ""
	err := s.discovery.Announce(ctx, discovery.Row{
		AgentID: a.ID, Path: a.Dir, Host: host, Port: addr.Port, Framework: a.Manifest.Framework,
		Name: a.Name, Description: a.Manifest.Description, Template: a.Manifest.Template, Version: a.Manifest.Version,
	})
	if err != nil {
		s.o.Console.OnWarning("clients can't find this agent by name, only by host and port: " + err.Error())
		return
	}
	if s.announced != "" && s.announced != a.ID {
		s.withdraw(ctx)
	}
	s.announced = a.ID
	if !first {
		return
	}
	s.own(func(context.Context) { s.withdraw(context.Background()) })
	s.background("counts of discovery", s.count)
}

func (s *service) withdraw(ctx context.Context) {
	if err := s.discovery.Stopped(ctx, s.announced); err != nil {
		s.o.Log.Warn("agent not taken back from discovery", "error", err)
	}
}

// count tells the numbers of calls now and then, and at the end.
func (s *service) count(ctx context.Context) error {
	tick := time.NewTicker(countEvery)
	defer tick.Stop()
	var good, bad int64
	for more := true; more; {
		select {
		case <-tick.C:
		case <-ctx.Done():
			more = false
		}
		g, b := s.executor.Counts()
		if g == good && b == bad {
			continue
		}
		rev := s.deployer.Current()
		if rev == nil {
			continue
		}
		if err := s.discovery.Count(context.WithoutCancel(ctx), rev.Agent.ID, g-good, b-bad); err != nil {
			s.o.Log.Warn("calls not counted in discovery", "error", err)
			continue
		}
		good, bad = g, b
	}
	return nil
}
