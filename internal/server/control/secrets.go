package control

import (
	"context"
	"net/http"

	"github.com/runagent/runagent/api"
	"github.com/runagent/runagent/internal/server/door"
)

// Secrets keeps what agents must know and nobody else may read. An agent of ""
// means all agents.
type Secrets interface {
	SetSecret(ctx context.Context, agent, name, value string) error
	Secrets(ctx context.Context) ([]api.Secret, error)
	DeleteSecret(ctx context.Context, agent, name string) error
}

// SetSecret keeps a secret, instead of the one of this name before.
func (d *Door) SetSecret(w http.ResponseWriter, r *http.Request) error {
	agent, err := ofAgent(r)
	if err != nil {
		return err
	}
	var body api.SecretValue
	if err := d.decode(r, &body); err != nil {
		return err
	}
	return done(w, d.platform.SetSecret(r.Context(), agent, r.PathValue("name"), body.Value))
}

// Secrets lists the names of all secrets.
func (d *Door) Secrets(w http.ResponseWriter, r *http.Request) error {
	list, err := d.platform.Secrets(r.Context())
	if err != nil {
		return err
	}
	return d.door.AnswerJSON(w, r, api.SecretList{Secrets: append([]api.Secret{}, list...)})
}

// DeleteSecret forgets a secret.
func (d *Door) DeleteSecret(w http.ResponseWriter, r *http.Request) error {
	agent, err := ofAgent(r)
	if err != nil {
		return err
	}
	return done(w, d.platform.DeleteSecret(r.Context(), agent, r.PathValue("name")))
}

// ofAgent is the agent that the query names, or "".
func ofAgent(r *http.Request) (string, error) {
	q := door.ReadQuery(r, "agent")
	return q.Text("agent"), q.Err
}
