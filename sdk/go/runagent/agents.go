package runagent

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/runagent/runagent/api"
)

// Agents returns the agents that the server serves.
func (c *Client) Agents(ctx context.Context) ([]api.Agent, error) {
	var list api.AgentList
	err := c.fetch(ctx, request{method: http.MethodGet, path: []string{"v1", "agents"}}, &list)
	return list.Agents, err
}

// Agent returns one agent by its ID, slug or name.
func (c *Client) Agent(ctx context.Context, agent string) (*api.Agent, error) {
	var found api.Agent
	err := c.fetch(ctx, request{method: http.MethodGet, path: []string{"v1", "agents", agent}}, &found)
	if err != nil {
		return nil, err
	}
	return &found, nil
}

// AgentHealth returns how one agent is.
func (c *Client) AgentHealth(ctx context.Context, agent string) (*api.Health, error) {
	return c.health(ctx, "v1", "agents", agent, "health")
}

// LogQuery selects lines of an agent's log.
type LogQuery struct {
	// Follow goes on with new lines as they come, until the loop is left.
	Follow bool
	// Limit is how many of the latest lines to begin with; 0 is the server's choice.
	Limit int
	// InvocationID selects the lines of one invocation, Revision those of one
	// revision: its ID, or on a platform its number.
	InvocationID, Revision string
	// Since leaves out what was printed before.
	Since time.Time
}

// Logs iterates over an agent's log lines, oldest first. A failure is the last
// pair.
func (c *Client) Logs(ctx context.Context, agent string, q LogQuery) iter.Seq2[api.LogLine, error] {
	r := request{method: http.MethodGet, path: []string{"v1", "agents", agent, "logs"}, query: q.values()}
	if q.Follow {
		return c.followLogs(ctx, r)
	}
	return func(yield func(api.LogLine, error) bool) {
		var list api.LogList
		if err := c.fetch(ctx, r, &list); err != nil {
			yield(api.LogLine{}, err)
			return
		}
		for _, line := range list.Logs {
			if !yield(line, nil) {
				return
			}
		}
	}
}

func (c *Client) followLogs(ctx context.Context, r request) iter.Seq2[api.LogLine, error] {
	return func(yield func(api.LogLine, error) bool) {
		for msg, err := range c.events(ctx, r) {
			var line api.LogLine
			switch {
			case err != nil:
			case msg.event == "error":
				err = decodeErrorEvent(msg.data)
			default:
				if err = json.Unmarshal(msg.data, &line); err != nil {
					err = fmt.Errorf("decode log line: %w", err)
				}
			}
			if !yield(line, err) || err != nil {
				return
			}
		}
	}
}

func (q LogQuery) values() url.Values {
	v := url.Values{}
	if q.Follow {
		v.Set("follow", "true")
	}
	if q.Limit > 0 {
		v.Set("limit", strconv.Itoa(q.Limit))
	}
	if q.InvocationID != "" {
		v.Set("invocation", q.InvocationID)
	}
	if q.Revision != "" {
		v.Set("revision", q.Revision)
	}
	if !q.Since.IsZero() {
		v.Set("since", q.Since.UTC().Format(time.RFC3339Nano))
	}
	return v
}
