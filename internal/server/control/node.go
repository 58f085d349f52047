package control

import (
	"context"
	"net/http"

	"github.com/runagent/runagent/api"
)

// Node is the machine that a platform runs on.
type Node interface {
	PlatformStatus(ctx context.Context) (api.PlatformStatus, error)
}

// Status tells how the platform is.
func (d *Door) Status(w http.ResponseWriter, r *http.Request) error {
	s, err := d.platform.PlatformStatus(r.Context())
	if err != nil {
		return err
	}
	return d.door.AnswerJSON(w, r, s)
}
