package peer

import (
	"bytes"
	"fmt"
	"sync/atomic"

	"github.com/runagent/runagent/bench/load"
)

// AgentCoreAPI is the one door of the AgentCore runtime: the payload goes to
// the one entrypoint.
type AgentCoreAPI struct{ Plain }

// Shot implements Dialect.
func (AgentCoreAPI) Shot(addr string, c *Call) *load.Shot {
	return httpShot(addr, "/invocations", c.Args, c, c.Want, prefixed("data: ", c.Items))
}

// LangGraphAPI is the LangGraph server's: runs without a thread, waited for or
// streamed as what the node writes.
type LangGraphAPI struct{ Plain }

// Shot implements Dialect.
func (LangGraphAPI) Shot(addr string, c *Call) *load.Shot {
	switch {
	case c.Function == "graph":
		body := fmt.Sprintf(`{"assistant_id":"bench","input":%s}`, c.Args)
		return httpShot(addr, "/runs/wait", body, c, c.Want, nil)
	case c.Items != nil:
		body := fmt.Sprintf(`{"assistant_id":"bench","input":{"args":%s},"stream_mode":"custom","on_disconnect":"cancel"}`, c.Args)
		return httpShot(addr, "/runs/stream", body, c, "", prefixed("data: ", c.Items))
	}
	body := fmt.Sprintf(`{"assistant_id":"bench","input":{"args":%s}}`, c.Args)
	return httpShot(addr, "/runs/wait", body, c, `"result":`+c.Want, nil)
}

// ADKAPI is the API server of Google's ADK: the call is the text of a message,
// the answer the text of an event, and each call has a session of its own.
type ADKAPI struct{}

// sessionMark stands in a shot where the session's name will be.
const sessionMark = "session-0000000000000000"

// Caller implements Dialect.
func (ADKAPI) Caller(addr string, _ *Call) load.Caller { return &sessions{HTTP: load.NewHTTP(addr)} }

// Shot implements Dialect.
func (ADKAPI) Shot(addr string, c *Call) *load.Shot {
	path, streaming := "/run", "false"
	if c.Items != nil {
		path, streaming = "/run_sse", "true"
	}
	body := fmt.Sprintf(`{"app_name":"agent","user_id":"bench","session_id":%q,"streaming":%s,"new_message":{"role":"user","parts":[{"text":"%s"}]}}`,
		sessionMark, streaming, escaped(c.Args, 1))
	items := make([]string, len(c.Items))
	for i, item := range c.Items {
		items[i] = escaped(item, 1)
	}
	return httpShot(addr, path, body, c, escaped(c.Want, 1), items)
}

// sessions puts a new session's name into each call.
type sessions struct {
	*load.HTTP
	wire []byte
}

// lastSession numbers the sessions of all clients of a run.
var lastSession atomic.Int64

// Call implements load.Caller.
func (s *sessions) Call(shot *load.Shot) ([]byte, load.Timing, error) {
	own := *shot
	own.Wire = s.named(shot.Wire)
	return s.HTTP.Call(&own)
}

// Send is load.HTTP's, in a new session.
func (s *sessions) Send(wire, marker []byte) error { return s.HTTP.Send(s.named(wire), marker) }

func (s *sessions) named(wire []byte) []byte {
	s.wire = append(s.wire[:0], wire...)
	if at := bytes.Index(s.wire, []byte(sessionMark)); at >= 0 {
		copy(s.wire[at:], fmt.Sprintf("session-%016d", lastSession.Add(1)))
	}
	return s.wire
}

var _ load.Caller = (*sessions)(nil)

// LogReaders is RunAgent's own door; who waits there reads the agent's log.
type LogReaders struct{ Native }

// Wait returns a request whose answer begins at once and never ends.
func (LogReaders) Wait(addr string) (wire, marker []byte) {
	return fmt.Appendf(nil, "GET /v1/agents/bench/logs?follow=1 HTTP/1.1\r\nHost: %s\r\nAccept: text/event-stream\r\n\r\n", addr), []byte("text/event-stream")
}

// Waiting is a Dialect whose idle connections wait for an answer, instead of
// having had theirs.
type Waiting interface {
	Wait(addr string) (wire, marker []byte)
}

var _ Waiting = LogReaders{}
