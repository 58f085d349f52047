package runagent

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/runagent/runagent/api"
)

// newPlatform answers each "METHOD path" with its body, and notes what came.
func newPlatform(t *testing.T, answers map[string]string) (*Client, *[]string) {
	t.Helper()
	var said []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		key := r.Method + " " + r.URL.Path
		said = append(said, strings.TrimSpace(key+" "+r.Header.Get("Content-Type")+" "+string(body)))
		answer, ok := answers[key]
		switch {
		case !ok:
			w.WriteHeader(http.StatusNotFound)
			answer = `{"error":{"code":"NOT_FOUND","message":"not here"}}`
		case answer == "":
			w.WriteHeader(http.StatusNoContent)
		case strings.HasPrefix(answer, "event:"):
			w.Header().Set("Content-Type", "text/event-stream")
		}
		_, _ = io.WriteString(w, answer)
	}))
	t.Cleanup(server.Close)
	client, err := New(server.URL, Options{APIKey: "ra_key", HTTPClient: server.Client()})
	if err != nil {
		t.Fatal(err)
	}
	return client, &said
}

func TestDeploying(t *testing.T) {
	t.Parallel()
	const rev = `{"revision":"r-1","number":2,"agent":"echo","agent_id":"a","state":"pending"}`
	client, said := newPlatform(t, map[string]string{
		"POST /v1/bundles/sha256:a":        `{"digest":"sha256:a","packed_bytes":6}`,
		"POST /v1/agents/my bot/revisions": rev, "POST /v1/agents/echo/rollback": rev, "POST /v1/agents/echo/start": rev,
		"GET /v1/agents/echo/revisions":   `{"revisions":[` + rev + `]}`,
		"GET /v1/agents/echo/revisions/2": rev,
		"POST /v1/agents/echo/stop":       "", "DELETE /v1/agents/echo": "",
	})
	ctx := t.Context()
	if _, err := client.Bundle(ctx, "sha256:b"); !HasCode(err, CodeNotFound) {
		t.Errorf("got %v", err)
	}
	if b, err := client.UploadBundle(ctx, "sha256:a", strings.NewReader("packed"), 6); err != nil || b.Packed != 6 {
		t.Errorf("%+v, %v", b, err)
	}
	check := func(r *api.Revision, err error) {
		t.Helper()
		if err != nil || r.ID != "r-1" || r.Number != 2 || r.Done() {
			t.Errorf("%+v, %v", r, err)
		}
	}
	check(client.Deploy(ctx, "my bot", api.DeployRequest{Digest: "d"}))
	check(client.Rollback(ctx, "echo", "1"))
	check(client.StartAgent(ctx, "echo"))
	check(client.Revision(ctx, "echo", "2"))
	if revs, err := client.Revisions(ctx, "echo"); err != nil || len(revs) != 1 {
		t.Errorf("%+v, %v", revs, err)
	}
	if err := client.StopAgent(ctx, "echo"); err != nil {
		t.Error(err)
	}
	if err := client.DeleteAgent(ctx, "echo"); err != nil {
		t.Error(err)
	}
	if err := client.DeleteAgent(ctx, "nobody"); !HasCode(err, CodeNotFound) {
		t.Errorf("got %v", err)
	}
	want := `POST /v1/bundles/sha256:a application/zstd packed`
	if (*said)[2] != want || (*said)[3] != `POST /v1/agents/my bot/revisions application/json {"digest":"d"}` {
		t.Errorf("said %q", *said)
	}
}

func TestSecrets(t *testing.T) {
	t.Parallel()
	client, said := newPlatform(t, map[string]string{
		"PUT /v1/secrets/KEY": "", "DELETE /v1/secrets/KEY": "", "GET /v1/secrets": `{"secrets":[{"name":"KEY","agent":"echo"}]}`,
	})
	ctx := t.Context()
	if err := client.SetSecret(ctx, "echo", "KEY", "v"); err != nil {
		t.Error(err)
	}
	if list, err := client.Secrets(ctx); err != nil || len(list) != 1 || list[0].Agent != "echo" {
		t.Errorf("%+v, %v", list, err)
	}
	if err := client.DeleteSecret(ctx, "", "KEY"); err != nil {
		t.Error(err)
	}
	if err := client.DeleteSecret(ctx, "", "NONE"); !HasCode(err, CodeNotFound) {
		t.Errorf("got %v", err)
	}
	if (*said)[0] != `PUT /v1/secrets/KEY application/json {"value":"v"}` {
		t.Errorf("said %q", *said)
	}
}

func TestFollowDeploy(t *testing.T) {
	t.Parallel()
	client, _ := newPlatform(t, map[string]string{
		"GET /v1/agents/echo/revisions/1/events": "event: deploy\ndata: {\"step\":\"building\"}\n\n: quiet\n\n" +
			"event: deploy\ndata: {\"step\":\"ready\",\"revision\":{\"revision\":\"r-1\",\"state\":\"ready\"}}\n\n",
		"GET /v1/agents/echo/revisions/2/events": "event: error\ndata: {\"code\":\"AGENT_UNAVAILABLE\",\"message\":\"stopping\"}\n\n",
	})
	var steps []string
	for event, err := range client.FollowDeploy(t.Context(), "echo", "1") {
		if err != nil {
			t.Fatal(err)
		}
		steps = append(steps, event.Step)
	}
	if strings.Join(steps, " ") != "building ready" {
		t.Errorf("steps %q", steps)
	}
	for _, err := range client.FollowDeploy(t.Context(), "echo", "2") {
		if !HasCode(err, CodeAgentUnavailable) {
			t.Errorf("got %v", err)
		}
	}
	for _, err := range client.FollowDeploy(t.Context(), "echo", "3") {
		if !HasCode(err, CodeNotFound) {
			t.Errorf("got %v", err)
		}
	}
}
