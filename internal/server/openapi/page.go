package openapi

import (
	"net/http"

	"github.com/swaggest/swgui"
	"github.com/swaggest/swgui/v5emb"
)

// PagePath is where the documentation page lives.
const PagePath = "/docs/"

// Page shows the OpenAPI document; the page's parts come out of the binary.
func Page() http.Handler {
	return v5emb.NewHandlerWithConfig(swgui.Config{
		Title: "RunAgent", SwaggerJSON: "/openapi.json", BasePath: PagePath, HideCurl: false,
		SettingsUI: map[string]string{"docExpansion": `"list"`, "defaultModelsExpandDepth": "0"},
	})
}
