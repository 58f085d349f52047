package control

import (
	"context"
	"net/http"

	"github.com/runagent/runagent/api"
)

// Scaling says how many instances agents have.
type Scaling interface {
	Scale(ctx context.Context, agent string) (api.Scale, error)
	// SetScale keeps what is asked for, across restarts and deploys.
	SetScale(ctx context.Context, agent string, req api.ScaleRequest) (api.Scale, error)
}

// Scale tells how an agent is scaled.
func (d *Door) Scale(w http.ResponseWriter, r *http.Request) error {
	scale, err := d.platform.Scale(r.Context(), r.PathValue("agent"))
	if err != nil {
		return err
	}
	return d.door.AnswerJSON(w, r, scale)
}

// SetScale changes how an agent is scaled.
func (d *Door) SetScale(w http.ResponseWriter, r *http.Request) error {
	var req api.ScaleRequest
	if err := d.decode(r, &req); err != nil {
		return err
	}
	scale, err := d.platform.SetScale(r.Context(), r.PathValue("agent"), req)
	if err != nil {
		return err
	}
	return d.door.AnswerJSON(w, r, scale)
}
