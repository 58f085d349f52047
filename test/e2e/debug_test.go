package e2e

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/runagent/runagent/test/pythonenv"
	"github.com/runagent/runagent/test/served"
)

const debugged = `def main(n: int) -> dict:
    total = n * 2
    return {"total": total}


async def waits(n: int) -> dict:
    total = n * 2
    return {"total": total}
`

// stops are the lines of breakpoints in debugged, by entrypoint.
var stops = map[string]float64{"main": 3, "waits": 8}

var debuggedFiles = map[string]string{
	"agent.py": debugged,
	"runagent.config.json": `{"agent_name": "agent", "agent_id": "agent", "resources": {"timeout": "100ms"},
		"agent_architecture": {"entrypoints": [
			{"tag": "main", "file": "agent.py", "module": "main"}, {"tag": "waits", "file": "agent.py", "module": "waits"}]}}`,
}

// TestServeWaitsForADebugger attaches as an editor does, stops a call at a
// breakpoint for longer than its deadline, and lets it end.
func TestServeWaitsForADebugger(t *testing.T) {
	t.Parallel()
	python := pythonenv.For(t, "debugpy==1.8.22")
	port := freePort(t)
	a := served.Launch(t, served.Options{
		Files: debuggedFiles, Args: []string{"--python", python, "--debug-port", fmt.Sprint(port), "--host", "127.0.0.1"},
	})
	a.WaitOutput(fmt.Sprintf("waiting for a debugger at 127.0.0.1:%d", port))
	editor := attach(t, port)
	editor.request("initialize", map[string]any{"adapterID": "test", "pathFormat": "path", "linesStartAt1": true})
	editor.waitFor("response", "initialize")
	editor.request("attach", map[string]any{"justMyCode": true})
	editor.waitFor("event", "initialized")
	file, err := filepath.EvalSymlinks(filepath.Join(a.Dir, "agent.py"))
	if err != nil {
		t.Fatal(err)
	}
	editor.request("setBreakpoints", map[string]any{"source": map[string]any{"path": file}, "breakpoints": []any{
		map[string]any{"line": stops["main"]}, map[string]any{"line": stops["waits"]},
	}})
	editor.waitFor("response", "setBreakpoints")
	editor.request("configurationDone", nil)
	a.WaitOutput("a debugger is attached")
	a.URL = strings.TrimPrefix(a.WaitOutput(`at http://\S+:\d+`), "at ")

	for tag := range stops {
		stopsAt(t, a, editor, tag)
	}
}

// stopsAt calls an entrypoint, finds it stopped at its line, and lets it go on.
func stopsAt(t *testing.T, a *served.Agent, editor *editor, tag string) {
	t.Helper()
	answers := make(chan served.Answer, 1)
	go func() { answers <- invoke(a, tag) }()
	stopped := editor.waitFor("event", "stopped")
	if stopped["reason"] != "breakpoint" {
		t.Errorf("%s: stopped by %v", tag, stopped["reason"])
	}
	select {
	case answer := <-answers:
		t.Fatalf("%s: the call ended at a breakpoint: %s", tag, answer.Body)
	case <-time.After(time.Second): // ten times its timeout
	}
	editor.request("stackTrace", map[string]any{"threadId": stopped["threadId"], "levels": 1})
	frames, _ := editor.waitFor("response", "stackTrace")["stackFrames"].([]any)
	if len(frames) == 0 || frames[0].(map[string]any)["name"] != tag || frames[0].(map[string]any)["line"] != stops[tag] {
		t.Errorf("%s: stopped at %v", tag, frames)
	}
	editor.request("continue", map[string]any{"threadId": stopped["threadId"]})
	select {
	case answer := <-answers:
		if string(answer.Result) != `{"total":42}` {
			t.Errorf("%s: got %s", tag, answer.Body)
		}
	case <-time.After(time.Minute):
		t.Fatalf("%s: the call did not go on", tag)
	}
}

func invoke(a *served.Agent, tag string) served.Answer {
	res, err := http.Post(a.URL+"/v1/agents/agent/invoke", "application/json", strings.NewReader(served.Envelope(tag, served.Input{"n": 21}))) //nolint:noctx // the test's end ends the server
	if err != nil {
		return served.Answer{Body: err.Error()}
	}
	defer res.Body.Close()
	answer, err := served.Read(res)
	if err != nil {
		return served.Answer{Body: err.Error()}
	}
	return answer
}

func TestServeSaysThatDebugpyIsMissing(t *testing.T) {
	t.Parallel()
	a := served.Launch(t, served.Options{Files: debuggedFiles, Args: []string{"--debug-port", "5678"}})
	if code := a.Wait(); code != 1 || !strings.Contains(a.Output(), "add debugpy to requirements.txt") && !strings.Contains(a.Output(), "no Python") {
		t.Errorf("code %d: %s", code, a.Output())
	}
}

func TestServeRefusesWrongDebugPorts(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"--debug-port", "70000"}, {"--debug-port", "5678", "--instances", "2"}} {
		code, _, stderr := served.Run(t, t.TempDir(), append([]string{"serve", t.TempDir()}, args...)...)
		if code != 2 || !strings.Contains(stderr, "--debug-port") {
			t.Errorf("%v: code %d, %s", args, code, stderr)
		}
	}
}

// editor speaks the Debug Adapter Protocol.
type editor struct {
	t    *testing.T
	conn net.Conn
	in   *bufio.Reader
	seq  int
}

func attach(t *testing.T, port int) *editor {
	t.Helper()
	conn, err := net.DialTimeout("tcp", fmt.Sprintf("127.0.0.1:%d", port), time.Minute) //nolint:noctx // bounded
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(2 * time.Minute)); err != nil {
		t.Fatal(err)
	}
	return &editor{t: t, conn: conn, in: bufio.NewReader(conn)}
}

func (e *editor) request(command string, arguments map[string]any) {
	e.t.Helper()
	e.seq++
	body, err := json.Marshal(map[string]any{"seq": e.seq, "type": "request", "command": command, "arguments": arguments})
	if err != nil {
		e.t.Fatal(err)
	}
	if _, err := fmt.Fprintf(e.conn, "Content-Length: %d\r\n\r\n%s", len(body), body); err != nil {
		e.t.Fatal(err)
	}
}

// waitFor returns the body of the next message of a kind and name; others are skipped.
func (e *editor) waitFor(kind, name string) map[string]any {
	e.t.Helper()
	for {
		var length int
		for line := " "; line != ""; {
			text, err := e.in.ReadString('\n')
			if err != nil {
				e.t.Fatalf("wait for the %s %s: %v", kind, name, err)
			}
			line = strings.TrimSpace(text)
			_, _ = fmt.Sscanf(line, "Content-Length: %d", &length)
		}
		raw := make([]byte, length)
		if _, err := io.ReadFull(e.in, raw); err != nil {
			e.t.Fatal(err)
		}
		var message struct {
			Type, Event, Command string
			Message              string
			Success              *bool
			Body                 map[string]any
		}
		if err := json.Unmarshal(raw, &message); err != nil {
			e.t.Fatal(err)
		}
		if message.Success != nil && !*message.Success {
			e.t.Fatalf("%s: %s", message.Command, message.Message)
		}
		if message.Type == kind && message.Event+message.Command == name {
			return message.Body
		}
	}
}

func freePort(t *testing.T) int {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // closed at once
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port
}
