package server

import (
	"net/http"

	"github.com/swaggest/swgui"
	"github.com/swaggest/swgui/v5emb"
)

// docsPath is where the documentation page lives.
const docsPath = "/docs/"

// docs shows the OpenAPI document; the page's parts come out of the binary.
func docs() http.Handler {
	return v5emb.NewHandlerWithConfig(swgui.Config{
		Title: "RunAgent", SwaggerJSON: "/openapi.json", BasePath: docsPath, HideCurl: false,
		SettingsUI: map[string]string{"docExpansion": `"list"`, "defaultModelsExpandDepth": "0"},
	})
}

// toDocs sends a browser to the documentation.
func toDocs(w http.ResponseWriter, r *http.Request) {
	http.Redirect(w, r, docsPath, http.StatusFound)
}
