package build

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/runagent/runagent/internal/build/transcript"
	"github.com/runagent/runagent/internal/fault"
)

// shownOnFail is how many lines of an installer that failed are told.
const shownOnFail = 15

// failedSuffix ends the names of files that say why requirements can't be met.
const failedSuffix = ".failed"

// failure is what is remembered of a build that can't succeed.
type failure struct {
	Message    string          `json:"message"`
	Suggestion string          `json:"suggestion"`
	Details    json.RawMessage `json:"details"`
	At         time.Time       `json:"at"`
}

// futile is an error of a build that the same requirements give again.
type futile struct{ why *fault.Error }

// Error implements error.
func (f futile) Error() string { return f.why.Error() }

// Unwrap returns what went wrong.
func (f futile) Unwrap() error { return f.why }

func (b *Builder) failedFile(p *plan) string { return filepath.Join(b.envs(), p.inputs+failedSuffix) }

// known returns why these requirements are known to fail, or nil.
func (b *Builder) known(p *plan) error {
	if !b.o.Deployed {
		return nil
	}
	text, err := os.ReadFile(b.failedFile(p))
	var f failure
	if err != nil || json.Unmarshal(text, &f) != nil {
		return nil //nolint:nilerr // nothing is known
	}
	known := fault.New(fault.AgentUnavailable, "%s\nFound out at %s; nothing has changed since", f.Message, f.At.Format(time.DateTime)).
		WithSuggestion("%s; or have it tried again as it is with `runagent deploy --rebuild`", f.Suggestion)
	known.Details = f.Details
	return known
}

// remember notes how a build went, whose error it returns.
func (b *Builder) remember(p *plan, err error) error {
	if !b.o.Deployed {
		return err
	}
	var f futile
	switch {
	case err == nil:
		_ = os.Remove(b.failedFile(p)) // it mostly is not there
	case errors.As(err, &f):
		text, broken := json.Marshal(failure{f.why.Message, f.why.Suggestion, f.why.Details, time.Now().UTC()})
		if broken == nil {
			broken = writeWhole(b.failedFile(p), string(text))
		}
		if broken != nil {
			return errors.Join(err, fmt.Errorf("remember that: %w", broken))
		}
	}
	return err
}

// explain makes an error of what an installer wrote before it failed.
func (w *installation) explain(command string, err error, out *transcript.Transcript) error {
	if ctx := w.Context(); ctx.Err() != nil {
		return fmt.Errorf("%s: %w", command, context.Cause(ctx))
	}
	var start *fs.PathError
	if errors.As(err, &start) && start.Path == w.uv {
		return fault.New(fault.AgentUnavailable, "installing %s failed: %s can't be started: %w", w.plan.name(), w.uv, start.Err).
			WithSuggestion("set RUNAGENT_UV to a uv that can be run, or unset it")
	}
	lines := strings.Split(w.plan.mask.Replace(strings.Join(out.Last(shownOnFail), "\n")), "\n")
	text := strings.Join(lines, "\n")
	todo, sure := transcript.Advise(text)
	if todo == "" {
		todo = "correct " + w.plan.name() + " and try again"
	}
	why := fault.New(fault.AgentUnavailable, "installing %s failed: %s: %w\n%s", w.plan.name(), command, err, text).
		WithSuggestion("%s", todo).
		WithDetails(map[string]any{"installer": command, "lines": lines})
	if sure {
		return futile{why}
	}
	return why
}
