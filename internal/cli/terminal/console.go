package terminal

import (
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/runagent/runagent/internal/app"
	"github.com/runagent/runagent/internal/cli/sample"
	"github.com/runagent/runagent/internal/invocation"
)

// Console shows on a terminal what happens while an agent is served: where it
// is on stdout, the talk on stderr.
type Console struct {
	colours Palette

	// mu guards the order of lines and what follows.
	mu      sync.Mutex
	out     io.Writer
	talk    io.Writer
	verbose bool
}

// NewConsole returns a Console; verbose shows what is ours to know, too.
func NewConsole(out, talk io.Writer, colours Palette, verbose bool) *Console {
	return &Console{out: out, talk: talk, colours: colours, verbose: verbose}
}

// OnProgress shows a step of a slow start.
func (c *Console) OnProgress(text string) {
	c.say(c.colours.Dim(OneLine(text)))
}

// OnReady shows where the agent is and how to call it.
func (c *Console) OnReady(ready app.Ready) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if ready.WantedPort != 0 {
		fmt.Fprintln(c.talk, c.colours.Yellow(fmt.Sprintf("Port %d is taken; this is another one.", ready.WantedPort)))
	}
	with := ", no Python needed"
	if ready.Python != "" {
		with = ", Python " + ready.Python
	}
	fmt.Fprintf(c.out, "Serving %s at %s (ready in %s%s)\n\n",
		c.colours.Bold(OneLine(ready.Agent.Name)), c.colours.Bold(ready.URL), Duration(ready.Took), with)
	rows := make([][]string, len(ready.Callables))
	for i, callable := range ready.Callables {
		rows[i] = []string{"  " + callable.Tag, string(callable.Type), Clip(callable.Signature, 80)}
	}
	_ = WriteTable(c.out, []string{"  ENTRYPOINT", "TYPE", "SIGNATURE"}, rows)
	if lines := sample.Curl(ready); len(lines) > 0 {
		fmt.Fprintf(c.out, "\nTry it:\n  %s\n", strings.Join(lines, "\n  "))
	}
	fmt.Fprintf(c.out, "\nAPI: %s/docs. Ctrl-C stops.\n", ready.URL)
}

// OnReload shows how a change went.
func (c *Console) OnReload(reload app.Reload) {
	if len(reload.Problems) == 0 {
		c.say(c.colours.Green("reloaded") + fmt.Sprintf(" %s in %s", changedNames(reload.Changed), Duration(reload.Took)))
		return
	}
	lines := []string{c.colours.Red("not reloaded") + " " + changedNames(reload.Changed) + "; the last good code keeps serving"}
	for _, problem := range reload.Problems {
		if problem.Traceback != "" {
			traces := Tracebacks{Colours: c.colours, Verbose: c.verbose}
			lines = append(lines, "  "+problemLine(problem), traces.Render(problem.Traceback, problem.Message))
			continue
		}
		lines = append(lines, "  "+problemLine(problem))
	}
	c.say(strings.Join(lines, "\n"))
}

// OnLog shows a line of user code behind the end of its invocation's ID.
func (c *Console) OnLog(line invocation.LogLine) {
	if line.Stream == "system" && line.Level == "debug" && !c.verbose {
		return
	}
	c.say(c.colours.Dim(LogPrefix(line.InvocationID, line.Stream)+" │") + " " +
		LogText(c.colours, line.Stream, line.Level, line.Text))
}

// OnFailure shows how a call has failed, and where in the author's code.
func (c *Console) OnFailure(f app.Failure) {
	if f.More > 0 {
		c.say(c.colours.Red(calls(f.More)+" more failed") + c.colours.Dim("; `runagent invocations --status failed` lists them"))
		return
	}
	said := OneLine(f.Message)
	text := c.colours.Dim(LogPrefix(f.InvocationID, "")+" │") + " " + c.colours.Red(f.Entrypoint+" failed after "+Duration(f.Took)+": "+said)
	if f.Traceback != "" {
		text += "\n" + Tracebacks{Colours: c.colours, Verbose: c.verbose}.Render(f.Traceback, said)
	}
	c.say(text)
}

// OnWarning shows something odd.
func (c *Console) OnWarning(text string) {
	c.say(c.colours.Yellow("warning:") + " " + text)
}

// OnStop shows that the end has begun.
func (c *Console) OnStop(inFlight int, timeout time.Duration) {
	if inFlight == 0 {
		c.say(c.colours.Dim("Stopping."))
		return
	}
	c.say(fmt.Sprintf("Stopping: waiting up to %s for %s; Ctrl-C again stops at once.", Duration(timeout), calls(inFlight)))
}

func (c *Console) say(text string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	fmt.Fprintln(c.talk, text)
}

func calls(n int) string {
	if n == 1 {
		return "1 call"
	}
	return fmt.Sprintf("%d calls", n)
}

// changedNames names up to three files.
func changedNames(paths []string) string {
	if len(paths) > 3 {
		return fmt.Sprintf("%s and %d more", strings.Join(paths[:2], ", "), len(paths)-2)
	}
	return strings.Join(paths, ", ")
}

// problemLine writes a problem as file:line:column: message.
func problemLine(p app.Problem) string {
	place := p.File
	if place != "" && p.Line > 0 {
		place += fmt.Sprintf(":%d", p.Line)
		if p.Column > 0 {
			place += fmt.Sprintf(":%d", p.Column)
		}
	}
	if place == "" {
		return p.Message
	}
	return place + ": " + p.Message
}

// LogConsole writes what happens as records of a structured log, for
// --log-format json.
type LogConsole struct{ Log *slog.Logger }

// OnProgress logs a step of a slow start.
func (c LogConsole) OnProgress(text string) { c.Log.Info("start progress", "text", text) }

// OnReady logs where the agent is.
func (c LogConsole) OnReady(ready app.Ready) {
	tags := make([]string, len(ready.Callables))
	for i, callable := range ready.Callables {
		tags[i] = callable.Tag
	}
	c.Log.Info("agent ready", "url", ready.URL, "agent_id", ready.Agent.ID, "agent_name", ready.Agent.Name,
		"entrypoints", tags, "python", ready.Python, "duration", ready.Took.Seconds())
}

// OnReload logs how a change went.
func (c LogConsole) OnReload(reload app.Reload) {
	if len(reload.Problems) == 0 {
		c.Log.Info("agent reloaded", "changed", reload.Changed, "duration", reload.Took.Seconds())
		return
	}
	lines := make([]string, len(reload.Problems))
	for i, problem := range reload.Problems {
		lines[i] = problemLine(problem)
	}
	c.Log.Warn("agent not reloaded", "changed", reload.Changed, "problems", lines)
}

// OnLog logs a line of user code.
func (c LogConsole) OnLog(line invocation.LogLine) {
	c.Log.Info("agent output", "text", line.Text, "stream", line.Stream, "level_name", line.Level,
		"invocation_id", line.InvocationID, "instance", line.Instance)
}

// OnFailure logs how a call has failed.
func (c LogConsole) OnFailure(f app.Failure) {
	if f.More > 0 {
		c.Log.Error("more calls failed", "calls", f.More)
		return
	}
	c.Log.Error("call failed", "invocation_id", f.InvocationID, "entrypoint", f.Entrypoint, "code", f.Code, "error", f.Message,
		"traceback", f.Traceback, "duration", f.Took.Seconds())
}

// OnWarning logs something odd.
func (c LogConsole) OnWarning(text string) { c.Log.Warn("serve warning", "text", text) }

// OnStop logs that the end has begun.
func (c LogConsole) OnStop(inFlight int, timeout time.Duration) {
	c.Log.Info("agent stopping", "in_flight", inFlight, "timeout", timeout.Seconds())
}

var (
	_ app.Console = (*Console)(nil)
	_ app.Console = LogConsole{}
)
