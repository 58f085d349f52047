package terminal

import (
	"fmt"
	"io"
	"log/slog"

	"github.com/runagent/runagent/internal/config"
)

// NewLog returns RunAgent's own log in the given format, config.JSON or
// config.Text, from level on.
func NewLog(w io.Writer, format string, level slog.Level) *slog.Logger {
	options := &slog.HandlerOptions{Level: level}
	if format == config.JSON {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}

// LogPrefix says whose line it is, in eight characters: the invocation's or,
// when it has none, the agent's or ours.
func LogPrefix(invocationID, stream string) string {
	switch {
	case invocationID != "":
		return fmt.Sprintf("%8s", ShortID(invocationID))
	case stream == "system":
		return "runagent"
	}
	return "   agent"
}

// LogText is a line's text in the colour of its weight. A terminal must not be
// driven by what an agent prints, so control characters become spaces.
func LogText(colours Palette, stream, level, text string) string {
	text = OneLine(text)
	switch {
	case level == "error" || level == "critical":
		return colours.Red(text)
	case level == "warning":
		return colours.Yellow(text)
	case stream == "system" || level == "debug":
		return colours.Dim(text)
	}
	return text
}
