package build

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/runagent/runagent/internal/fault"
)

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
