package runagent

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/runagent/runagent/api"
)

// InvocationQuery selects records; its zero value selects all.
type InvocationQuery struct {
	Agent      string // ID, slug or name
	Status     string // queued, running, succeeded, failed, canceled or timed_out
	Entrypoint string
	Session    string
	Since      time.Time
	// Cursor is the NextCursor of the page before.
	Cursor string
	// Limit is how many a page holds; 0 means 50.
	Limit int
}

// Invocations returns one page of records, newest first.
func (c *Client) Invocations(ctx context.Context, q InvocationQuery) (*api.InvocationList, error) {
	var list api.InvocationList
	err := c.fetch(ctx, request{method: http.MethodGet, path: []string{"v1", "invocations"}, query: q.values()}, &list)
	if err != nil {
		return nil, err
	}
	return &list, nil
}

// Invocation returns one record.
func (c *Client) Invocation(ctx context.Context, id string) (*api.Invocation, error) {
	var found api.Invocation
	err := c.fetch(ctx, request{method: http.MethodGet, path: []string{"v1", "invocations", id}}, &found)
	if err != nil {
		return nil, err
	}
	return &found, nil
}

// Cancel stops a running invocation. One that has ended is an Error with
// CodeConflict.
func (c *Client) Cancel(ctx context.Context, id string) (*api.CancelResponse, error) {
	var answer api.CancelResponse
	err := c.fetch(ctx, request{method: http.MethodPost, path: []string{"v1", "invocations", id, "cancel"}}, &answer)
	if err != nil {
		return nil, err
	}
	return &answer, nil
}

func (q InvocationQuery) values() url.Values {
	v := url.Values{}
	texts := map[string]string{
		"agent": q.Agent, "status": q.Status, "entrypoint": q.Entrypoint, "session": q.Session, "cursor": q.Cursor,
	}
	for name, text := range texts {
		if text != "" {
			v.Set(name, text)
		}
	}
	if !q.Since.IsZero() {
		v.Set("since", q.Since.UTC().Format(time.RFC3339Nano))
	}
	if q.Limit > 0 {
		v.Set("limit", strconv.Itoa(q.Limit))
	}
	return v
}
