package invocation

import (
	"context"
	"time"
)

// KeptLine is a LogLine as it was kept, with its place in the order of all lines.
type KeptLine struct {
	ID int64 `json:"id"`
	LogLine
}

// LogFilter selects log lines. Empty fields select everything.
type LogFilter struct {
	AgentID      string
	InvocationID string
	Revision     string
	Since        time.Time
	// After is the ID of the last line already seen: the lines that follow it
	// are given. At 0 the newest lines are.
	After int64
	Limit int // 1 to 10,000; 0 means 1,000
}

// Logs keeps the lines that agents print. AppendLog returns at once and never
// fails; Logs gives lines in the order they were kept, oldest first.
type Logs interface {
	AppendLog(LogLine)
	Logs(ctx context.Context, f LogFilter) ([]KeptLine, error)
}
