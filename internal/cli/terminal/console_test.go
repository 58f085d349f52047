package terminal

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/runagent/runagent/internal/agent"
	"github.com/runagent/runagent/internal/app"
	"github.com/runagent/runagent/internal/invocation"
)

func testReady() app.Ready {
	return app.Ready{
		URL: "http://127.0.0.1:8451", WantedPort: 8450, Python: "3.12.1", Took: 312 * time.Millisecond,
		Agent:     &agent.Agent{ID: "id-1", Name: "My\x1b[31m agent", Slug: "my-agent", Dir: "/nowhere"},
		Callables: []agent.Callable{{Tag: "main", Type: agent.Generic, Signature: "f(x)"}},
	}
}

func TestConsole(t *testing.T) {
	t.Parallel()
	line := invocation.LogLine{Text: "a\tb\x1b[2J", Stream: "stdout", InvocationID: "0190-aaaa-12345678"}
	tests := []struct {
		name string
		show func(c *Console)
		out  []string
		talk []string
	}{
		{"ready", func(c *Console) { c.OnReady(testReady()) },
			[]string{"Serving My [31m agent at http://127.0.0.1:8451 (ready in 312ms, Python 3.12.1)\n", "  main        generic  f(x)\n", "\nTry it:\n  curl -s ", "http://127.0.0.1:8451/docs"},
			[]string{"Port 8450 is taken"}},
		{"reload", func(c *Console) {
			c.OnReload(app.Reload{Changed: []string{"a.py", "b.py"}, Took: 1234 * time.Millisecond})
		}, nil, []string{"reloaded a.py, b.py in 1.23s\n"}},
		{"broken reload", func(c *Console) {
			c.OnReload(app.Reload{Changed: []string{"1.py", "2.py", "3.py", "4.py"}, Problems: []app.Problem{
				{File: "main.py", Line: 3, Column: 7, Message: "SyntaxError: bad", Traceback: "Traceback…\n"},
				{File: "x.py", Line: 1, Message: "one"}, {Message: "nowhere"},
			}})
		}, nil, []string{"not reloaded 1.py, 2.py and 2 more; the last good code keeps serving\n  main.py:3:7: SyntaxError: bad\nTraceback…\n  x.py:1: one\n  nowhere\n"}},
		{"log of a call", func(c *Console) { c.OnLog(line) }, nil, []string{"12345678 │ a b [2J\n"}},
		{"log of the agent", func(c *Console) { c.OnLog(invocation.LogLine{Text: "x", Stream: "stderr"}) }, nil, []string{"   agent │ x\n"}},
		{"log of ours", func(c *Console) { c.OnLog(invocation.LogLine{Text: "x", Stream: "system"}) }, nil, []string{"runagent │ x\n"}},
		{"warning", func(c *Console) { c.OnWarning("odd") }, nil, []string{"warning: odd\n"}},
		{"progress", func(c *Console) { c.OnProgress("installing\r") }, nil, []string{"installing \n"}},
		{"stop", func(c *Console) { c.OnStop(0, time.Second) }, nil, []string{"Stopping.\n"}},
		{"stop with a call", func(c *Console) { c.OnStop(1, 10*time.Second) }, nil, []string{"waiting up to 10s for 1 call; Ctrl-C again"}},
		{"stop with calls", func(c *Console) { c.OnStop(2, time.Second) }, nil, []string{"for 2 calls"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var out, talk bytes.Buffer
			tt.show(NewConsole(&out, &talk, Palette{}, false))
			for _, want := range tt.out {
				if !strings.Contains(out.String(), want) {
					t.Errorf("stdout %q has no %q", out.String(), want)
				}
			}
			for _, want := range tt.talk {
				if !strings.Contains(talk.String(), want) {
					t.Errorf("stderr %q has no %q", talk.String(), want)
				}
			}
			if tt.out == nil && out.Len() > 0 {
				t.Errorf("stdout %q, want nothing", out.String())
			}
			if all := out.String() + talk.String(); strings.Contains(all, "\x1b") {
				t.Errorf("an escape sequence got through: %q", all)
			}
		})
	}
}

func TestConsoleColours(t *testing.T) {
	t.Parallel()
	var talk bytes.Buffer
	c := NewConsole(&talk, &talk, Palette{On: true}, false)
	c.OnLog(invocation.LogLine{Text: "bad", Level: "error", Stream: "logging"})
	if want := "\x1b[31mbad\x1b[0m"; !strings.Contains(talk.String(), want) {
		t.Errorf("%q has no %q", talk.String(), want)
	}
}

func TestLogConsoleWritesOneRecordEach(t *testing.T) {
	t.Parallel()
	var buf bytes.Buffer
	c := LogConsole{slog.New(slog.NewJSONHandler(&buf, nil))}
	c.OnProgress("p")
	c.OnReady(testReady())
	c.OnReload(app.Reload{Changed: []string{"a.py"}})
	c.OnReload(app.Reload{Problems: []app.Problem{{File: "a.py", Line: 2, Message: "m"}}})
	c.OnLog(invocation.LogLine{Text: "hi", InvocationID: "i1"})
	c.OnWarning("w")
	c.OnStop(1, time.Second)
	want := []string{"start progress", "agent ready", "agent reloaded", "agent not reloaded", "agent output", "serve warning", "agent stopping"}
	records := strings.Split(strings.TrimSpace(buf.String()), "\n")
	if len(records) != len(want) {
		t.Fatalf("%d records, want %d:\n%s", len(records), len(want), buf.String())
	}
	for i, record := range records {
		var got struct{ Msg string }
		if err := json.Unmarshal([]byte(record), &got); err != nil || got.Msg != want[i] {
			t.Errorf("record %d = %s, want %q", i, record, want[i])
		}
	}
	if !strings.Contains(records[3], `"a.py:2: m"`) {
		t.Errorf("no place in %s", records[3])
	}
}

func TestConsoleShowsFailures(t *testing.T) {
	t.Parallel()
	const traceback = "Traceback (most recent call last):\n  File \"/x/site-packages/lib/a.py\", line 9, in run\n    f()\n" +
		"  File \"main.py\", line 3, in main\n    raise ValueError(\"bad\")\nValueError: bad\n"
	raised := app.Failure{InvocationID: "0190-aaaa-12345678", Entrypoint: "main", Message: "ValueError: bad", Took: 12 * time.Millisecond, Traceback: traceback}
	late := raised
	late.Message, late.Traceback = "too late", ""
	for want, failure := range map[string]app.Failure{
		"12345678 │ main failed after 12ms: ValueError: bad\n  main.py:3 in main\n    raise ValueError(\"bad\")\n  1 more frame in lib; --verbose shows all\n": raised,
		"12345678 │ main failed after 12ms: too late\n":                            late,
		"2 calls more failed; `runagent invocations --status failed` lists them\n": {More: 2},
	} {
		var talk bytes.Buffer
		NewConsole(&talk, &talk, Palette{}, false).OnFailure(failure)
		if talk.String() != want {
			t.Errorf("%q, want %q", talk.String(), want)
		}
	}
	var text bytes.Buffer
	LogConsole{slog.New(slog.NewJSONHandler(&text, nil))}.OnFailure(raised)
	if !strings.Contains(text.String(), `"msg":"call failed","invocation_id":"0190-aaaa-12345678","entrypoint":"main"`) {
		t.Errorf("the log says %s", &text)
	}
}
