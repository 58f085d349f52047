package compat

import (
	"encoding/json"
	"testing"
	"unicode/utf8"

	"github.com/runagent/runagent/api"
	"github.com/runagent/runagent/internal/fault"
)

const agentID = "11111111-2222-4333-8444-555555555555"

func TestCompatMessagesReadWellAlone(t *testing.T) {
	t.Parallel()
	tests := []struct {
		code      fault.Code
		text, out string
	}{
		{fault.AgentNotFound, `agent "` + agentID + `" does not exist`, "not found: agent does not exist"},
		{fault.EntrypointNotFound, `entrypoint "x" not found; there is main`, `entrypoint "x" not found; there is main`},
		{fault.Overloaded, "gave up with 503 after " + agentID, "gave up with … after "},
		{fault.Timeout, "the deadline passed", "timeout: the deadline passed"},
		{fault.Execution, "HTTPError: 404 for " + agentID, "HTTPError: 404 for " + agentID},
		{fault.Internal, "open /secret", "the server failed inside; its log has more"},
	}
	for _, tt := range tests {
		if got := message(fault.New(tt.code, "%s", tt.text)); got != tt.out {
			t.Errorf("%s %q: got %q, want %q", tt.code, tt.text, got, tt.out)
		}
	}
}

// decodeData reads data as the published clients do: a string that holds
// {"type","payload"}, whose payload is a string that holds the value.
func decodeData(t testing.TB, data []byte) (kind, value string) {
	t.Helper()
	var text string
	var inner api.CompatData
	if err := json.Unmarshal(data, &text); err != nil {
		t.Fatalf("data is not a string: %v: %s", err, data)
	}
	if err := json.Unmarshal([]byte(text), &inner); err != nil {
		t.Fatalf("data holds no object: %v: %s", err, text)
	}
	if !json.Valid([]byte(inner.Payload)) {
		t.Fatalf("the payload is not JSON: %s", inner.Payload)
	}
	return inner.Type, inner.Payload
}

func FuzzAppendData(f *testing.F) {
	for _, text := range []string{`"a \"b\" \\ \n"`, `{"a":[1,2.0,null]}`, "[1,\n 2]", `""`} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, value []byte) {
		if !json.Valid(value) || !utf8.Valid(value) {
			return
		}
		_, payload := decodeData(t, appendData(nil, value))
		var got, want any
		if json.Unmarshal([]byte(payload), &got) != nil || json.Unmarshal(value, &want) != nil {
			return // numbers out of range
		}
		a, _ := json.Marshal(got)
		if b, _ := json.Marshal(want); string(a) != string(b) {
			t.Fatalf("%s became %s", b, a)
		}
	})
}

// TestCompatNamesFieldsAsTheDoorHasThem: its callers send entrypoint_tag.
func TestCompatNamesFieldsAsTheDoorHasThem(t *testing.T) {
	t.Parallel()
	for field, want := range map[string]string{"entrypoint": "entrypoint_tag", "/prompt": "/prompt"} {
		f := fault.New(fault.EntrypointNotFound, "not found").WithField(field)
		if got := failedEnvelope(f, "id").Error.Field; got == nil || *got != want {
			t.Errorf("field %s is told as %v, want %s", field, got, want)
		}
	}
	if got := failedEnvelope(fault.New(fault.NotFound, "not found"), "id").Error.Field; got != nil {
		t.Errorf("no field is told as %q", *got)
	}
}
