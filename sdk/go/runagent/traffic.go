package runagent

import (
	"context"
	"net/http"

	"github.com/runagent/runagent/api"
)

// Traffic tells which revisions get an agent's calls.
func (c *Client) Traffic(ctx context.Context, agent string) (*api.Traffic, error) {
	return one[api.Traffic](ctx, c, request{method: http.MethodGet, path: []string{"v1", "agents", agent, "traffic"}})
}

// SetTraffic sends an agent's calls to the given revisions, and returns when they
// go there. The percents add up to 100.
func (c *Client) SetTraffic(ctx context.Context, agent string, shares ...api.TrafficWish) (*api.Traffic, error) {
	return one[api.Traffic](ctx, c, request{
		method: http.MethodPut, path: []string{"v1", "agents", agent, "traffic"}, body: api.TrafficRequest{Traffic: shares},
	})
}
