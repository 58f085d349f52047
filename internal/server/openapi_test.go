package server

import (
	"encoding/json"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/runagent/runagent/internal/server/openapi"
)

func TestOpenAPI(t *testing.T) {
	t.Parallel()
	fx := newFixture(t, nil)
	doc := get[map[string]any](fx, "/openapi.json")
	if doc["openapi"] != "3.1.0" {
		t.Errorf("openapi is %v", doc["openapi"])
	}
	paths := doc["paths"].(map[string]any)
	for _, path := range []string{"/v1/agents/{agent}/invoke", "/v1/agents/{agent}/ws", "/v1/invocations", "/health",
		"/v1/agents/echo/entrypoints/main/invoke", "/v1/agents/echo/entrypoints/words_stream/stream"} {
		if paths[path] == nil {
			t.Errorf("%s is missing", path)
		}
	}
	checkRefs(t, doc)
	checkOperations(t, paths)
	own := get[map[string]any](fx, "/v1/agents/echo/openapi.json")
	for path := range own["paths"].(map[string]any) {
		if !strings.HasPrefix(path, "/v1/agents/echo/entrypoints/") {
			t.Errorf("the agent's document has %s", path)
		}
	}
	if own["info"].(map[string]any)["title"] != "Echo" {
		t.Errorf("the agent's document is called %v", own["info"])
	}
	checkRefs(t, own)
	if text, _ := json.Marshal(own); !strings.Contains(string(text), "Greets.\\n\\n`run(person: Person)`") {
		t.Errorf("no operation shows its function's signature in %s", text)
	}
}

// checkRefs finds references that lead nowhere, and schemas that are none.
func checkRefs(t *testing.T, doc map[string]any) {
	t.Helper()
	schemas := doc["components"].(map[string]any)["schemas"].(map[string]any)
	text, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`"\$ref":"([^"]+)"`).FindAllStringSubmatch(string(text), -1) {
		name, ok := strings.CutPrefix(m[1], "#/components/schemas/")
		if !ok || schemas[name] == nil {
			t.Errorf("%s leads nowhere", m[1])
		}
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("https://x/openapi.json", doc); err != nil {
		t.Fatal(err)
	}
	for name := range schemas {
		if _, err := c.Compile("https://x/openapi.json#/components/schemas/" + name); err != nil {
			t.Errorf("schema %s: %v", name, err)
		}
	}
}

// checkOperations wants an ID of its own and an answer of each operation.
func checkOperations(t *testing.T, paths map[string]any) {
	t.Helper()
	seen := map[string]bool{}
	for path, item := range paths {
		for method, op := range item.(map[string]any) {
			op := op.(map[string]any)
			id, _ := op["operationId"].(string)
			if id == "" || seen[id] || op["summary"] == "" || op["responses"] == nil {
				t.Errorf("%s %s: operation %v", method, path, op)
			}
			seen[id] = true
		}
	}
}

// TestEveryRouteIsDescribed holds the table to the document.
func TestEveryRouteIsDescribed(t *testing.T) {
	t.Parallel()
	fx := newFixture(t, nil)
	for _, rt := range fx.server.routes() {
		planned := strings.HasSuffix(rt.path, "/batch") || strings.HasSuffix(rt.path, "/replay") || strings.HasSuffix(rt.path, "/events")
		byAgent := strings.Contains(rt.path, "{entrypoint}") || strings.HasSuffix(rt.path, "openapi.json")
		page := rt.path == openapi.PagePath || rt.path == "/{$}" || strings.HasPrefix(rt.path, compatPrefix)
		if (rt.doc == nil) != (planned || byAgent || page) {
			t.Errorf("%s %s: described is %v", rt.method, rt.path, rt.doc != nil)
		}
	}
}

func TestDocsNeedNoNetwork(t *testing.T) {
	t.Parallel()
	fx := newFixture(t, nil)
	res, err := fx.client.Get(fx.url + "/")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	page, _ := io.ReadAll(res.Body)
	if res.StatusCode != http.StatusOK || res.Request.URL.Path != openapi.PagePath || !strings.Contains(string(page), "/openapi.json") {
		t.Fatalf("%s: %d %s", res.Request.URL, res.StatusCode, page)
	}
	if a := fx.do(http.MethodGet, "/docs", ""); !strings.Contains(string(a.body), "/openapi.json") {
		t.Errorf("/docs: %s", a.body)
	}
	for _, m := range regexp.MustCompile(`(?:src|href)="([^"]+)"`).FindAllStringSubmatch(string(page), -1) {
		if !strings.HasPrefix(m[1], openapi.PagePath) {
			t.Errorf("the page asks for %s", m[1])
			continue
		}
		if a := fx.do(http.MethodGet, m[1], ""); a.StatusCode != http.StatusOK || len(a.body) < 100 {
			t.Errorf("%s: %d, %d bytes", m[1], a.StatusCode, len(a.body))
		}
	}
}
