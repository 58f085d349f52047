package server

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/runagent/runagent/api"
	"github.com/runagent/runagent/internal/fault"
)

// fakeIntake notes what it was asked for.
type fakeIntake struct {
	said []string
	err  error
	rev  api.Revision
}

func (f *fakeIntake) Announce(_ context.Context, a api.CompatAnnouncement) error {
	f.said = append(f.said, "announce "+a.AgentID+" "+a.Metadata.EnvVars["A"])
	return f.err
}

func (f *fakeIntake) TakeZip(_ context.Context, agentID string, archive io.Reader) (int64, error) {
	text, err := io.ReadAll(archive)
	f.said = append(f.said, "take "+agentID+" "+string(text))
	if err == nil {
		err = f.err
	}
	return int64(len(text)), err
}

func (f *fakeIntake) Launch(_ context.Context, agentID string) (*api.Revision, error) {
	f.said = append(f.said, "launch "+agentID)
	return &f.rev, f.err
}

func (f *fakeIntake) Status(_ context.Context, agentID string) (api.CompatStatus, error) {
	return api.CompatStatus{AgentID: agentID, Status: "asleep"}, f.err
}

// form is the body of an upload, as published clients send it.
const form = "--b\r\nContent-Disposition: form-data; name=\"agent_id\"\r\n\r\nid-1\r\n" +
	"--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"agent_id.zip\"\r\nContent-Type: application/zip\r\n\r\nzipped\r\n--b--\r\n"

func TestPublishedClientsDeploy(t *testing.T) {
	t.Parallel()
	f := &fakeIntake{rev: api.Revision{AgentID: "id-1", State: "ready", Number: 3}}
	fx := newFixture(t, func(o *Options) { o.Intake = f })
	const multipart = "multipart/form-data; boundary=b"
	announcement := `{"agent_id":"id-1","agent_metadata":{"file_structure":["main.py"],"env_vars":{"A":"1"}},"project_id":"p",
		"config":{"agent_architecture":{"entrypoints":[{"tag":"main"},{"tag":"other"}]}},"overwrite":false}`
	for _, tt := range []struct {
		method, path, kind, body string
		status                   int
		said, data               string
	}{
		{"POST", "/api/v1/agents/metadata-upload", "application/json", announcement, 200, "announce id-1 1",
			`{"agent_id":"id-1","entrypoints_created":2,"entrypoint_ids":["main","other"]}`},
		{"POST", "/api/v1/agents/metadata-upload", "application/json", `{}`, 400, "", ""},
		{"POST", "/api/v1/agents/metadata-upload", "application/json", `[]`, 400, "", ""},
		{"POST", "/api/v1/agents/upload", multipart, form, 200, "take id-1 zipped",
			`{"agent_id":"id-1","status":"uploaded","file_size":6,"file_name":"agent_id.zip"}`},
		{"POST", "/api/v1/agents/upload", "application/json", form, 415, "", ""},
		{"POST", "/api/v1/agents/upload", multipart, "--b--\r\n", 400, "", ""},
		{"POST", "/api/v1/agents/upload", multipart, form[strings.Index(form, "--b\r\nContent-Disposition: form-data; name=\"file\""):], 400, "", ""},
		{"POST", "/api/v1/agents/id-1/start", "application/json", `{}`, 200, "launch id-1",
			`{"agent_id":"id-1","status":"deployed","endpoint":"/agents/id-1","revision":3}`},
		{"GET", "/api/v1/agents/id-1/status", "", "", 200, "", `{"agent_id":"id-1","status":"asleep"}`},
		{"GET", "/api/v1/limits/agents", "", "", 200, "", `{"max_agents":-1}`},
		{"POST", "/api/v1/tokens/validate?token=x", "application/json", `{}`, 200, "", ""},
	} {
		f.said = nil
		got := fx.do(tt.method, tt.path, tt.body, "Content-Type", tt.kind)
		var envelope struct {
			Success bool            `json:"success"`
			Data    json.RawMessage `json:"data"`
			Detail  string          `json:"detail"`
			Max     int             `json:"max_agents"`
		}
		if err := json.Unmarshal(got.body, &envelope); err != nil {
			t.Fatalf("%s: %v: %s", tt.path, err, got.body)
		}
		if got.StatusCode != tt.status || strings.Join(f.said, "; ") != tt.said || envelope.Success != (tt.status == 200) ||
			tt.data != "" && string(envelope.Data) != tt.data || (envelope.Detail != "") != (tt.status != 200) {
			t.Errorf("%s %s %.40q: %d, said %q, %s", tt.method, tt.path, tt.body, got.StatusCode, f.said, got.body)
		}
		if tt.path == "/api/v1/limits/agents" && envelope.Max != -1 { // where published clients look
			t.Errorf("limits: %s", got.body)
		}
	}
}

func TestPublishedClientsAreToldWhatFails(t *testing.T) {
	t.Parallel()
	f := &fakeIntake{rev: api.Revision{AgentID: "id-1", State: "failed", Error: "start: main.py:2: NameError", Traceback: "Traceback"}}
	fx := newFixture(t, func(o *Options) { o.Intake = f })
	got := fx.do("POST", "/api/v1/agents/id-1/start", "{}")
	if got.StatusCode != http.StatusOK || !strings.Contains(string(got.body), `"success":false`) || !strings.Contains(string(got.body), `main.py:2: NameError\nTraceback`) {
		t.Errorf("%d %s", got.StatusCode, got.body)
	}
	f.err = fault.New(fault.Conflict, "the agent already exists")
	got = fx.do("POST", "/api/v1/agents/metadata-upload", `{"agent_id":"id-1"}`)
	if got.StatusCode != http.StatusConflict || !strings.Contains(string(got.body), `"detail":"the agent already exists"`) {
		t.Errorf("%d %s", got.StatusCode, got.body)
	}
	got = fx.do("POST", "/api/v1/tokens/validate?token=other", "{}", "Authorization", "Bearer one")
	if !strings.Contains(string(got.body), `"valid":false`) {
		t.Errorf("another key than the one shown: %s", got.body)
	}
	if got := newFixture(t, nil).do("POST", "/api/v1/agents/upload", "{}"); got.StatusCode != http.StatusNotFound {
		t.Errorf("serve takes uploads: %d", got.StatusCode)
	}
}
