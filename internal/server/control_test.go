package server

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/runagent/runagent/api"
	"github.com/runagent/runagent/internal/fault"
)

// fakePlatform notes what it was asked for, and answers with a revision.
type fakePlatform struct {
	said   []string
	err    error
	events []api.DeployEvent
}

func (p *fakePlatform) note(parts ...string) (api.Revision, error) {
	p.said = append(p.said, strings.Join(parts, " "))
	return api.Revision{ID: "r-1", Number: 1, Agent: "echo", AgentID: agentID, State: "pending"}, p.err
}

func (p *fakePlatform) Bundle(_ context.Context, digest string) (api.Bundle, error) {
	_, err := p.note("bundle", digest)
	return api.Bundle{Digest: digest}, err
}

func (p *fakePlatform) Uploaded(_ context.Context, digest string) (api.Upload, error) {
	_, err := p.note("uploaded", digest)
	return api.Upload{Bytes: 3}, err
}

func (p *fakePlatform) Limits() api.Limits { return api.Limits{Bundle: api.BundleLimits{Packed: 7}} }

func (p *fakePlatform) StoreBundle(_ context.Context, digest string, from int64, body io.Reader) (api.Bundle, error) {
	text, err := io.ReadAll(body)
	if err != nil {
		return api.Bundle{}, err
	}
	parts := []string{"store", digest, string(text)}
	if from > 0 {
		parts = append(parts, "from", strconv.FormatInt(from, 10))
	}
	_, err = p.note(parts...)
	return api.Bundle{Digest: digest}, err
}

func (p *fakePlatform) Deploy(_ context.Context, agent string, req api.DeployRequest) (api.Revision, error) {
	return p.note("deploy", agent, req.Digest, req.Env["A"])
}

func (p *fakePlatform) Rollback(_ context.Context, agent string, req api.RollbackRequest) (api.Revision, error) {
	return p.note("rollback", agent, req.Revision)
}

func (p *fakePlatform) Revisions(_ context.Context, agent string) ([]api.Revision, error) {
	_, err := p.note("revisions", agent)
	return nil, err
}

func (p *fakePlatform) Revision(_ context.Context, agent, revision string) (api.Revision, error) {
	return p.note("revision", agent, revision)
}

func (p *fakePlatform) FollowDeploy(ctx context.Context, agent, revision string, emit func(api.DeployEvent) error) error {
	_, _ = p.note("follow", agent, revision)
	for _, e := range p.events {
		if err := emit(e); err != nil {
			return err
		}
	}
	if len(p.events) == 0 {
		<-ctx.Done()
		return context.Cause(ctx)
	}
	return nil
}

func (p *fakePlatform) StopAgent(_ context.Context, agent string) error {
	_, err := p.note("stop", agent)
	return err
}

func (p *fakePlatform) StartAgent(_ context.Context, agent string) (api.Revision, error) {
	return p.note("start", agent)
}

func (p *fakePlatform) DeleteAgent(_ context.Context, agent string) error {
	_, err := p.note("delete", agent)
	return err
}

func (p *fakePlatform) Traffic(_ context.Context, agent string) (api.Traffic, error) {
	_, err := p.note("traffic", agent)
	return api.Traffic{}, err
}

func (p *fakePlatform) SetTraffic(_ context.Context, agent string, req api.TrafficRequest) (api.Traffic, error) {
	_, err := p.note("split", agent, req.Traffic[0].Revision, strconv.Itoa(req.Traffic[0].Percent))
	return api.Traffic{}, err
}

func (p *fakePlatform) Scale(_ context.Context, agent string) (api.Scale, error) {
	_, err := p.note("scale", agent)
	return api.Scale{MaxInstances: 10}, err
}

func (p *fakePlatform) SetScale(_ context.Context, agent string, req api.ScaleRequest) (api.Scale, error) {
	_, err := p.note("set scale", agent, strconv.Itoa(*req.MaxInstances))
	return api.Scale{MaxInstances: *req.MaxInstances}, err
}

func (p *fakePlatform) SetSecret(_ context.Context, agent, name, value string) error {
	_, err := p.note("set", agent, name, value)
	return err
}

func (p *fakePlatform) Secrets(context.Context) ([]api.Secret, error) {
	_, err := p.note("secrets")
	return []api.Secret{{Name: "KEY"}}, err
}

func (p *fakePlatform) DeleteSecret(_ context.Context, agent, name string) error {
	_, err := p.note("forget", agent, name)
	return err
}

func (p *fakePlatform) PlatformStatus(context.Context) (api.PlatformStatus, error) {
	_, err := p.note("status", "", "")
	return api.PlatformStatus{Version: "1.2.3", PID: 7}, err
}

func newPlatformFixture(t *testing.T) (*fixture, *fakePlatform) {
	t.Helper()
	p := &fakePlatform{}
	return newFixture(t, func(o *Options) { o.Platform = p }), p
}

func TestControlRoutes(t *testing.T) {
	t.Parallel()
	fx, p := newPlatformFixture(t)
	const zstd = "application/zstd"
	tests := []struct {
		method, path, body, kind string
		status                   int
		said                     string
	}{
		{"GET", "/v1/bundles/sha256:a", "", "", 200, "bundle sha256:a"},
		{"POST", "/v1/bundles/sha256:a", "packed", zstd, 200, "store sha256:a packed"},
		{"POST", "/v1/bundles/sha256:a", "packed", "application/json", 415, ""},
		{"GET", "/v1/bundles/sha256:a/upload", "", "", 200, "uploaded sha256:a"},
		{"GET", "/v1/limits", "", "", 200, ""},
		{"POST", "/v1/agents/echo/revisions", `{"digest":"d","env":{"A":"1"}}`, "", 202, "deploy echo d 1"},
		{"POST", "/v1/agents/echo/revisions", `{"digst":"d"}`, "", 400, ""},
		{"POST", "/v1/agents/echo/revisions", `{} {}`, "", 400, ""},
		{"POST", "/v1/agents/echo/rollback", `{"revision":"3"}`, "", 202, "rollback echo 3"},
		{"POST", "/v1/agents/echo/rollback", "", "", 202, "rollback echo "},
		{"GET", "/v1/agents/echo/revisions", "", "", 200, "revisions echo"},
		{"GET", "/v1/agents/echo/revisions/3", "", "", 200, "revision echo 3"},
		{"POST", "/v1/agents/echo/stop", "", "", 204, "stop echo"},
		{"POST", "/v1/agents/echo/start", "", "", 202, "start echo"},
		{"DELETE", "/v1/agents/echo", "", "", 204, "delete echo"},
		{"DELETE", "/v1/agents/echo/stop", "", "", 405, ""},
		{"GET", "/v1/platform", "", "", 200, "status  "},
		{"POST", "/v1/platform", "", "", 405, ""},
		{"GET", "/metrics", "", "", 404, ""}, // this server has none
		{"GET", "/v1/agents/echo/traffic", "", "", 200, "traffic echo"},
		{"PUT", "/v1/agents/echo/traffic", `{"traffic":[{"revision":"3","percent":100}]}`, "", 200, "split echo 3 100"},
		{"PUT", "/v1/agents/echo/traffic", `{"traffic":[{"revision":3}]}`, "", 400, ""},
		{"GET", "/v1/agents/echo/scale", "", "", 200, "scale echo"},
		{"PATCH", "/v1/agents/echo/scale", `{"max_instances":3}`, "", 200, "set scale echo 3"},
		{"PUT", "/v1/secrets/KEY", `{"value":"v"}`, "", 204, "set  KEY v"},
		{"PUT", "/v1/secrets/KEY?agent=echo", `{"value":"v"}`, "", 204, "set echo KEY v"},
		{"PUT", "/v1/secrets/KEY?agnt=echo", `{"value":"v"}`, "", 400, ""},
		{"PUT", "/v1/secrets/KEY", `{"valu":"v"}`, "", 400, ""},
		{"GET", "/v1/secrets", "", "", 200, "secrets"},
		{"GET", "/v1/secrets/KEY", "", "", 405, ""},
		{"DELETE", "/v1/secrets/KEY?agent=echo", "", "", 204, "forget echo KEY"},
	}
	for _, tt := range tests {
		p.said = nil
		headers := []string{}
		if tt.kind != "" {
			headers = []string{"Content-Type", tt.kind}
		}
		got := fx.do(tt.method, tt.path, tt.body, headers...)
		if got.StatusCode != tt.status || strings.Join(p.said, "; ") != tt.said {
			t.Errorf("%s %s %q: %d and %q, want %d and %q: %s", tt.method, tt.path, tt.body, got.StatusCode, p.said, tt.status, tt.said, got.body)
		}
		if where := got.Header.Get("Location"); tt.status == 202 && where != "/v1/agents/"+agentID+"/revisions/r-1" {
			t.Errorf("%s %s: Location %q", tt.method, tt.path, where)
		}
	}
	p.err = fault.New(fault.Conflict, "it serves already")
	if got := fx.do("POST", "/v1/agents/echo/rollback", ""); got.StatusCode != http.StatusConflict || !strings.Contains(string(got.body), "it serves already") {
		t.Errorf("%d %s", got.StatusCode, got.body)
	}
}

func TestServeHasNoControlRoutes(t *testing.T) {
	t.Parallel()
	fx := newFixture(t, nil)
	for _, path := range []string{"/v1/bundles/sha256:a", "/v1/agents/echo/revisions"} {
		if got := fx.do("GET", path, ""); got.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %d", path, got.StatusCode)
		}
	}
}

func TestADeployIsFollowedAsEvents(t *testing.T) {
	t.Parallel()
	fx, p := newPlatformFixture(t)
	p.events = []api.DeployEvent{{Step: "building"}, {Text: "line\nbreak"}, {Step: "ready", Revision: &api.Revision{ID: "r-1", State: "ready"}}}
	got := fx.do("GET", "/v1/agents/echo/revisions/1/events", "")
	var events []api.DeployEvent
	for line := range strings.SplitSeq(string(got.body), "\n") {
		if text, ok := strings.CutPrefix(line, "data: "); ok {
			var e api.DeployEvent
			if err := json.Unmarshal([]byte(text), &e); err != nil {
				t.Error(err)
			}
			events = append(events, e)
		}
	}
	if len(events) != 3 || events[0].Step != "building" || events[1].Text != "line\nbreak" || events[2].Revision.State != "ready" {
		t.Errorf("%+v", events)
	}
	p.err = fault.New(fault.NotFound, "no revision 1")
	if got := fx.do("GET", "/v1/agents/echo/revisions/1/events", ""); got.StatusCode != http.StatusNotFound {
		t.Errorf("%d", got.StatusCode)
	}
}

func TestAFollowerIsToldOfTheStop(t *testing.T) {
	t.Parallel()
	fx, _ := newPlatformFixture(t)
	res, err := fx.client.Get(fx.url + "/v1/agents/echo/revisions/1/events")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	go func() { _ = fx.server.Shutdown(t.Context()) }()
	text, err := io.ReadAll(res.Body)
	if err != nil || !strings.Contains(string(text), "event: error") || !strings.Contains(string(text), "the platform is stopping") {
		t.Errorf("%q, %v", text, err)
	}
}

func TestKeysAreAskedFor(t *testing.T) {
	t.Parallel()
	fx := newFixture(t, func(o *Options) {
		o.Authenticate = func(key string) error {
			if key == "good" {
				return nil
			}
			return fault.New(fault.InvalidKey, "a key is needed, not %q", key)
		}
	})
	tests := []struct {
		path, authorization string
		status              int
	}{
		{"/health/live", "", 200}, {"/health/ready", "", 200}, {"/health", "", 401}, {"/v1/agents", "", 401}, {"/openapi.json", "", 401},
		{"/docs", "", 401}, {"/nowhere", "", 401}, {"/api/v1/health", "", 401}, {"/api/v1", "", 401},
		{"/v1/agents", "Bearer good", 200}, {"/v1/agents", "bearer  good ", 200}, {"/v1/agents", "Basic good", 401}, {"/v1/agents", "good", 401},
		{"/v1/agents", "Bearer bad", 401}, {"/v1/agents?token=good", "", 401},
		{"/api/v1/health?token=good", "", 200}, {"/api/v1/health?token=bad", "", 401}, {"/api/v1/health?token=good", "Bearer bad", 401},
		{"/health/../v1/agents", "", 401},
	}
	for _, tt := range tests {
		var headers []string
		if tt.authorization != "" {
			headers = []string{"Authorization", tt.authorization}
		}
		got := fx.do(http.MethodGet, tt.path, "", headers...)
		if got.StatusCode != tt.status {
			t.Errorf("%s with %q: %d, want %d: %s", tt.path, tt.authorization, got.StatusCode, tt.status, got.body)
		}
		if tt.status == 401 && got.Header.Get("Www-Authenticate") != "Bearer" {
			t.Errorf("%s: WWW-Authenticate is %q", tt.path, got.Header.Get("Www-Authenticate"))
		}
	}
}

func TestAnUploadGoesOn(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"bytes 4-9/10": "store sha256:a packed from 4", "": "store sha256:a packed", "bytes 0-5/6": "store sha256:a packed",
		"bytes 4-8/10": "", "bytes 4-9/11": "", "bytes 9-4/10": "", "bytes 4-9": "", "4-9/10": "", "bytes 4-12/13": "",
	} {
		fx, p := newPlatformFixture(t)
		header := []string{"Content-Type", "application/zstd"}
		if text != "" {
			header = append(header, "Content-Range", text)
		}
		status := fx.do("POST", "/v1/bundles/sha256:a", "packed", header...).StatusCode
		if got := strings.Join(p.said, "; "); got != want || (status == http.StatusOK) != (want != "") {
			t.Errorf("%q: status %d, said %q, want %q", text, status, got, want)
		}
	}
}
