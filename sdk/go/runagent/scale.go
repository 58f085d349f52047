package runagent

import (
	"context"
	"net/http"

	"github.com/runagent/runagent/api"
)

// Scale tells how an agent is scaled, and what its revisions have now.
func (c *Client) Scale(ctx context.Context, agent string) (*api.Scale, error) {
	return one[api.Scale](ctx, c, request{method: http.MethodGet, path: []string{"v1", "agents", agent, "scale"}})
}

// SetScale changes how an agent is scaled; it stays so across deploys and
// restarts of the platform.
func (c *Client) SetScale(ctx context.Context, agent string, req api.ScaleRequest) (*api.Scale, error) {
	return one[api.Scale](ctx, c, request{method: http.MethodPatch, path: []string{"v1", "agents", agent, "scale"}, body: req})
}
