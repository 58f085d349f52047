// Package examples holds an agent for each pattern that newcomers look for.
// `runagent init` writes them, too, as templates of their frameworks.
package examples

import "embed"

// Files are the folders of the examples.
//
//go:embed */*.py */*.json */*.md */*.txt */.gitignore retrieval/handbook
var Files embed.FS
