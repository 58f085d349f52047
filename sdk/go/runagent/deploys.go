package runagent

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"net/http"

	"github.com/runagent/runagent/api"
)

// Bundle tells of a bundle that the platform has. One that it has not is an
// Error with CodeNotFound.
func (c *Client) Bundle(ctx context.Context, digest string) (*api.Bundle, error) {
	return one[api.Bundle](ctx, c, request{method: http.MethodGet, path: []string{"v1", "bundles", digest}})
}

// Deploy asks for a new revision of an agent, from a bundle that was uploaded.
// The revision that it returns is on its way: see FollowDeploy.
func (c *Client) Deploy(ctx context.Context, agent string, req api.DeployRequest) (*api.Revision, error) {
	return one[api.Revision](ctx, c, request{method: http.MethodPost, path: []string{"v1", "agents", agent, "revisions"}, body: req})
}

// Rollback asks for a revision of an agent that served before; "" is the one
// before the one that serves. It is on its way then: see FollowDeploy.
func (c *Client) Rollback(ctx context.Context, agent, revision string) (*api.Revision, error) {
	return one[api.Revision](ctx, c, request{
		method: http.MethodPost, path: []string{"v1", "agents", agent, "rollback"}, body: api.RollbackRequest{Revision: revision},
	})
}

// Revisions returns an agent's revisions, newest first.
func (c *Client) Revisions(ctx context.Context, agent string) ([]api.Revision, error) {
	var list api.RevisionList
	err := c.fetch(ctx, request{method: http.MethodGet, path: []string{"v1", "agents", agent, "revisions"}}, &list)
	return list.Revisions, err
}

// Revision returns one revision of an agent by its number or ID.
func (c *Client) Revision(ctx context.Context, agent, revision string) (*api.Revision, error) {
	return one[api.Revision](ctx, c, request{method: http.MethodGet, path: []string{"v1", "agents", agent, "revisions", revision}})
}

// FollowDeploy iterates over what the deploy of a revision has told and tells.
// The last event holds the revision as it ended; a failure to follow is the
// last pair.
func (c *Client) FollowDeploy(ctx context.Context, agent, revision string) iter.Seq2[api.DeployEvent, error] {
	r := request{method: http.MethodGet, path: []string{"v1", "agents", agent, "revisions", revision, "events"}}
	return func(yield func(api.DeployEvent, error) bool) {
		for msg, err := range c.events(ctx, r) {
			var event api.DeployEvent
			switch {
			case err != nil:
			case msg.event == "error":
				err = decodeErrorEvent(msg.data)
			default:
				if err = json.Unmarshal(msg.data, &event); err != nil {
					err = fmt.Errorf("decode event: %w", err)
				}
			}
			if !yield(event, err) || err != nil {
				return
			}
		}
	}
}

// StopAgent takes an agent out of service; its calls in flight end.
func (c *Client) StopAgent(ctx context.Context, agent string) error {
	return c.do(ctx, request{method: http.MethodPost, path: []string{"v1", "agents", agent, "stop"}})
}

// StartAgent brings a stopped agent back, and returns the revision that is on
// its way: see FollowDeploy.
func (c *Client) StartAgent(ctx context.Context, agent string) (*api.Revision, error) {
	return one[api.Revision](ctx, c, request{method: http.MethodPost, path: []string{"v1", "agents", agent, "start"}})
}

// DeleteAgent takes an agent out of service and forgets it, with all its
// revisions and data.
func (c *Client) DeleteAgent(ctx context.Context, agent string) error {
	return c.do(ctx, request{method: http.MethodDelete, path: []string{"v1", "agents", agent}})
}

// one does the request and returns its answer.
func one[T any](ctx context.Context, c *Client, r request) (*T, error) {
	var answer T
	if err := c.fetch(ctx, r, &answer); err != nil {
		return nil, err
	}
	return &answer, nil
}
