package server

import (
	"bytes"
	"encoding/json"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/agnivade/levenshtein"

	"github.com/runagent/runagent/internal/fault"
	"github.com/runagent/runagent/internal/invocation"
)

// maxTimeout is the longest a caller may ask for; beyond it a number is a mistake.
const maxTimeout = 7 * 24 * time.Hour

// dialect is how one door names the fields of a call. "" where it has none.
type dialect struct {
	fields []string // by field
	strict bool     // unknown fields are refused
}

// field indexes the parts of a call's envelope.
type field int

const (
	fEntrypoint field = iota
	fInput
	fArgs
	fKwargs
	fTimeout
	fMetadata
	fSession
	fAsync
	fMemory
	fType
	fRef
	fLogs
	fieldCount
)

// The doors' dialects. What stands at fInput may be an object or a list.
var (
	v1Dialect = dialect{strict: true, fields: []string{
		fEntrypoint: "entrypoint", fInput: "input", fArgs: "args", fTimeout: "timeout_seconds",
		fMetadata: "metadata", fSession: "session_id",
	}}
	socketDialect = dialect{strict: true, fields: []string{
		fEntrypoint: "entrypoint", fInput: "input", fArgs: "args", fTimeout: "timeout_seconds",
		fMetadata: "metadata", fSession: "session_id", fType: "type", fRef: "ref", fLogs: "logs",
	}}
	compatDialect = dialect{fields: []string{
		fEntrypoint: "entrypoint_tag", fArgs: "input_args", fKwargs: "input_kwargs", fTimeout: "timeout_seconds",
		fAsync: "async_execution", fMemory: "persistent_memory",
	}}
)

// envelope is where the parts of a call stand in its text. The payloads in it
// were checked to be well-formed and are otherwise untouched.
type envelope struct {
	text    []byte
	dialect *dialect
	parts   [fieldCount]span
	// bad is the first field that is not as the dialect has it. Reading goes
	// on past it, so that an answer can still name what it is about.
	bad error
}

// readEnvelope finds the parts of a call in one pass over its text.
func readEnvelope(text []byte, d *dialect) (envelope, error) {
	e := envelope{text: text, dialect: d}
	if err := checkUTF8(text); err != nil {
		return e, err
	}
	s := scanner{text: text}
	at, ok := s.object(e.put)
	switch {
	case s.deep:
		return e, fault.New(fault.Validation, "the body nests deeper than %d levels", maxDepth)
	case !ok:
		return e, notAnObject(text, at)
	}
	return e, e.bad
}

// put files one member of the envelope.
func (e *envelope) put(key []byte, value span) {
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

func (d *dialect) find(key []byte) (field, bool) {
	if bytes.IndexByte(key, '\\') >= 0 {
		key = []byte(unquoted(key))
	}
	for i, name := range d.fields {
		if string(key) == name && name != "" {
			return field(i), true
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
func (d *dialect) unknown(key string) error {
	key = clip(key, 64)
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

// present reports whether the part is there and not null.
func (e *envelope) present(f field) bool {
	p := e.parts[f]
	return p.to != 0 && e.text[p.from] != 'n'
}

// str returns a string part, "" when it is absent.
func (e *envelope) str(f field) (string, error) {
	if !e.present(f) {
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

// truth returns a boolean part, false when it is absent.
func (e *envelope) truth(f field) (bool, error) {
	if !e.present(f) {
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
func (e *envelope) raw(f field, bracket byte, what string) (json.RawMessage, error) {
	if !e.present(f) {
		return nil, nil
	}
	if e.text[e.parts[f].from] != bracket {
		return nil, e.wrongType(f, what)
	}
	return e.parts[f].of(e.text), nil
}

// timeout returns the caller's wish, 0 when there is none.
func (e *envelope) timeout() (time.Duration, error) {
	if !e.present(fTimeout) {
		return 0, nil
	}
	seconds, err := strconv.ParseFloat(string(e.parts[fTimeout].of(e.text)), 64)
	if err != nil || math.IsInf(seconds, 0) {
		return 0, e.wrongType(fTimeout, "a number of seconds")
	}
	if seconds <= 0 || seconds > maxTimeout.Seconds() {
		name := e.dialect.fields[fTimeout]
		return 0, fault.New(fault.Validation, "%s must be above 0 and at most %.0f", name, maxTimeout.Seconds()).WithField(name)
	}
	return max(time.Duration(seconds*float64(time.Second)), 1), nil
}

// arguments returns what the call hands to the entrypoint.
func (e *envelope) arguments() (args, kwargs json.RawMessage, err error) {
	if args, err = e.raw(fArgs, '[', "a list"); err != nil {
		return nil, nil, err
	}
	if kwargs, err = e.raw(fKwargs, '{', "an object"); err != nil || !e.present(fInput) {
		return args, kwargs, err
	}
	input := e.parts[fInput].of(e.text)
	switch {
	case input[0] == '{':
		return args, input, nil
	case input[0] == '[' && args != nil:
		return nil, nil, fault.New(fault.Validation, "input is a list and args is given too: both are the positional arguments").
			WithField("args").WithSuggestion("Give an object as input beside args, or only one of the two lists.")
	case input[0] == '[':
		return input, nil, nil
	}
	return nil, nil, e.wrongType(fInput, "an object of keyword arguments or a list of positional ones")
}

// call fills in what every door's envelope says.
func (e *envelope) call(req *invocation.Request) (err error) {
	if req.Entrypoint, err = e.str(fEntrypoint); err != nil {
		return err
	}
	if req.Args, req.Kwargs, err = e.arguments(); err != nil {
		return err
	}
	if req.Metadata, err = e.raw(fMetadata, '{', "an object"); err != nil {
		return err
	}
	if req.Timeout, err = e.timeout(); err != nil {
		return err
	}
	return e.refuseUnbuilt()
}

// refuseUnbuilt refuses what is specified and not built yet: ignoring it would
// give the caller something else than what was asked for.
func (e *envelope) refuseUnbuilt() error {
	if e.present(fSession) {
		return notBuilt("session_id")
	}
	for _, f := range [...]field{fAsync, fMemory} {
		on, err := e.truth(f)
		if err != nil {
			return err
		}
		if on {
			return notBuilt(e.dialect.fields[f])
		}
	}
	return nil
}

// notBuilt refuses a field, header or route by name.
func notBuilt(name string) error {
	return fault.New(fault.NotImplemented, "%s is not implemented yet", name).WithField(name)
}

func (e *envelope) wrongType(f field, want string) error {
	name := e.dialect.fields[f]
	return fault.New(fault.Validation, "%s must be %s", name, want).WithField(name)
}
