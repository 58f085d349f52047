package compat

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"mime/multipart"
	"net/http"
	"strings"
	"time"

	"github.com/runagent/runagent/api"
	"github.com/runagent/runagent/internal/fault"
)

// Intake takes agents in from published clients, which announce them, upload
// them as zip archives and start them. An agent goes by the agent_id of its
// manifest.
type Intake interface {
	// Announce notes what will be uploaded. Errors: fault.Conflict when there is
	// such an agent and it must not be replaced.
	Announce(ctx context.Context, a api.CompatAnnouncement) error
	// TakeZip keeps the agent's folder, and returns how large the archive is.
	TakeZip(ctx context.Context, agentID string, archive io.Reader) (int64, error)
	// Launch brings what was uploaded last, or was stopped, into service and
	// waits until that has gone well or badly.
	Launch(ctx context.Context, agentID string) (*api.Revision, error)
	// Status says how an agent is.
	Status(ctx context.Context, agentID string) (api.CompatStatus, error)
}

// uploadStall is how long an upload may make no progress.
const uploadStall = 30 * time.Second

// maxFormField bounds a field of a form that is no file.
const maxFormField = 64 << 10

// Announce notes what will be uploaded.
func (p *Door) Announce(w http.ResponseWriter, r *http.Request) error {
	body, err := p.door.ReadBody(r)
	if err != nil {
		return err
	}
	var a api.CompatAnnouncement
	if err := json.Unmarshal(body, &a); err != nil {
		return fault.New(fault.Validation, "the body is not what is asked for: %w", err)
	}
	if a.AgentID == "" {
		return fault.New(fault.Validation, "agent_id is missing").WithField("agent_id")
	}
	if err := p.intake.Announce(r.Context(), a); err != nil {
		return err
	}
	tags := []string{}
	for _, e := range a.Config.Architecture.Entrypoints {
		tags = append(tags, e.Tag)
	}
	return p.answer(w, r, "Agent metadata uploaded", api.CompatAnnounced{AgentID: a.AgentID, Created: len(tags), IDs: tags})
}

// Upload takes the archive of an agent's folder.
func (p *Door) Upload(w http.ResponseWriter, r *http.Request) error {
	r.Body = &steady{r.Body, http.NewResponseController(w)}
	form, err := r.MultipartReader()
	if err != nil {
		return fault.New(fault.UnsupportedMedia, "an upload is multipart/form-data with a file: %w", err)
	}
	agentID := ""
	for {
		part, err := form.NextPart()
		if errors.Is(err, io.EOF) {
			return fault.New(fault.Validation, "the form holds no file").WithField("file")
		}
		if err != nil {
			return fault.New(fault.Validation, "the form can't be read: %w", err)
		}
		switch part.FormName() {
		case "agent_id":
			text, err := io.ReadAll(io.LimitReader(part, maxFormField))
			if err != nil {
				return fault.New(fault.Validation, "the form can't be read: %w", err)
			}
			agentID = string(text)
		case "file":
			return p.takeFile(w, r, agentID, part)
		}
	}
}

// takeFile takes the file of the form, which comes after the agent's ID.
func (p *Door) takeFile(w http.ResponseWriter, r *http.Request, agentID string, part *multipart.Part) error {
	if agentID == "" {
		return fault.New(fault.Validation, "the form names no agent_id before the file").WithField("agent_id")
	}
	size, err := p.intake.TakeZip(r.Context(), agentID, part)
	if err != nil {
		w.Header().Set("Connection", "close") // what is left of the body is not worth reading
		return err
	}
	return p.answer(w, r, "Agent uploaded", api.CompatUploaded{AgentID: agentID, Status: "uploaded", Size: size, Name: part.FileName()})
}

// Start brings an uploaded agent into service, and answers when it serves.
func (p *Door) Start(w http.ResponseWriter, r *http.Request) error {
	if _, err := p.door.ReadBody(r); err != nil { // it asks for nothing that we have
		return err
	}
	rev, err := p.intake.Launch(r.Context(), r.PathValue("agent"))
	if err != nil {
		return err
	}
	if rev.State != "ready" {
		text := rev.Error
		if rev.Traceback != "" {
			text += "\n" + rev.Traceback
		}
		p.failRun(w, fault.New(fault.AgentUnavailable, "the agent did not come into service: %s", text))
		return nil
	}
	return p.answer(w, r, "Agent started", api.CompatStarted{
		AgentID: rev.AgentID, Status: "deployed", Endpoint: "/agents/" + rev.AgentID, Revision: rev.Number,
	})
}

// Status says how an agent is.
func (p *Door) Status(w http.ResponseWriter, r *http.Request) error {
	s, err := p.intake.Status(r.Context(), r.PathValue("agent"))
	if err != nil {
		return err
	}
	return p.answer(w, r, "Agent status retrieved", s)
}

// AgentLimits says that there is none. Published clients look for it outside
// of the envelope.
func (p *Door) AgentLimits(w http.ResponseWriter, r *http.Request) error {
	none := api.CompatLimits{MaxAgents: -1}
	data, err := json.Marshal(none)
	if err != nil {
		return err
	}
	message := "No limit"
	return p.door.AnswerJSON(w, r, struct {
		api.CompatEnvelope
		api.CompatLimits
	}{api.CompatEnvelope{Success: true, Data: data, Message: &message, Timestamp: time.Now().UTC(), RequestID: envelopeID(w)}, none})
}

// Validate says whether a key may call, whose it is and what for. Who asks has
// shown the key: only one that is good gets here.
func (p *Door) Validate(w http.ResponseWriter, r *http.Request) error {
	v := api.CompatToken{Valid: true, Email: "operator@localhost", User: "operator", Tier: "self-hosted", Project: "default", ProjectName: "default"}
	_, shown, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if asked := r.URL.Query().Get("token"); shown != "" && asked != "" && asked != shown {
		v = api.CompatToken{Reason: "the key in the query is another one than that of the Authorization header"}
	}
	return p.answer(w, r, "Token validated", v)
}

// answer writes data in the envelope.
func (p *Door) answer(w http.ResponseWriter, r *http.Request, message string, data any) error {
	text, err := json.Marshal(data)
	if err != nil {
		return err
	}
	return p.door.AnswerJSON(w, r, api.CompatEnvelope{
		Success: true, Data: text, Message: &message, Timestamp: time.Now().UTC(), RequestID: envelopeID(w),
	})
}

// steady is a body that may take long, but must not stand still.
type steady struct {
	io.ReadCloser
	control *http.ResponseController
}

// Read implements io.Reader.
func (s *steady) Read(b []byte) (int, error) {
	_ = s.control.SetReadDeadline(time.Now().Add(uploadStall)) // a test's recorder has none
	return s.ReadCloser.Read(b)
}
