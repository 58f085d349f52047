package app

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/runagent/runagent/internal/invocation"
)

// heard is what a console was told of failures; a recorder, it keeps nothing.
type heard struct {
	Console
	told     []string
	finished int
}

func (h *heard) OnFailure(f Failure) {
	if f.More > 0 {
		h.told = append(h.told, fmt.Sprint("and ", f.More))
		return
	}
	h.told = append(h.told, fmt.Sprintf("%s %s %s %q %q %v", f.InvocationID, f.Entrypoint, f.Code, f.Message, f.Traceback, f.Took))
}
func (h *heard) Started(invocation.Record)  {}
func (h *heard) Finished(invocation.Record) { h.finished++ }

func TestFailuresAreShownOneASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &heard{}
		f := &failures{Recorder: h, console: h}
		now := time.Now()
		end := func(id string, status invocation.Status, wire string) {
			f.Finished(invocation.Record{
				ID: id, Entrypoint: "main", Status: status, Error: json.RawMessage(wire), CreatedAt: now, FinishedAt: now.Add(2 * time.Second),
			})
		}
		const raised = `{"code":"EXECUTION_ERROR","message":"ValueError: bad","details":{"type":"ValueError","traceback":"Traceback"}}`
		end("i0", invocation.Succeeded, "")
		end("i1", invocation.FailedS, raised)
		end("i2", invocation.FailedS, raised)
		end("i3", invocation.CanceledS, `{"code":"CANCELED"}`)
		end("i4", invocation.TimedOut, raised)
		<-time.After(2 * failuresEvery)
		end("i5", invocation.TimedOut, `{"code":"TIMEOUT_ERROR","message":"it took longer than 2s"}`)
		<-time.After(2 * failuresEvery)
		synctest.Wait()
		want := []string{
			`i1 main EXECUTION_ERROR "ValueError: bad" "Traceback" 2s`, "and 2", `i5 main TIMEOUT_ERROR "it took longer than 2s" "" 2s`,
		}
		if !slices.Equal(h.told, want) || h.finished != 6 {
			t.Errorf("told %q of %d, want %q", h.told, h.finished, want)
		}
	})
}
