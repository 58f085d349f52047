package cli

import (
	"context"
	"fmt"

	"github.com/runagent/runagent/internal/cli/draft"
	"github.com/runagent/runagent/internal/cli/draft/ask"
	"github.com/runagent/runagent/internal/cli/terminal"
	"github.com/runagent/runagent/internal/config"
	"github.com/runagent/runagent/internal/runtime/python"
	"github.com/runagent/runagent/shim"
)

// newInspector returns what has a Python parse the files of the folder dir:
// the one it would be served with, as far as that is there already.
func newInspector(ctx context.Context, settings config.Config, dir, requires string) (*python.Inspector, error) {
	virtualEnv, _ := settings.Lookup("VIRTUAL_ENV")
	path, _ := settings.Lookup("PATH")
	interpreter, err := python.Find(ctx, python.FindOptions{VirtualEnv: virtualEnv, Dir: dir, Path: path, Requires: requires})
	if err != nil {
		return nil, err
	}
	root, err := shim.Extract(settings.Home)
	if err != nil {
		return nil, err
	}
	return python.NewInspector(interpreter.Path, root), nil
}

// draftDesk is what the commands that make agents are given.
func (p *Program) draftDesk() *draft.Desk {
	kind := ""
	if settings, err := p.settings(); err == nil {
		kind, _ = settings.Lookup("TERM")
	}
	return &draft.Desk{
		Out: p.Out, Err: p.Err, Terminal: ask.Terminal{In: p.In, Out: p.Err, Kind: kind},
		Candidates: p.candidates, Usage: usagef,
	}
}

// candidates returns what could be called in the files of dir. What can't be
// read is told and left out.
func (p *Program) candidates(ctx context.Context, dir string) []python.Candidate {
	settings, err := p.settings()
	if err != nil {
		fmt.Fprintf(p.Err, "The code is not read: %v\n", err)
		return nil
	}
	inspector, err := newInspector(ctx, settings, dir, "")
	if err != nil {
		fmt.Fprintf(p.Err, "The code is not read: %v\n", err)
		return nil
	}
	found, unread, err := inspector.Candidates(ctx, dir)
	if err != nil {
		fmt.Fprintf(p.Err, "The code is not read: %v\n", err)
	}
	for _, file := range unread {
		fmt.Fprintf(p.Err, "%s:%d: not read: %s\n", terminal.OneLine(file.File), file.Line, terminal.OneLine(file.Message))
	}
	return found
}
