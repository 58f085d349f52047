package app

import (
	"encoding/json"
	"sync"
	"time"

	"github.com/runagent/runagent/api"
	"github.com/runagent/runagent/internal/invocation"
)

// failuresEvery is how often a failed call is shown whole: code that fails fails
// often.
const failuresEvery = time.Second

// Failure says how a call has failed or, in More alone, how many others have
// since one was told.
type Failure struct {
	More                     int
	InvocationID, Entrypoint string
	// Code and Message are those of the error.
	Code, Message string
	// Traceback is where the agent's code raised, as Python writes it, or "".
	Traceback string
	Took      time.Duration
}

// failures is a Recorder that shows the author which calls have failed, one a
// second, and how many more there were.
type failures struct {
	invocation.Recorder
	console Console

	mu   sync.Mutex // guards what follows
	more int
	rest *time.Timer // runs for failuresEvery after one was shown
}

// Finished implements invocation.Recorder.
func (f *failures) Finished(rec invocation.Record) {
	if rec.Status == invocation.FailedS || rec.Status == invocation.TimedOut {
		f.note(&rec)
	}
	f.Recorder.Finished(rec)
}

func (f *failures) note(rec *invocation.Record) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.rest != nil {
		f.more++
		return
	}
	f.rest = time.AfterFunc(failuresEvery, f.over)
	var wire api.Error
	var details struct {
		Traceback string `json:"traceback"`
	}
	_ = json.Unmarshal(rec.Error, &wire) // it is ours
	_ = json.Unmarshal(wire.Details, &details)
	f.console.OnFailure(Failure{
		InvocationID: rec.ID, Entrypoint: rec.Entrypoint, Code: wire.Code, Message: wire.Message,
		Traceback: details.Traceback, Took: rec.FinishedAt.Sub(rec.CreatedAt),
	})
}

func (f *failures) over() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.rest = nil
	if f.more > 0 {
		f.console.OnFailure(Failure{More: f.more})
		f.more = 0
	}
}
