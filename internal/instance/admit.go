package instance

import (
	"encoding/json"
	"fmt"

	"github.com/runagent/runagent/internal/agent"
)

// Admission is what an instance is told before it imports user code: the
// payload of ADMIT.
type Admission struct {
	AgentID   string            `json:"agent_id"`
	AgentName string            `json:"agent_name"`
	Dir       string            `json:"dir"`
	Snapshot  string            `json:"snapshot"`
	Env       map[string]string `json:"env"`
	Unset     []string          `json:"unset,omitempty"`
	DataDir   string            `json:"data_dir"`

	Entrypoints []AdmittedEntrypoint `json:"entrypoints"`
	Limits      AdmittedLimits       `json:"limits"`
	Concurrency AdmittedConcurrency  `json:"concurrency"`
	Batch       AdmittedBatch        `json:"batch"`
	Lifecycle   AdmittedLifecycle    `json:"lifecycle,omitzero"`

	// Edited are files of the snapshot, and Before is the snapshot in which they
	// had other content: one that compiled there must compile.
	Edited []string `json:"edited,omitempty"`
	Before string   `json:"before,omitempty"`
	// DebugPort is where a debugger is waited for before the import; 0 waits for none.
	DebugPort int `json:"debug_port,omitempty"`
	// Described says that signatures and schemas are known already.
	Described bool `json:"described,omitempty"`
}

// AdmittedEntrypoint is one entrypoint to resolve.
type AdmittedEntrypoint struct {
	Tag    string     `json:"tag"`
	File   string     `json:"file"`
	Module string     `json:"module"`
	Type   agent.Type `json:"type,omitempty"`
}

// AdmittedLimits bounds what an instance may send.
type AdmittedLimits struct {
	ResultBytes  int `json:"result_bytes"`
	LogLineBytes int `json:"log_line_bytes"`
}

// AdmittedConcurrency bounds the calls in flight, by kind of function.
type AdmittedConcurrency struct {
	Sync  int `json:"sync"`
	Async int `json:"async"`
}

// AdmittedLifecycle names what to call once before the first call, and once
// after the last.
type AdmittedLifecycle struct {
	Start *AdmittedHook `json:"start,omitempty"`
	Stop  *AdmittedHook `json:"stop,omitempty"`
}

// AdmittedHook is one function to call without arguments.
type AdmittedHook struct {
	File      string `json:"file"`
	Module    string `json:"module"`
	TimeoutMS int64  `json:"timeout_ms"`
}

// AdmittedBatch says how single calls to a batch entrypoint are gathered.
type AdmittedBatch struct {
	MaxSize   int  `json:"max_size"`
	MaxWaitMS int  `json:"max_wait_ms"`
	Isolate   bool `json:"isolate"`
}

// Readiness is what an instance says when it can take calls: READY.
type Readiness struct {
	Callables []agent.Callable `json:"entrypoints"`
	// Modules are the names of all modules loaded from outside the folder, in
	// the order in which they were loaded.
	Modules []string `json:"modules"`
	// Inherited is how many of Modules, the first, were loaded before the fork.
	Inherited int      `json:"inherited"`
	Python    string   `json:"python"`
	Codec     string   `json:"codec"`
	ImportMS  float64  `json:"import_ms"`
	Warnings  []string `json:"warnings"`
}

// ImportError says why an instance could not import the agent: FAILED.
type ImportError struct {
	Type      string `json:"type"`
	Message   string `json:"message"`
	Traceback string `json:"traceback"`
	File      string `json:"file"`
	Line      int    `json:"line"`
}

// Error names the place and the exception.
func (e *ImportError) Error() string {
	text := e.Message
	if e.Type != "" {
		text = e.Type + ": " + e.Message
	}
	if e.File == "" {
		return text
	}
	if e.Line == 0 {
		return fmt.Sprintf("%s: %s", e.File, text)
	}
	return fmt.Sprintf("%s:%d: %s", e.File, e.Line, text)
}

// userError is the payload of ERROR.
type userError struct {
	Code      string          `json:"code"`
	Type      string          `json:"type"`
	Message   string          `json:"message"`
	Traceback string          `json:"traceback"`
	Field     string          `json:"field"`
	Details   json.RawMessage `json:"details"`
	Usage     json.RawMessage `json:"usage"`
}
