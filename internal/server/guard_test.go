package server

import (
	"net/http"
	"testing"

	"github.com/coder/websocket"

	"github.com/runagent/runagent/internal/fault"
)

func TestForeignPagesAreRefused(t *testing.T) {
	t.Parallel()
	fx := newFixture(t, func(o *Options) { o.CORSOrigins = []string{"https://app.example"} })
	fx.wantError(fx.invoke(`{}`, "Host", "evil.example"), fault.Permission)
	for _, origin := range []string{"https://evil.example", "null", "http://localhost:1", "https://app.example.evil.example"} {
		fx.wantError(fx.invoke(`{}`, "Origin", origin), fault.Permission)
		_, res, err := websocket.Dial(t.Context(), fx.url+socketPath, &websocket.DialOptions{
			HTTPClient: fx.client, HTTPHeader: http.Header{"Origin": {origin}}})
		if err == nil || res == nil || res.StatusCode != http.StatusForbidden {
			t.Errorf("a WebSocket from %s: %v %v", origin, res, err)
		}
	}
	if len(fx.executor.requests) != 0 {
		t.Error("a refused page's call ran")
	}
	if a := fx.invoke(`{}`, "Origin", fx.url); a.StatusCode != http.StatusOK {
		t.Errorf("the server's own page: %d", a.StatusCode)
	}
	fx.wantGood()
}

func TestInvitedPagesMayCall(t *testing.T) {
	t.Parallel()
	fx := newFixture(t, func(o *Options) { o.CORSOrigins = []string{"https://app.example/"} })
	a := fx.invoke(`{}`, "Origin", "https://app.example")
	if a.StatusCode != http.StatusOK || a.Header.Get("Access-Control-Allow-Origin") != "https://app.example" || a.Header.Get("Vary") == "" {
		t.Errorf("got %d %v", a.StatusCode, a.Header)
	}
	p := fx.do(http.MethodOptions, "/v1/agents/echo/invoke", "", "Origin", "https://app.example",
		"Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "content-type")
	if p.StatusCode != http.StatusNoContent || p.Header.Get("Access-Control-Allow-Headers") != "content-type" ||
		p.Header.Get("Access-Control-Allow-Methods") == "" {
		t.Errorf("preflight: %d %v", p.StatusCode, p.Header)
	}
	fx.wantError(fx.do(http.MethodOptions, "/v1/agents/echo/invoke", "", "Origin", "https://evil.example",
		"Access-Control-Request-Method", "POST"), fault.Permission)
	fx.dialFrom("https://app.example")
}

// dialFrom opens a WebSocket as a page of origin does.
func (fx *fixture) dialFrom(origin string) {
	fx.t.Helper()
	conn, _, err := websocket.Dial(fx.t.Context(), fx.url+socketPath, &websocket.DialOptions{
		HTTPClient: fx.client, HTTPHeader: http.Header{"Origin": {origin}}})
	if err != nil {
		fx.t.Fatal(err)
	}
	_ = conn.CloseNow()
}
