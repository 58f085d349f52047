package python

import (
	"context"

	"github.com/runagent/runagent/internal/agent"
)

// Inspect reports on the source of each Python entrypoint of the agent in dir.
func (x *Inspector) Inspect(ctx context.Context, dir string, entrypoints []agent.Entrypoint) ([]agent.SourceReport, error) {
	found, err := x.Look(ctx, dir, entrypoints, false)
	if err != nil {
		return nil, err
	}
	reports := make([]agent.SourceReport, len(found.Entrypoints))
	for i, f := range found.Entrypoints {
		reports[i] = agent.SourceReport(f)
	}
	return reports, nil
}

var _ agent.SourceInspector = (*Inspector)(nil)
