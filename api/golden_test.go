package api

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// messages names the type of each golden file.
var messages = map[string]func() any{
	"agent":               func() any { return new(Agent) },
	"bundle":              func() any { return new(Bundle) },
	"deploy_request":      func() any { return new(DeployRequest) },
	"deploy_event":        func() any { return new(DeployEvent) },
	"platform_status":     func() any { return new(PlatformStatus) },
	"secret":              func() any { return new(Secret) },
	"rollback_request":    func() any { return new(RollbackRequest) },
	"traffic":             func() any { return new(Traffic) },
	"traffic_request":     func() any { return new(TrafficRequest) },
	"scale":               func() any { return new(Scale) },
	"scale_request":       func() any { return new(ScaleRequest) },
	"error":               func() any { return new(ErrorBody) },
	"health":              func() any { return new(Health) },
	"invocation":          func() any { return new(Invocation) },
	"invoke_request":      func() any { return new(InvokeRequest) },
	"invoke_response":     func() any { return new(InvokeResponse) },
	"log":                 func() any { return new(LogLine) },
	"event_start":         func() any { return new(StartEvent) },
	"event_chunk":         func() any { return new(ChunkEvent) },
	"event_done":          func() any { return new(DoneEvent) },
	"socket_invoke":       func() any { return new(SocketRequest) },
	"socket_started":      func() any { return new(SocketEvent) },
	"socket_chunk":        func() any { return new(SocketEvent) },
	"socket_result":       func() any { return new(SocketEvent) },
	"socket_error":        func() any { return new(SocketEvent) },
	"compat_run":          func() any { return new(CompatRunRequest) },
	"compat_success":      func() any { return new(CompatEnvelope) },
	"compat_failure":      func() any { return new(CompatEnvelope) },
	"compat_started":      func() any { return new(CompatFrame) },
	"compat_data":         func() any { return new(CompatFrame) },
	"compat_completed":    func() any { return new(CompatFrame) },
	"compat_error":        func() any { return new(CompatFrame) },
	"compat_architecture": func() any { return new(CompatEnvelope) },
	"compat_invocation":   func() any { return new(CompatInvocation) },
	"compat_stats":        func() any { return new(CompatStats) },
}

// TestGoldenMessages reads each message into its type and writes it again: the
// same must come out. Who changes a type so that this fails changes every client.
func TestGoldenMessages(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*.json")
	if err != nil || len(files) != len(messages) {
		t.Errorf("%d files, %d messages, %v", len(files), len(messages), err)
	}
	for name, fresh := range messages {
		text, err := os.ReadFile(filepath.Join("testdata", name+".json"))
		if err != nil {
			t.Error(err)
			continue
		}
		message := fresh()
		d := json.NewDecoder(bytes.NewReader(text))
		d.DisallowUnknownFields()
		if err := d.Decode(message); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		got, err := json.MarshalIndent(message, "", "  ")
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if want := strings.TrimSpace(string(text)); string(got) != want {
			t.Errorf("%s: got\n%s\nwant\n%s", name, got, want)
		}
	}
}
