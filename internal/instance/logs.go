package instance

import (
	"bufio"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"time"

	"github.com/runagent/runagent/internal/instance/wire"
	"github.com/runagent/runagent/internal/invocation"
)

// handleLog passes a line on to the call it belongs to and to the log.
func (in *Instance) handleLog(f *wire.Frame) error {
	l, err := wire.ParseLog(f)
	if err != nil {
		return err
	}
	line := invocation.LogLine{
		Time: time.UnixMicro(l.Micros).UTC(), Stream: streamName(l.Stream), Level: levelName(l.Level),
		Text: string(l.Text), Instance: in.ID, AgentID: in.admission.AgentID,
	}
	var c *inflight
	if f.Call != 0 {
		in.mu.Lock()
		c = in.calls[f.Call]
		in.mu.Unlock()
	}
	if c != nil {
		line.InvocationID = c.invocation
		if raw, err := json.Marshal(line); err == nil {
			c.add(wire.Log, raw)
		}
	}
	in.logs(line)
	return nil
}

// lateOutput is how long after a call its lines may still arrive: descriptors
// are read apart from the socket.
const lateOutput = time.Second

// onlyCall returns the invocation of the only call in flight, or of the one
// that has just ended when there is none, or "".
func (in *Instance) onlyCall() string {
	in.mu.Lock()
	defer in.mu.Unlock()
	if len(in.calls) == 0 && time.Since(in.latestEnd) < lateOutput {
		return in.latest
	}
	if len(in.calls) != 1 {
		return ""
	}
	for _, c := range in.calls {
		return c.invocation
	}
	return ""
}

func streamName(b byte) string {
	switch b {
	case 1:
		return "stdout"
	case 2:
		return "stderr"
	case 3:
		return "logging"
	default:
		return "system"
	}
}

func levelName(b byte) string {
	switch {
	case b >= 50:
		return "critical"
	case b >= 40:
		return "error"
	case b >= 30:
		return "warning"
	case b >= 20:
		return "info"
	case b >= 10:
		return "debug"
	default:
		return ""
	}
}

// drain reads what is written to a descriptor of the process, past Python.
func (in *Instance) drain(r *os.File, stream string) {
	defer r.Close()
	done := make(chan struct{})
	defer close(done)
	go func() { // ends with drain
		select {
		case <-done:
		case <-in.proc.Done():
			// Children of the instance may hold the pipe; they are being ended.
			_ = r.SetReadDeadline(time.Now().Add(500 * time.Millisecond))
		}
	}()
	br := bufio.NewReaderSize(r, 4<<10)
	for {
		text, err := br.ReadSlice('\n')
		if len(text) > 0 {
			line := invocation.LogLine{
				Time: time.Now().UTC(), Stream: stream, Text: strings.TrimRight(string(text), "\r\n"),
				Instance: in.ID, AgentID: in.admission.AgentID, InvocationID: in.onlyCall(),
			}
			in.logs(line)
		}
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return
		}
	}
}
