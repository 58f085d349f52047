// Package control is the door of those who deploy: bundles come in, revisions
// are brought into service, rolled back and followed, agents stopped, started
// and deleted. serve has no such door.
package control

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"

	"github.com/runagent/runagent/api"
	"github.com/runagent/runagent/internal/fault"
	"github.com/runagent/runagent/internal/server/door"
)

// Platform is who does what this door is asked for.
type Platform interface {
	Bundles
	Deploys
	Lifecycle
	Scaling
	Traffic
	Secrets
	Node
}

// Bundles keeps bundles by their digests.
type Bundles interface {
	// Bundle tells of a bundle that is there. Errors: fault.NotFound.
	Bundle(ctx context.Context, digest string) (api.Bundle, error)
	// StoreBundle keeps the bundle whose bytes from the given one on are read
	// from body.
	StoreBundle(ctx context.Context, digest string, from int64, body io.Reader) (api.Bundle, error)
	// Uploaded is how much there is of a bundle whose upload broke off.
	Uploaded(ctx context.Context, digest string) (api.Upload, error)
	Limits() api.Limits
}

// Deploys brings revisions into service. An agent is named by its ID, slug or
// name, a revision by its number or ID.
type Deploys interface {
	// Deploy records a new revision and begins to bring it into service.
	Deploy(ctx context.Context, agent string, req api.DeployRequest) (api.Revision, error)
	// Rollback begins to bring a revision that served before into service.
	Rollback(ctx context.Context, agent string, req api.RollbackRequest) (api.Revision, error)
	Revisions(ctx context.Context, agent string) ([]api.Revision, error)
	Revision(ctx context.Context, agent, revision string) (api.Revision, error)
	// FollowDeploy hands over what a deploy has told and tells, to its end.
	FollowDeploy(ctx context.Context, agent, revision string, emit func(api.DeployEvent) error) error
}

// Lifecycle takes agents out of service and back.
type Lifecycle interface {
	StopAgent(ctx context.Context, agent string) error
	// StartAgent begins to bring a stopped agent back, and returns the revision.
	StartAgent(ctx context.Context, agent string) (api.Revision, error)
	DeleteAgent(ctx context.Context, agent string) error
}

// Door answers the requests of those who deploy. It is safe for concurrent use.
type Door struct {
	door     *door.Door
	platform Platform
}

// New returns the door to p.
func New(d *door.Door, p Platform) *Door { return &Door{door: d, platform: p} }

// Bundle tells whether a bundle is there.
func (d *Door) Bundle(w http.ResponseWriter, r *http.Request) error {
	b, err := d.platform.Bundle(r.Context(), r.PathValue("digest"))
	if err != nil {
		return err
	}
	return d.door.AnswerJSON(w, r, b)
}

// Deploy begins to bring a new revision into service.
func (d *Door) Deploy(w http.ResponseWriter, r *http.Request) error {
	var req api.DeployRequest
	if err := d.decode(r, &req); err != nil {
		return err
	}
	rev, err := d.platform.Deploy(r.Context(), r.PathValue("agent"), req)
	return accepted(w, &rev, err)
}

// Rollback begins to bring an earlier revision into service.
func (d *Door) Rollback(w http.ResponseWriter, r *http.Request) error {
	var req api.RollbackRequest
	if err := d.decode(r, &req); err != nil {
		return err
	}
	rev, err := d.platform.Rollback(r.Context(), r.PathValue("agent"), req)
	return accepted(w, &rev, err)
}

// Start begins to bring a stopped agent back.
func (d *Door) Start(w http.ResponseWriter, r *http.Request) error {
	rev, err := d.platform.StartAgent(r.Context(), r.PathValue("agent"))
	return accepted(w, &rev, err)
}

// accepted answers that a revision is on its way, and where to follow it.
func accepted(w http.ResponseWriter, rev *api.Revision, err error) error {
	if err != nil {
		return err
	}
	w.Header().Set("Location", "/v1/agents/"+rev.AgentID+"/revisions/"+rev.ID)
	door.WriteJSON(w, http.StatusAccepted, rev)
	return nil
}

// Stop takes an agent out of service.
func (d *Door) Stop(w http.ResponseWriter, r *http.Request) error {
	return done(w, d.platform.StopAgent(r.Context(), r.PathValue("agent")))
}

// Delete forgets an agent.
func (d *Door) Delete(w http.ResponseWriter, r *http.Request) error {
	return done(w, d.platform.DeleteAgent(r.Context(), r.PathValue("agent")))
}

func done(w http.ResponseWriter, err error) error {
	if err == nil {
		w.WriteHeader(http.StatusNoContent)
	}
	return err
}

// Revisions lists an agent's revisions, newest first.
func (d *Door) Revisions(w http.ResponseWriter, r *http.Request) error {
	revs, err := d.platform.Revisions(r.Context(), r.PathValue("agent"))
	if err != nil {
		return err
	}
	return d.door.AnswerJSON(w, r, api.RevisionList{Revisions: append([]api.Revision{}, revs...)})
}

// Revision tells of one revision.
func (d *Door) Revision(w http.ResponseWriter, r *http.Request) error {
	rev, err := d.platform.Revision(r.Context(), r.PathValue("agent"), r.PathValue("revision"))
	if err != nil {
		return err
	}
	return d.door.AnswerJSON(w, r, rev)
}

// Follow sends what a deploy tells, as events, to its end.
func (d *Door) Follow(w http.ResponseWriter, r *http.Request) error {
	agent, revision := r.PathValue("agent"), r.PathValue("revision")
	if _, err := d.platform.Revision(r.Context(), agent, revision); err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(r.Context())
	defer cancel(nil)
	defer context.AfterFunc(d.door.Draining, func() { cancel(door.ErrStopping) })()
	events := d.door.OpenEvents(w)
	defer events.Close()
	events.Begin()
	err := d.platform.FollowDeploy(ctx, agent, revision, func(e api.DeployEvent) error {
		text, err := json.Marshal(e)
		if err != nil {
			return err
		}
		return events.Send("deploy", 0, func(dst []byte) []byte { return append(dst, text...) })
	})
	if err != nil && r.Context().Err() == nil {
		if errors.Is(err, door.ErrStopping) {
			err = fault.New(fault.AgentUnavailable, "the platform is stopping")
		}
		f := d.door.Public(ctx, door.RequestID(w), err)
		if text, err := json.Marshal(door.WireError(f, door.RequestID(w), "")); err == nil {
			_ = events.Send("error", 0, func(dst []byte) []byte { return append(dst, text...) })
		}
	}
	return nil
}

// decode reads a small JSON body; none is an empty object. Unknown fields are
// errors.
func (d *Door) decode(r *http.Request, into any) error {
	if r.ContentLength == 0 {
		return nil
	}
	body, err := d.door.ReadBody(r)
	if err != nil {
		return err
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil {
		return fault.New(fault.Validation, "the body is not what is asked for: %w", err)
	}
	if dec.More() {
		return fault.New(fault.Validation, "something follows the body's JSON")
	}
	return nil
}
