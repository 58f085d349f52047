package envelope

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/runagent/runagent/internal/invocation"
)

func TestReadFindsTheParts(t *testing.T) {
	t.Parallel()
	tests := []struct {
		body                               string
		args, kwargs, metadata, entrypoint string
		session                            string
		timeout                            time.Duration
	}{
		{body: `{}`},
		{body: ` {"input" : {"a":[1, 2]} } `, kwargs: `{"a":[1, 2]}`},
		{body: `{"input":[1,"x"]}`, args: `[1,"x"]`},
		{body: `{"args":[1],"input":{"k":null}}`, args: `[1]`, kwargs: `{"k":null}`},
		{body: `{"input":null,"args":null,"entrypoint":null,"timeout_seconds":null,"session_id":null}`},
		{body: `{"inp\u0075t":{"a":1}}`, kwargs: `{"a":1}`},
		{body: `{"entrypoint":"m\u00e4in","metadata":{"user":7},"timeout_seconds":1.5}`, entrypoint: "mäin", metadata: `{"user":7}`, timeout: 1500 * time.Millisecond},
		{body: `{"session_id":"k\u00e4se 1"}`, session: "käse 1"},
		{body: `{"input":{"input":{"input":1}}}`, kwargs: `{"input":{"input":1}}`},
	}
	for _, tt := range tests {
		e, err := Read([]byte(tt.body), &V1)
		var req invocation.Request
		if err == nil {
			err = e.Call(&req)
		}
		if err != nil {
			t.Errorf("%s: %v", tt.body, err)
			continue
		}
		if string(req.Args) != tt.args || string(req.Kwargs) != tt.kwargs || string(req.Metadata) != tt.metadata ||
			req.Entrypoint != tt.entrypoint || req.Timeout != tt.timeout || req.SessionID != tt.session {
			t.Errorf("%s: got args %s, kwargs %s, metadata %s, entrypoint %s, timeout %s, session %q", tt.body, req.Args, req.Kwargs, req.Metadata, req.Entrypoint, req.Timeout, req.SessionID)
		}
	}
}

func FuzzEnvelope(f *testing.F) {
	for _, text := range append(jsonCorpus, `{"input":{}}`, `{"input":[],"args":[]}`, `{"a\u0062":1}`) {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		e, err := Read(text, &Compat)
		if err == nil && !json.Valid(text) {
			t.Fatalf("accepted %q", text)
		}
		var req invocation.Request
		if err == nil && e.Call(&req) == nil && req.Args != nil && !json.Valid(req.Args) {
			t.Fatalf("args of %q are %q", text, req.Args)
		}
	})
}

func TestTameIsWhatEveryLibraryReadsAlike(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		`{"input":{"a":"x","b":[1,-2.5,true,null]}}`:    true,
		`{"input":{"a":123456789012345678}}`:            true,
		`{"input":{"a":-123456789012345678.123456789}}`: true,
		`{"input":{"a":1234567890123456789}}`:           false,
		`{"input":{"a":[0,{"b":1e3}]}}`:                 false,
		`{"input":{"a":1.5E-7}}`:                        false,
		`{"input":{"a":"1e3 1234567890123456789"}}`:     true,
	} {
		e, err := Read([]byte(text), &V1)
		var req invocation.Request
		if err == nil {
			err = e.Call(&req)
		}
		if err != nil || req.Tame != want {
			t.Errorf("%s: tame %v, want %v (%v)", text, req.Tame, want, err)
		}
	}
}
