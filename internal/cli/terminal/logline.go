package terminal

import "fmt"

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
