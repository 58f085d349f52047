package python

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/runagent/runagent/internal/agent"
)

// inspectTimeout bounds one look at an agent's files.
const inspectTimeout = 15 * time.Second

// maxInspection bounds what the script may answer.
const maxInspection = 32 << 20

// Inspector looks at an agent's files by parsing them with a Python, without
// running them. It is safe for concurrent use.
type Inspector struct {
	python  string
	script  string
	timeout time.Duration
	// candidates is the script that finds what could be called.
	candidates string
}

// NewInspector returns an Inspector that uses the interpreter at python and
// the shim unpacked at root.
func NewInspector(python, root string) *Inspector {
	return &Inspector{
		python:  python,
		script:  filepath.Join(root, "runagent_shim", "inspect_source.py"),
		timeout: inspectTimeout,

		candidates: filepath.Join(root, "runagent_shim", "find_candidates.py"),
	}
}

// Inspection is what an agent's files say.
type Inspection struct {
	Entrypoints []Found `json:"entrypoints"`
	// Imports are the modules from outside the folder that the files import.
	Imports []string `json:"imports"`
	Python  string   `json:"python"`
}

// Found is what the files say about one entrypoint.
type Found struct {
	Tag  string `json:"tag"`
	File string `json:"file"`
	OK   bool   `json:"ok"`
	// Problem is missing_file, unreadable, syntax, missing_name or
	// missing_method; Message says it, Line and Column where, from 1.
	Problem string `json:"problem"`
	Message string `json:"message"`
	Line    int    `json:"line"`
	Column  int    `json:"column"`
	// Names are what the file has at its top level, Nearest the one most like
	// the missing one.
	Names   []string `json:"names"`
	Nearest string   `json:"nearest"`
	// Kind is function, class, variable, import or unknown.
	Kind      string `json:"kind"`
	Async     bool   `json:"async"`
	Generator bool   `json:"generator"`
}

type inspectRequest struct {
	Dir         string              `json:"dir"`
	Entrypoints []inspectEntrypoint `json:"entrypoints"`
	Imports     bool                `json:"imports"`
}

type inspectEntrypoint struct {
	File   string     `json:"file"`
	Module string     `json:"module"`
	Tag    string     `json:"tag"`
	Type   agent.Type `json:"type"`
}

// Look returns what the files of the agent in dir say about entrypoints, and
// with imports also which modules they import. Webhook entrypoints have no
// file and are left out.
func (x *Inspector) Look(ctx context.Context, dir string, entrypoints []agent.Entrypoint, imports bool) (*Inspection, error) {
	req := inspectRequest{Dir: dir, Imports: imports, Entrypoints: []inspectEntrypoint{}}
	for _, e := range entrypoints {
		if e.WebhookURL == "" {
			req.Entrypoints = append(req.Entrypoints, inspectEntrypoint{File: e.File, Module: e.Module, Tag: e.Tag, Type: e.Type})
		}
	}
	out, err := x.run(ctx, x.script, req)
	if err != nil {
		return nil, fmt.Errorf("inspect %s: %w", dir, err)
	}
	var found Inspection
	if err := json.Unmarshal(out, &found); err != nil {
		return nil, fmt.Errorf("inspect %s: read the answer: %w", dir, err)
	}
	return &found, nil
}

// FirstList is the import list of an agent of which no instance has run yet:
// the modules that its files name.
func (x *Inspector) FirstList(ctx context.Context, dir string, entrypoints []agent.Entrypoint) (ImportList, error) {
	found, err := x.Look(ctx, dir, entrypoints, true)
	if err != nil {
		return ImportList{}, err
	}
	return ImportList{Modules: found.Imports}, nil
}

func (x *Inspector) run(ctx context.Context, script string, req any) ([]byte, error) {
	body, err := json.Marshal(req)
	if err != nil {
		return nil, fmt.Errorf("encode the request: %w", err)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, x.timeout, errors.New("the files took too long to parse"))
	defer cancel()
	cmd := exec.CommandContext(ctx, x.python, "-I", "-S", script)
	cmd.Env = []string{"PYTHONDONTWRITEBYTECODE=1", "PYTHONUTF8=1"}
	cmd.Stdin = bytes.NewReader(body)
	cmd.WaitDelay = time.Second
	out, stderr := &capped{limit: maxInspection}, &capped{limit: 64 << 10}
	cmd.Stdout, cmd.Stderr = out, stderr
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return nil, fmt.Errorf("%w: %s", err, lastLine(stderr.String()))
	}
	if out.cut {
		return nil, fmt.Errorf("the answer is over %d bytes", maxInspection)
	}
	return out.Bytes(), nil
}

// capped keeps the first bytes of what is written and drops the rest.
type capped struct {
	bytes.Buffer
	limit int
	cut   bool
}

// Write keeps what fits and never fails, or the writer would stop early.
func (c *capped) Write(p []byte) (int, error) {
	room := c.limit - c.Len()
	if len(p) > room {
		c.cut = true
		c.Buffer.Write(p[:max(room, 0)])
		return len(p), nil
	}
	return c.Buffer.Write(p)
}
