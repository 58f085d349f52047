package control

import (
	"context"
	"net/http"

	"github.com/runagent/runagent/api"
)

// Traffic says which revisions get an agent's calls.
type Traffic interface {
	Traffic(ctx context.Context, agent string) (api.Traffic, error)
	// SetTraffic returns when the calls go where they are to.
	SetTraffic(ctx context.Context, agent string, req api.TrafficRequest) (api.Traffic, error)
}

// Traffic tells which revisions get an agent's calls.
func (d *Door) Traffic(w http.ResponseWriter, r *http.Request) error {
	traffic, err := d.platform.Traffic(r.Context(), r.PathValue("agent"))
	if err != nil {
		return err
	}
	return d.door.AnswerJSON(w, r, traffic)
}

// SetTraffic changes which revisions get an agent's calls.
func (d *Door) SetTraffic(w http.ResponseWriter, r *http.Request) error {
	var req api.TrafficRequest
	if err := d.decode(r, &req); err != nil {
		return err
	}
	traffic, err := d.platform.SetTraffic(r.Context(), r.PathValue("agent"), req)
	if err != nil {
		return err
	}
	return d.door.AnswerJSON(w, r, traffic)
}
