// Package envelope reads the JSON around a call: it checks the whole text in
// one pass and finds the parts of the call in it, without building values. What
// the caller hands to the agent stays as it came.
package envelope

import (
	"bytes"
	"encoding/json"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/agnivade/levenshtein"

	"github.com/runagent/runagent/internal/fault"
	"github.com/runagent/runagent/internal/invocation"
)

// maxTimeout is the longest a caller may ask for; beyond it a number is a mistake.
const maxTimeout = 7 * 24 * time.Hour

// maxSession bounds the key of a session, in bytes.
const maxSession = 256

// Dialect is how one door names the fields of a call. "" where it has none.
type Dialect struct {
	fields []string // by field
	strict bool     // unknown fields are refused
}

// Field indexes the parts of a call's envelope.
type Field int

// The fields of both doors' envelopes.
const (
	Entrypoint Field = iota
	Input
	Args
	Kwargs
	Timeout
	Metadata
	Session
	Async
	Memory
	Type
	Ref
	Logs
	fieldCount
)

// The doors' dialects. What stands at Input may be an object or a list.
var (
	V1 = Dialect{strict: true, fields: []string{
		Entrypoint: "entrypoint", Input: "input", Args: "args", Timeout: "timeout_seconds",
		Metadata: "metadata", Session: "session_id",
	}}
	Socket = Dialect{strict: true, fields: []string{
		Entrypoint: "entrypoint", Input: "input", Args: "args", Timeout: "timeout_seconds",
		Metadata: "metadata", Session: "session_id", Type: "type", Ref: "ref", Logs: "logs",
	}}
	Compat = Dialect{fields: []string{
		Entrypoint: "entrypoint_tag", Args: "input_args", Kwargs: "input_kwargs", Timeout: "timeout_seconds",
		Async: "async_execution", Memory: "persistent_memory",
	}}
)

// Envelope is where the parts of a call stand in its text. The payloads in it
// were checked to be well-formed and are otherwise untouched.
type Envelope struct {
	text    []byte
	dialect *Dialect
	parts   [fieldCount]span
	// tame is as in invocation.Call.
	tame bool
	// bad is the first field that is not as the dialect has it. Reading goes
	// on past it, so that an answer can still name what it is about.
	bad error
}

// Read finds the parts of a call in one pass over its text.
func Read(text []byte, d *Dialect) (Envelope, error) {
	e := Envelope{text: text, dialect: d}
	s := scanner{text: text}
	at, ok := s.object(e.put)
	if !ok || s.wide != 0 {
		if err := checkUTF8(text); err != nil {
			return Envelope{text: text, dialect: d}, err
		}
	}
	e.tame = !s.wild
	switch {
	case s.deep:
		return e, fault.New(fault.Validation, "the body nests deeper than %d levels", maxDepth)
	case !ok:
		return e, notAnObject(text, at)
	}
	return e, e.bad
}

// put files one member of the envelope.
func (e *Envelope) put(key []byte, value span) {
	f, known := e.dialect.find(key)
	switch {
	case !known && e.dialect.strict && e.bad == nil:
		e.bad = e.dialect.unknown(unquoted(key))
	case !known:
	case e.parts[f].to != 0 && e.bad == nil:
		name := e.dialect.fields[f]
		e.bad = fault.New(fault.Validation, "the body names %q twice", name).WithField(name)
	default:
		e.parts[f] = value
	}
}

func (d *Dialect) find(key []byte) (Field, bool) {
	if bytes.IndexByte(key, '\\') >= 0 {
		key = []byte(unquoted(key))
	}
	for i, name := range d.fields {
		if string(key) == name && name != "" {
			return Field(i), true
		}
	}
	return 0, false
}

// unquoted returns the key that stands escaped between quotes.
func unquoted(key []byte) string {
	var text string
	if err := json.Unmarshal([]byte(`"`+string(key)+`"`), &text); err != nil {
		return string(key)
	}
	return text
}

// unknown is the error for a field that the dialect does not have.
func (d *Dialect) unknown(key string) error {
	key = Clip(key, 64)
	nearest, best := "", 4
	names := make([]string, 0, len(d.fields))
	for _, name := range d.fields {
		if name == "" {
			continue
		}
		names = append(names, name)
		if distance := levenshtein.ComputeDistance(strings.ToLower(key), name); distance < best {
			nearest, best = name, distance
		}
	}
	err := fault.New(fault.Validation, "the body has an unknown field %q", key)
	if nearest != "" {
		err = fault.New(fault.Validation, "the body has an unknown field %q; did you mean %q?", key, nearest)
	}
	return err.WithField(key).WithSuggestion("The fields are %s. Arguments of the agent belong into input.", strings.Join(names, ", "))
}

// Present reports whether the part is there and not null.
func (e *Envelope) Present(f Field) bool {
	p := e.parts[f]
	return p.to != 0 && e.text[p.from] != 'n'
}

// Str returns a string part, "" when it is absent.
func (e *Envelope) Str(f Field) (string, error) {
	if !e.Present(f) {
		return "", nil
	}
	raw := e.parts[f].of(e.text)
	if raw[0] != '"' {
		return "", e.wrongType(f, "a string")
	}
	for _, c := range raw {
		if c == '\\' {
			var text string
			err := json.Unmarshal(raw, &text)
			return text, err
		}
	}
	return string(raw[1 : len(raw)-1]), nil
}

// Truth returns a boolean part, false when it is absent.
func (e *Envelope) Truth(f Field) (bool, error) {
	if !e.Present(f) {
		return false, nil
	}
	switch e.text[e.parts[f].from] {
	case 't':
		return true, nil
	case 'f':
		return false, nil
	}
	return false, e.wrongType(f, "true or false")
}

// raw returns a part that must start with the given bracket, nil when absent.
func (e *Envelope) raw(f Field, bracket byte, what string) (json.RawMessage, error) {
	if !e.Present(f) {
		return nil, nil
	}
	if e.text[e.parts[f].from] != bracket {
		return nil, e.wrongType(f, what)
	}
	return e.parts[f].of(e.text), nil
}

// timeout returns the caller's wish, 0 when there is none.
func (e *Envelope) timeout() (time.Duration, error) {
	if !e.Present(Timeout) {
		return 0, nil
	}
	seconds, err := strconv.ParseFloat(string(e.parts[Timeout].of(e.text)), 64)
	if err != nil || math.IsInf(seconds, 0) {
		return 0, e.wrongType(Timeout, "a number of seconds")
	}
	if seconds <= 0 || seconds > maxTimeout.Seconds() {
		name := e.dialect.fields[Timeout]
		return 0, fault.New(fault.Validation, "%s must be above 0 and at most %.0f", name, maxTimeout.Seconds()).WithField(name)
	}
	return max(time.Duration(seconds*float64(time.Second)), 1), nil
}

// session reads the key of a session: some text that can be shown in a line.
func (e *Envelope) session() (string, error) {
	id, err := e.Str(Session)
	if err != nil || !e.Present(Session) {
		return "", err
	}
	if id == "" || len(id) > maxSession || strings.ContainsFunc(id, unicode.IsControl) {
		name := e.dialect.fields[Session]
		return "", fault.New(fault.Validation, "%s must have 1 to %d bytes and no control characters", name, maxSession).WithField(name)
	}
	return id, nil
}

// arguments returns what the call hands to the entrypoint.
func (e *Envelope) arguments() (args, kwargs json.RawMessage, err error) {
	if args, err = e.raw(Args, '[', "a list"); err != nil {
		return nil, nil, err
	}
	if kwargs, err = e.raw(Kwargs, '{', "an object"); err != nil || !e.Present(Input) {
		return args, kwargs, err
	}
	input := e.parts[Input].of(e.text)
	switch {
	case input[0] == '{':
		return args, input, nil
	case input[0] == '[' && args != nil:
		return nil, nil, fault.New(fault.Validation, "input is a list and args is given too: both are the positional arguments").
			WithField("args").WithSuggestion("Give an object as input beside args, or only one of the two lists.")
	case input[0] == '[':
		return input, nil, nil
	}
	return nil, nil, e.wrongType(Input, "an object of keyword arguments or a list of positional ones")
}

// Call fills in what every door's envelope says.
func (e *Envelope) Call(req *invocation.Request) (err error) {
	if req.Entrypoint, err = e.Str(Entrypoint); err != nil {
		return err
	}
	if req.Args, req.Kwargs, err = e.arguments(); err != nil {
		return err
	}
	req.Tame = e.tame
	if req.Metadata, err = e.raw(Metadata, '{', "an object"); err != nil {
		return err
	}
	if req.Timeout, err = e.timeout(); err != nil {
		return err
	}
	if req.SessionID, err = e.session(); err != nil {
		return err
	}
	return e.refuseUnbuilt()
}

// refuseUnbuilt refuses what is specified and not built yet: ignoring it would
// give the caller something else than what was asked for.
func (e *Envelope) refuseUnbuilt() error {
	for _, f := range [...]Field{Async, Memory} {
		on, err := e.Truth(f)
		if err != nil {
			return err
		}
		if on {
			return NotBuilt(e.dialect.fields[f])
		}
	}
	return nil
}

// NotBuilt refuses a field, header or route by name.
func NotBuilt(name string) error {
	return fault.New(fault.NotImplemented, "%s is not implemented yet", name).WithField(name)
}

func (e *Envelope) wrongType(f Field, want string) error {
	name := e.dialect.fields[f]
	return fault.New(fault.Validation, "%s must be %s", name, want).WithField(name)
}

func checkUTF8(text []byte) error {
	if utf8.Valid(text) {
		return nil
	}
	return fault.New(fault.Validation, "the body is not UTF-8 text")
}

// notAnObject says what is wrong with a text that is no JSON object. at is
// where reading stopped.
func notAnObject(text []byte, at int) error {
	if len(bytes.TrimSpace(text)) == 0 {
		return fault.New(fault.Validation, "the body is empty; send a JSON object")
	}
	if json.Valid(text) {
		return fault.New(fault.Validation, "the body must be a JSON object")
	}
	line := 1 + bytes.Count(text[:min(at, len(text))], []byte("\n"))
	column := min(at, len(text)) - bytes.LastIndexByte(text[:min(at, len(text))], '\n')
	return fault.New(fault.Validation, "the body is not JSON: line %d, column %d is wrong", line, column)
}

// Clip shortens text from outside before it goes into a message.
func Clip(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	for limit > 0 && !utf8.RuneStart(text[limit]) {
		limit--
	}
	return text[:limit] + "…"
}
