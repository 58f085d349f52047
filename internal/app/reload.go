package app

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/runagent/runagent/internal/agent"
	"github.com/runagent/runagent/internal/deploy"
	"github.com/runagent/runagent/internal/fault"
	"github.com/runagent/runagent/internal/instance"
	"github.com/runagent/runagent/internal/runtime/python"
	"github.com/runagent/runagent/internal/watch"
)

// watchFolder starts to watch the agent's folder, before it is read, so that
// no save is missed.
func (s *service) watchFolder() (*watch.Watcher, error) {
	if stat, err := os.Stat(s.o.Dir); err != nil || !stat.IsDir() {
		return nil, fault.New(fault.Validation, "there is no folder %s", s.o.Dir).WithSuggestion("`runagent init %s` makes an agent there", s.o.Dir)
	}
	requirements := ""
	if a, _ := agent.Load(s.o.Dir, agent.LoadOptions{}); a != nil && a.Manifest != nil {
		requirements = a.Manifest.Requirements
	}
	return watch.New(s.o.Dir, watch.Options{
		Globs: s.o.Watch, Requirements: requirements, EnvFile: s.o.EnvFile, Warn: s.o.Console.OnWarning,
	})
}

// reload brings the folder as it is now into service and tells how it went.
// What can't serve leaves the code before it in place.
// It reports whether the changes are dealt with, well or badly.
func (s *service) reload(ctx context.Context, changed []string) bool {
	began := time.Now()
	rev, err := s.revision(ctx)
	if err == nil {
		err = s.deployer.Deploy(ctx, rev)
	}
	if err != nil && ctx.Err() != nil {
		return false // a newer change is on its way
	}
	r := Reload{Changed: changed, Took: time.Since(began)}
	if err != nil {
		r.Problems = s.problems(ctx, rev, err)
		s.troubles.set(r.Problems)
		s.o.Console.OnReload(r)
		return true
	}
	r.Callables = rev.Callables
	s.troubles.set(nil)
	s.engine.RetainZygotes(rev)
	s.announce(ctx, rev)
	s.pruneSnapshots()
	s.o.Console.OnReload(r)
	return true
}

// problems turns a failed reload into what the author should mend.
func (s *service) problems(ctx context.Context, rev *deploy.Revision, err error) []Problem {
	var manifest agent.Problems
	var imp *instance.ImportError
	switch {
	case errors.As(err, &manifest):
		return s.problemsOf(manifest)
	case errors.As(err, &imp):
		if found := s.sourceProblems(ctx, rev); len(found) > 0 {
			return s.problemsOf(found)
		}
		p := Problem{File: s.inFolder(imp.File), Line: imp.Line, Message: imp.Message, Traceback: imp.Traceback}
		if imp.Type != "" {
			p.Message = imp.Type + ": " + imp.Message
		}
		return []Problem{p}
	}
	p := Problem{Message: err.Error()}
	if f := fault.As(err); f != nil && f.Suggestion != "" {
		p.Message += "; " + f.Suggestion
	}
	return []Problem{p}
}

func (s *service) problemsOf(found agent.Problems) []Problem {
	list := make([]Problem, len(found))
	for i, p := range found {
		list[i] = Problem{File: s.inFolder(p.File), Line: p.Line, Column: p.Column, Message: p.Message}
		if p.Suggestion != "" {
			list[i].Message += fmt.Sprintf(" (did you mean %q?)", p.Suggestion)
		}
	}
	return list
}

// inFolder returns a file's path relative to the agent's folder. One elsewhere
// stays as it is.
func (s *service) inFolder(file string) string {
	dir, err := filepath.Abs(s.o.Dir)
	if file == "" || err != nil {
		return file
	}
	path, err := filepath.Abs(file)
	if err != nil {
		return file
	}
	real, err := filepath.EvalSymlinks(dir)
	if err != nil {
		real = dir
	}
	for _, folder := range []string{dir, real} {
		if rel, err := filepath.Rel(folder, path); err == nil && filepath.IsLocal(rel) {
			return filepath.ToSlash(rel)
		}
	}
	return file
}

// sourceProblems are what can be said about the sources without running them:
// better than an import error, it names what was probably meant.
func (s *service) sourceProblems(ctx context.Context, rev *deploy.Revision) agent.Problems {
	if rev == nil || rev.Environment.Python == "" {
		return nil
	}
	reports, err := python.NewInspector(rev.Environment.Python, s.shim).Inspect(ctx, rev.Agent.Dir, rev.Agent.Manifest.Functions())
	if err != nil {
		if ctx.Err() == nil {
			s.o.Log.Warn("sources not inspected", "error", err)
		}
		return nil
	}
	return agent.CheckSources(rev.Agent.Manifest, reports)
}

// snapshot keeps a copy of the sources as they are now, from which instances
// of the revision import whatever happens to the folder.
func (s *service) snapshot(ctx context.Context, dir string) (string, error) {
	return watch.Snapshot(ctx, dir, s.snapshots)
}

// ownSnapshots makes this server's folder of snapshots, and removes those of
// servers that were killed.
func (s *service) ownSnapshots() error {
	parent := filepath.Join(s.o.Home, "snapshots")
	entries, err := os.ReadDir(parent)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("read snapshots: %w", err)
	}
	for _, e := range entries {
		pid, err := strconv.Atoi(strings.TrimPrefix(e.Name(), "server-"))
		if err == nil && errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
			if err := os.RemoveAll(filepath.Join(parent, e.Name())); err != nil {
				s.o.Log.Warn("old snapshots not removed", "error", err)
			}
		}
	}
	s.snapshots = filepath.Join(parent, fmt.Sprintf("server-%d", os.Getpid()))
	if err := os.MkdirAll(s.snapshots, 0o700); err != nil {
		return fmt.Errorf("make snapshots folder: %w", err)
	}
	s.own(func(context.Context) {
		if err := os.RemoveAll(s.snapshots); err != nil {
			s.o.Log.Warn("snapshots not removed", "error", err)
		}
	})
	return nil
}

// pruneSnapshots removes those that no revision which may still start an
// instance was made from.
func (s *service) pruneSnapshots() {
	var keep []string
	for _, rev := range s.deployer.Serving() {
		keep = append(keep, rev.Snapshot)
	}
	if err := watch.PruneSnapshots(s.snapshots, keep...); err != nil {
		s.o.Log.Warn("snapshots not pruned", "error", err)
	}
}
