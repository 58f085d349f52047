package agent

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	defaultWebhookTimeout = 30 * time.Second
	defaultStartTimeout   = 30 * time.Second
	defaultStopTimeout    = 10 * time.Second
)

// Parse reads the text of a manifest and returns it with all that is wrong
// with it; file is its path as problems should name it. The manifest is nil
// when src is no JSON object. With problems it holds what could be read, good
// for looking further; only one without problems is good for use.
func Parse(file string, src []byte) (*Manifest, Problems) {
	d := parseDocument(file, src)
	root, isObject := d.root.(map[string]any)
	if d.root == nil || !isObject {
		if len(d.problems) == 0 {
			d.fail(d.places[""].start, "", "must be a JSON object: { … }")
		}
		return nil, d.problems.Sorted()
	}
	r := &reader{d: d, problems: append(d.problems, checkShape(d)...)}
	m := r.manifest(root)
	m.Raw, m.doc = d.src, d
	r.checkPaths(m)
	r.checkEntrypoints(m)
	r.checkScaling(m)
	r.checkEnvNames(root)
	return m, r.problems.Sorted()
}

// reader turns a document's values into a Manifest. What has the wrong type is
// among the problems already and left out silently.
type reader struct {
	d        *document
	problems Problems
}

// add notes a problem unless its value is known to be wrong.
func (r *reader) add(p Problem) {
	known := func(q Problem) bool { return q.Path == p.Path && q.Line == p.Line && q.Column == p.Column }
	if !r.full() && !slices.ContainsFunc(r.problems, known) {
		r.problems = append(r.problems, p)
	}
}

// full reports whether more problems would help nobody.
func (r *reader) full() bool { return len(r.problems) >= maxProblems }

func (r *reader) manifest(root map[string]any) *Manifest {
	m := &Manifest{
		AgentID:           text(root, "agent_id"),
		AgentName:         strings.TrimSpace(text(root, "agent_name")),
		Description:       text(root, "description"),
		Framework:         or(text(root, "framework"), "default"),
		Template:          text(root, "template"),
		Version:           or(text(root, "version"), "0.0.0"),
		EnvVars:           texts(root, "env_vars"),
		OnConflict:        or(text(object(root, "sessions"), "on_conflict"), "enqueue"),
		Python:            strings.TrimSpace(text(root, "python")),
		Requirements:      text(root, "requirements"),
		AuthType:          or(text(object(root, "auth_settings"), "type"), "none"),
		PersistentFolders: list(root, "persistent_folders"),
		NetworkAllow:      list(object(root, "network"), "allow"),
		Resources:         r.resources(object(root, "resources")),
		Scaling:           r.scaling(object(root, "scaling")),
		Batch:             batchRules(object(root, "batch")),
		Retries:           r.retries(object(root, "retries")),
		Lifecycle:         r.lifecycle(object(root, "lifecycle")),
	}
	if missingID(m.AgentID) {
		m.AgentID = ""
	}
	if m.Framework == "custom" {
		m.Framework = "default"
	}
	items, _ := object(root, "agent_architecture")["entrypoints"].([]any)
	for i, item := range items {
		entry, _ := item.(map[string]any)
		m.Entrypoints = append(m.Entrypoints, r.entrypoint(entry, entrypointPath(i)))
	}
	return m
}

// entrypointPath returns the JSON Pointer of the entrypoint with the index.
func entrypointPath(i int) string {
	return "/agent_architecture/entrypoints/" + strconv.Itoa(i)
}

func (r *reader) entrypoint(entry map[string]any, path string) Entrypoint {
	e := Entrypoint{
		Tag:         text(entry, "tag"),
		File:        text(entry, "file"),
		Module:      text(entry, "module"),
		Type:        Type(text(entry, "type")),
		Description: text(entry, "description"),
		Extractor:   texts(entry, "extractor"),
		WebhookURL:  text(entry, "webhook_url"),
	}
	if e.WebhookURL != "" {
		e.Method = strings.ToUpper(or(text(entry, "method"), "POST"))
		e.Timeout = r.duration(entry, path, "timeout")
		if e.Timeout == 0 {
			e.Timeout = defaultWebhookTimeout
		}
	}
	return e
}

func (r *reader) lifecycle(o map[string]any) Lifecycle {
	l := Lifecycle{Start: Hook{Timeout: defaultStartTimeout}, Stop: Hook{Timeout: defaultStopTimeout}}
	for _, h := range l.hooks() {
		given := object(o, h.when)
		h.File, h.Module = text(given, "file"), text(given, "module")
		if d := r.duration(given, "/lifecycle/"+h.when, "timeout"); d > 0 {
			h.Timeout = d
		}
	}
	return l
}

func (r *reader) resources(o map[string]any) Resources {
	return Resources{
		MemoryBytes: quantity(r, o, "/resources", "memory", ParseSize),
		CPU:         quantity(r, o, "/resources", "cpu", parseCPU),
		Timeout:     r.duration(o, "/resources", "timeout"),
		Concurrency: whole(o, "concurrency"),
		PIDs:        whole(o, "pids"),
		DiskBytes:   quantity(r, o, "/resources", "disk", ParseSize),
	}
}

func (r *reader) scaling(o map[string]any) Scaling {
	target, _ := strconv.ParseFloat(scalar(o, "target"), 64)
	return Scaling{
		MinInstances: whole(o, "min_instances"),
		MaxInstances: whole(o, "max_instances"),
		Target:       target,
		IdleTimeout:  r.duration(o, "/scaling", "idle_timeout"),
	}
}

func (r *reader) retries(o map[string]any) Retries {
	return Retries{MaxAttempts: whole(o, "max_attempts"), Backoff: r.duration(o, "/retries", "backoff")}
}

func batchRules(o map[string]any) BatchRules {
	wait, _ := strconv.ParseFloat(scalar(o, "max_wait_ms"), 64)
	isolate, _ := o["isolate"].(bool)
	return BatchRules{
		MaxSize: whole(o, "max_size"),
		MaxWait: time.Duration(min(max(wait, 0), 60_000) * float64(time.Millisecond)),
		Isolate: isolate,
	}
}

func (r *reader) duration(o map[string]any, path, key string) time.Duration {
	return quantity(r, o, path, key, ParseDuration)
}

// quantity reads a value that is written as a number or as text with a unit.
func quantity[T any](r *reader, o map[string]any, path, key string, parse func(string) (T, error)) T {
	var none T
	written := scalar(o, key)
	if written == "" {
		return none
	}
	v, err := parse(written)
	if err != nil {
		path = pointer(path, key)
		r.add(r.d.atValue(path, fmt.Sprintf("%s: %v", dottedPointer(path), err), ""))
		return none
	}
	return v
}

// dottedPointer is dotted for a JSON Pointer.
func dottedPointer(path string) string {
	keys := strings.Split(strings.TrimPrefix(path, "/"), "/")
	for i := range keys {
		keys[i] = unescapePointer.Replace(keys[i])
	}
	return dotted(keys)
}

func or(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}

func text(o map[string]any, key string) string {
	s, _ := o[key].(string)
	return s
}

func object(o map[string]any, key string) map[string]any {
	below, _ := o[key].(map[string]any)
	return below
}

// scalar returns a string as it is, a number in its shortest form, else "".
func scalar(o map[string]any, key string) string {
	switch v := o[key].(type) {
	case string:
		return v
	case int64:
		return strconv.FormatInt(v, 10)
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	return ""
}

func whole(o map[string]any, key string) int {
	switch v := o[key].(type) {
	case int64:
		return int(v)
	case float64: // 1e3 and 4.0 are whole numbers too
		return int(min(max(v, 0), 1<<31))
	}
	return 0
}

func list(o map[string]any, key string) []string {
	items, _ := o[key].([]any)
	var out []string
	for _, item := range items {
		if s, ok := item.(string); ok {
			out = append(out, s)
		}
	}
	return out
}

func texts(o map[string]any, key string) map[string]string {
	out := map[string]string{}
	for k, v := range object(o, key) {
		if s, ok := v.(string); ok {
			out[k] = s
		}
	}
	return out
}

// MarshalJSON returns the manifest as the author wrote it.
func (m *Manifest) MarshalJSON() ([]byte, error) {
	if !json.Valid(m.Raw) {
		return nil, fmt.Errorf("manifest of %q has no text", m.AgentName)
	}
	return m.Raw, nil
}
