package runagent

import (
	"context"
	"net/http"
	"net/url"

	"github.com/runagent/runagent/api"
)

// SetSecret keeps a secret of an agent on the platform, or with "" of all
// agents, which see it as a variable from their next start on. Nothing gives
// its value back.
func (c *Client) SetSecret(ctx context.Context, agent, name, value string) error {
	return c.do(ctx, request{method: http.MethodPut, path: []string{"v1", "secrets", name}, query: ofAgent(agent), body: api.SecretValue{Value: value}})
}

// Secrets returns what there is to tell of the platform's secrets: their names.
func (c *Client) Secrets(ctx context.Context) ([]api.Secret, error) {
	var list api.SecretList
	err := c.fetch(ctx, request{method: http.MethodGet, path: []string{"v1", "secrets"}}, &list)
	return list.Secrets, err
}

// DeleteSecret forgets a secret of an agent, or with "" of all agents.
func (c *Client) DeleteSecret(ctx context.Context, agent, name string) error {
	return c.do(ctx, request{method: http.MethodDelete, path: []string{"v1", "secrets", name}, query: ofAgent(agent)})
}

func ofAgent(agent string) url.Values {
	if agent == "" {
		return nil
	}
	return url.Values{"agent": {agent}}
}
