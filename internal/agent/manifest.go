package agent

import (
	"slices"
	"time"
)

// ManifestName is the file that makes a folder an agent.
const ManifestName = "runagent.config.json"

// MaxNameLength is the bound on agent_name, in characters; a test holds the
// schema to it.
const MaxNameLength = 50

// Manifest is a parsed and checked runagent.config.json. Its fields are those
// of the file, defaults filled in; environment references stay unexpanded.
type Manifest struct {
	AgentID     string
	AgentName   string
	Description string
	Framework   string
	Template    string
	Version     string
	Entrypoints []Entrypoint
	// EnvVars holds env_vars as written: literals, ${VAR} and ${VAR:-default}.
	EnvVars      map[string]string
	Resources    Resources
	Scaling      Scaling
	NetworkAllow []string
	Batch        BatchRules
	Lifecycle    Lifecycle
	Retries      Retries
	OnConflict   string
	Python       string
	Requirements string
	// AuthType is none or api_key.
	AuthType string
	// PersistentFolders are relative to the agent's own.
	PersistentFolders []string
	// Raw is the file's text, without a byte order mark.
	Raw []byte

	doc *document // knows where each value stands
	dir string    // the agent's folder, "" when only a text was parsed
}

// HasPython reports whether any entrypoint is Python code, not a webhook.
func (m *Manifest) HasPython() bool {
	for _, e := range m.Entrypoints {
		if e.WebhookURL == "" {
			return true
		}
	}
	return false
}

// Entrypoint is one callable of the agent as the manifest names it.
type Entrypoint struct {
	Tag         string
	File        string
	Module      string
	Type        Type
	Description string
	Extractor   map[string]string
	// A webhook entrypoint has these instead of File and Module.
	WebhookURL string
	Method     string
	Timeout    time.Duration
}

// Functions returns all that the agent's code must define: the entrypoints in
// their order, then the lifecycle's functions, whose Tag is lifecycle.start or
// lifecycle.stop.
func (m *Manifest) Functions() []Entrypoint {
	all := slices.Clone(m.Entrypoints)
	for _, h := range m.Lifecycle.hooks() {
		if h.File != "" {
			all = append(all, Entrypoint{Tag: "lifecycle." + h.when, File: h.File, Module: h.Module})
		}
	}
	return all
}

// Lifecycle names functions that each instance calls once: Start before it
// takes calls, Stop after its last one.
type Lifecycle struct {
	Start, Stop Hook
}

// Hook is a function without arguments, and how long it may take. Without a
// File there is none.
type Hook struct {
	File, Module string
	Timeout      time.Duration
}

// namedHook is a hook and its key below "lifecycle".
type namedHook struct {
	when string
	*Hook
}

func (l *Lifecycle) hooks() []namedHook {
	return []namedHook{{"start", &l.Start}, {"stop", &l.Stop}}
}

// Resources bounds one instance. Zero values mean: the default.
type Resources struct {
	MemoryBytes int64
	CPU         float64
	Timeout     time.Duration
	Concurrency int
	PIDs        int
	DiskBytes   int64
}

// Scaling bounds how many instances there are.
type Scaling struct {
	MinInstances, MaxInstances int
	Target                     float64
	IdleTimeout                time.Duration
}

// BatchRules says how single calls to a batch entrypoint are gathered.
type BatchRules struct {
	MaxSize int
	MaxWait time.Duration
	Isolate bool
}

// Retries says how often a durable invocation is tried.
type Retries struct {
	MaxAttempts int
	Backoff     time.Duration
}
