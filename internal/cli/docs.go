package cli

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

// newDocsCommand writes the pages of docs/cli. It is for this repository's
// `make generate`, so it is not shown.
func newDocsCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "docs DIR",
		Short:   "Write this reference",
		Example: "  runagent docs docs/cli",
		Hidden:  true,
		Args:    atMost(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usagef("name the folder to write to")
			}
			return writeDocs(cmd.Root(), args[0])
		},
	}
}

// writeDocs replaces the pages in dir by those of root and its commands.
func writeDocs(root *cobra.Command, dir string) error {
	old, err := filepath.Glob(filepath.Join(dir, "runagent*.md"))
	if err != nil {
		return fmt.Errorf("list %s: %w", dir, err)
	}
	for _, page := range old {
		if err := os.Remove(page); err != nil {
			return fmt.Errorf("remove old page: %w", err)
		}
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("make folder: %w", err)
	}
	root.DisableAutoGenTag = true
	if err := doc.GenMarkdownTree(root, dir); err != nil {
		return fmt.Errorf("write pages: %w", err)
	}
	return nil
}
