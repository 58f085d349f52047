package fleet

import (
	"fmt"
	"math"
	"time"

	"github.com/runagent/runagent/api"
	"github.com/runagent/runagent/internal/fault"
	"github.com/runagent/runagent/internal/store/state"
)

// The bounds of what may be set, those of the manifest.
const (
	mostInstances = 10_000
	mostTarget    = 100_000
	longestIdle   = 365 * 24 * time.Hour
)

// Fields names what an owner said.
func Fields(s state.Scaling) []string {
	fields := []string{}
	for _, f := range []struct {
		name string
		set  bool
	}{
		{"min_instances", s.Min != nil}, {"max_instances", s.Max != nil},
		{"target", s.Target != nil}, {"idle_timeout", s.IdleTimeout != nil},
	} {
		if f.set {
			fields = append(fields, f.name)
		}
	}
	return fields
}

// With adds what is asked for to what was said before.
func With(said state.Scaling, req api.ScaleRequest) state.Scaling {
	if req.Reset {
		said = state.Scaling{}
	}
	if req.MinInstances != nil {
		said.Min = req.MinInstances
	}
	if req.MaxInstances != nil {
		said.Max = req.MaxInstances
	}
	if req.Target != nil {
		said.Target = req.Target
	}
	if req.IdleTimeoutSeconds != nil {
		idle := time.Duration(*req.IdleTimeoutSeconds * float64(time.Second))
		said.IdleTimeout = &idle
	}
	return said
}

// CheckRequest returns what is wrong with single values.
func CheckRequest(req api.ScaleRequest) error {
	bad := func(field, format string, args ...any) error {
		return fault.New(fault.Validation, "%s", field+" "+fmt.Sprintf(format, args...)).WithField(field)
	}
	if n := req.MinInstances; n != nil && (*n < 0 || *n > mostInstances) {
		return bad("min_instances", "is %d: it may be 0 to %d", *n, mostInstances)
	}
	if n := req.MaxInstances; n != nil && (*n < 1 || *n > mostInstances) {
		return bad("max_instances", "is %d: it may be 1 to %d", *n, mostInstances)
	}
	if x := req.Target; x != nil && (!(*x > 0) || *x > mostTarget) {
		return bad("target", "is %v: it must be more than 0, at most %d", *x, mostTarget)
	}
	if x := req.IdleTimeoutSeconds; x != nil && (!(*x > 0) || *x > longestIdle.Seconds() || math.IsInf(*x, 0)) {
		return bad("idle_timeout_seconds", "is %v: it must be more than 0, at most a year", *x)
	}
	return nil
}
